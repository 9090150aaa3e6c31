// The sizes that recorded steps have: few, so that few recordings serve all steps.
#ifndef SWITCHYARD_WORKER_PARALLEL_PADDED_ROWS_H_
#define SWITCHYARD_WORKER_PARALLEL_PADDED_ROWS_H_

#include <cstdint>

namespace switchyard::worker {

// Ascending. Less than half of the rows are padding, from 17 on less than a third.
inline constexpr int64_t kPaddedRows[] = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256};

// The least of them that is no less than `rows`; `rows` itself where all are less, or it is 0.
constexpr int64_t PaddedRows(int64_t rows) {
  if (rows == 0) return 0;
  for (const int64_t size : kPaddedRows) {
    if (size >= rows) return size;
  }
  return rows;
}

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_PADDED_ROWS_H_
