// Rows and columns of a tensor in a checkpoint.
#ifndef SWITCHYARD_WORKER_WEIGHTS_TENSOR_RANGE_H_
#define SWITCHYARD_WORKER_WEIGHTS_TENSOR_RANGE_H_

#include <cstdint>

#include "worker/weights/safetensors.h"

namespace switchyard::worker {

// Rows are dimension 0, columns all other dimensions laid flat. A 1-D tensor has one column, a
// scalar one row.
struct TensorRange {
  const TensorInfo* tensor = nullptr;
  int64_t row_begin = 0;
  int64_t row_end = 0;
  int64_t col_begin = 0;
  int64_t col_end = 0;

  static TensorRange Whole(const TensorInfo& tensor);
  static TensorRange Rows(const TensorInfo& tensor, int64_t begin, int64_t end);
  static TensorRange Cols(const TensorInfo& tensor, int64_t begin, int64_t end);

  int64_t num_rows() const { return row_end - row_begin; }
  int64_t num_cols() const { return col_end - col_begin; }
  int64_t num_bytes() const { return num_rows() * num_cols() * FileDtypeBytes(tensor->dtype); }
  bool whole_rows() const;
  // Of the whole tensor.
  int64_t row_bytes() const;
  // Of the range's first byte, in its file.
  int64_t file_offset() const;
};

// Aborts unless the range is inside its tensor.
void CheckRange(const TensorRange& range);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_TENSOR_RANGE_H_
