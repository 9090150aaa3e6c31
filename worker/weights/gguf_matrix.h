// Slices of a GGUF file's matrices: which bytes hold one, and what they become. See GgufLayout.
//
// Symbols: N, K rows and columns of the slice; G the blocks that its columns touch.
#ifndef SWITCHYARD_WORKER_WEIGHTS_GGUF_MATRIX_H_
#define SWITCHYARD_WORKER_WEIGHTS_GGUF_MATRIX_H_

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "kernels/args/linear.h"
#include "kernels/dtype.h"
#include "worker/weights/host_range.h"
#include "worker/weights/matrix_slice.h"

namespace switchyard::worker {

// What a slice of such a tensor is packed from. Whole numbers stay such if `whole` and where the
// form that they are packed in has their codes exactly; what else is quantised becomes f32. Plain
// types stay as they are.
kernels::DType GgufSourceType(const GgufType& type, bool whole, kernels::WeightForm form);

// The slice unpacked, row-major, rows in the order of published checkpoints.
struct GgufValues {
  std::vector<std::byte> values;  // [N, K]
  std::vector<float> scales;      // of whole numbers, [N, G]
};

class GgufMatrix {
 public:
  // REQUIRES: a tensor with a GgufLayout, which the slice is in; it outlives this.
  GgufMatrix(const TensorInfo& tensor, const MatrixSlice& slice, kernels::DType source_type);

  // Whole blocks of whole heads.
  TensorRange range() const;
  // Where it is read to.
  void set_bytes(const HostRange& bytes) { bytes_ = bytes; }

  kernels::DType source_type() const { return source_type_; }
  int64_t block_columns() const { return layout_->type->block_elements; }
  int64_t num_blocks() const { return col_blocks_end_ - col_blocks_begin_; }
  // Of the slice's first column in its first block.
  int64_t col_offset() const { return col_begin_ - col_blocks_begin_ * block_columns(); }

  // INVALID_ARGUMENT, naming the tensor and the row, for scales that are no finite numbers.
  absl::StatusOr<GgufValues> Decode(const RangeData& data) const;

 private:
  int64_t FileRow(int64_t row) const;
  // One row's blocks into its place among the values.
  bool DecodeRow(const std::byte* blocks, int64_t row, std::vector<std::byte>& scratch,
                 GgufValues* values) const;

  const TensorInfo* tensor_;
  const GgufLayout* layout_;
  kernels::DType source_type_;
  int64_t row_begin_, num_rows_, col_begin_, num_cols_;
  int64_t col_blocks_begin_, col_blocks_end_;
  HostRange bytes_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_GGUF_MATRIX_H_
