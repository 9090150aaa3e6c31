// The rows of a case of kernels/cases/mlp.h: where each block's lie, and the same packed for
// GroupedMlp.
#ifndef SWITCHYARD_TESTS_KERNELS_ROUTED_ROWS_H_
#define SWITCHYARD_TESTS_KERNELS_ROUTED_ROWS_H_

#include <cstdint>
#include <vector>

#include "kernels/cases/mlp.h"

namespace switchyard::kernels {

struct RoutedRows {
  // `behind`: rows of x behind the last span.
  explicit RoutedRows(const cases::RoutedCase& shape, int32_t behind = 3) {
    int32_t begin = 0;
    for (const int32_t rows : shape.rows) {
      spans.insert(spans.end(), {begin, rows});
      for (int32_t i = 0; i < rows; ++i) packed.push_back(begin + i);
      offsets.push_back(static_cast<int32_t>(packed.size()));
      begin += shape.capacity == 0 ? rows : shape.capacity;
    }
    num_rows = begin + behind;
  }
  int64_t num_packed() const { return static_cast<int64_t>(packed.size()); }

  int64_t num_rows = 0;                // of x
  std::vector<int32_t> spans;          // [blocks, 2]
  std::vector<int32_t> packed;         // rows of x that meet a block, in order
  std::vector<int32_t> offsets = {0};  // of the blocks in `packed`
};

// Rows `rows` of values [*, width].
inline std::vector<float> RowsOf(const std::vector<float>& values, int64_t width,
                                 const std::vector<int32_t>& rows) {
  std::vector<float> taken;
  for (const int32_t row : rows) {
    taken.insert(taken.end(), values.begin() + row * width, values.begin() + (row + 1) * width);
  }
  return taken;
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_ROUTED_ROWS_H_
