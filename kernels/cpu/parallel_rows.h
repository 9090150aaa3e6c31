// Spreads rows over the threads where that pays, and stays on the calling thread where it does not.
#ifndef SWITCHYARD_KERNELS_CPU_PARALLEL_ROWS_H_
#define SWITCHYARD_KERNELS_CPU_PARALLEL_ROWS_H_

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels::cpu {

// Some microseconds of memory traffic: several times what it costs to wake the threads.
inline constexpr int64_t kBytesPerTask = 256 << 10;

// body(row) for every row in [0, num_rows); row_bytes is what one row reads and writes.
template <typename Body>
void ForRows(const CpuContext& cpu, int64_t num_rows, int64_t row_bytes, Body&& body) {
  cpu.pool.ForEach(num_rows, std::max<int64_t>(1, kBytesPerTask / std::max<int64_t>(1, row_bytes)),
                   body);
}

// body(begin, count) for pieces of [0, num_elements), each a multiple of 64 elements but the last.
template <typename Body>
void ForPieces(const CpuContext& cpu, int64_t num_elements, int64_t element_bytes, Body&& body) {
  const int64_t piece =
      std::max<int64_t>(64, kBytesPerTask / std::max<int64_t>(1, element_bytes) / 64 * 64);
  cpu.pool.ForEach((num_elements + piece - 1) / piece, 1,
                   [&](int64_t i) { body(i * piece, std::min(piece, num_elements - i * piece)); });
}

// body(task, thread) for every task in [0, num_tasks) of about task_multiplies each; thread <
// cpu.pool.num_threads() tells whose working memory to use.
template <typename Body>
void ForTasks(const CpuContext& cpu, int64_t num_tasks, int64_t task_multiplies, Body&& body) {
  constexpr int64_t kLeastMultiplies = 400'000;  // some microseconds
  if (num_tasks <= 1 || num_tasks * task_multiplies < kLeastMultiplies ||
      cpu.pool.num_threads() == 1) {
    for (int64_t task = 0; task < num_tasks; ++task) body(task, 0);
    return;
  }
  cpu.pool.ResetCounter();
  cpu.pool.Run([&](int thread) {
    for (int64_t task = cpu.pool.Take(1); task < num_tasks; task = cpu.pool.Take(1)) {
      body(task, thread);
    }
  });
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PARALLEL_ROWS_H_
