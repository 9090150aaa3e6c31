// Naive attention of one head over one tile, as a template over a Dot type (attention_dot.h).
// Included by attention_{portable,avx2, avx512}.cc alone.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_

#include <cstdint>
#include <cstring>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/attention_rows_impl.h"
#include "kernels/cpu/attention_tile.h"

namespace switchyard::kernels::cpu {

template <class Dot>
class PrefillHead {
 public:
  static void Run(const PrefillTask& task) {
    PrefillHead head(task, WorkPieces(task.work));
    head.tile_.Pack();
    for (int64_t row = 0; row < task.num_rows; row += kRows) {
      head.RunRows(row, task.num_rows - row < kRows ? task.num_rows - row : kRows);
    }
  }

 private:
  static constexpr int kRows = AttentionRows<Dot>::kRows;
  static constexpr int64_t kBlock = AttentionTile<Dot>::kBlock;

  PrefillHead(const PrefillTask& task, WorkPieces work)
      : task_(task),
        tile_(task, work),
        rows_(work, tile_.key_units(), tile_.value_columns(), task.scale) {}

  void RunRows(int64_t first_row, int64_t num_rows) {
    for (int64_t r = 0; r < num_rows; ++r) LoadRow(first_row + r, r);
    for (int64_t block = 0; block < tile_.num_blocks(); ++block) {
      // Rows before `first` end before this block begins.
      const int64_t begin = task_.tile_begin + block * kBlock;
      const int64_t position = task_.first_position + first_row;
      const int64_t first = position >= begin ? 0 : begin - position;
      if (first >= num_rows) continue;
      rows_.RunBlock(tile_, block, first, num_rows - first,
                     {.begin = -kRows, .end = position + first - begin + 1});
    }
    for (int64_t r = 0; r < num_rows; ++r) StoreRow(first_row + r, r);
  }

  void LoadRow(int64_t row, int64_t r) {
    Dot::PackRow(rows_.query(r), task_.q + row * task_.q_stride, tile_.key_dim());
    const int64_t value = task_.dims.value;
    const float* state = task_.state + row * task_.state_stride;
    float* sums = rows_.sums(r);
    std::memcpy(sums, state, static_cast<size_t>(value) * sizeof(float));
    for (int64_t i = value; i < tile_.value_columns(); ++i) sums[i] = 0;
    rows_.max(r) = state[value];
    rows_.total(r) = state[value + 1];
  }

  void StoreRow(int64_t row, int64_t r) {
    const int64_t value = task_.dims.value;
    const float* sums = rows_.sums(r);
    if (task_.out != nullptr) {
      float* out = task_.out + row * task_.out_stride;
      for (int64_t i = 0; i < value; ++i) out[i] = sums[i] / rows_.total(r);
      return;
    }
    float* state = task_.state + row * task_.state_stride;
    std::memcpy(state, sums, static_cast<size_t>(value) * sizeof(float));
    state[value] = rows_.max(r);
    state[value + 1] = rows_.total(r);
  }

  const PrefillTask& task_;
  AttentionTile<Dot> tile_;
  AttentionRows<Dot> rows_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_
