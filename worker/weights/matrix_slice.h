// What a model asks of a weight matrix.
#ifndef SWITCHYARD_WORKER_WEIGHTS_MATRIX_SLICE_H_
#define SWITCHYARD_WORKER_WEIGHTS_MATRIX_SLICE_H_

#include <cstdint>
#include <string>

namespace switchyard::worker {

// A slice of a 2-D weight. `rows` and `cols` are what the whole tensor must have.
struct MatrixSlice {
  std::string tensor;
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t row_begin = 0;
  int64_t row_end = -1;  // -1: rows
  int64_t col_begin = 0;
  int64_t col_end = -1;  // -1: cols
  std::string bias;      // name of its bias [rows], or empty
  int64_t k_shards = 1;  // see kernels::LinearSource
  // Where the mode is kBf16: inputs are not rounded to BF16 (kernels::Compute::kF32 instead).
  bool precise = false;
  // Where weights are quantised to 4 bits while they are loaded: this one gets 8.
  bool fine = false;
  bool one_rank = false;  // no other rank reads any of it, as a routed expert's weights

  int64_t num_rows() const { return (row_end < 0 ? rows : row_end) - row_begin; }
  // Rows [begin, end) of the slice's own.
  MatrixSlice Rows(int64_t begin, int64_t end) const {
    MatrixSlice part = *this;
    part.row_begin = row_begin + begin;
    part.row_end = row_begin + end;
    return part;
  }
  int64_t num_cols() const { return (col_end < 0 ? cols : col_end) - col_begin; }
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_MATRIX_SLICE_H_
