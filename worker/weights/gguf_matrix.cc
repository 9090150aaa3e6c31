#include "worker/weights/gguf_matrix.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/units.h"
#include "worker/weights/gguf_blocks.h"

namespace switchyard::worker {

using kernels::DType;
using kernels::WeightForm;

DType GgufSourceType(const GgufType& type, bool whole, WeightForm form) {
  if (const auto plain = PlainDtype(type)) {
    return *plain == FileDtype::kF32   ? DType::kF32
           : *plain == FileDtype::kF16 ? DType::kF16
                                       : DType::kBf16;
  }
  if (whole && form != WeightForm::kInt8 && HasWholeForm(type, DType::kU4)) return DType::kU4;
  if (whole && form != WeightForm::kInt4 && HasWholeForm(type, DType::kI8)) return DType::kI8;
  return DType::kF32;
}

GgufMatrix::GgufMatrix(const TensorInfo& tensor, const MatrixSlice& slice, DType source_type)
    : tensor_(&tensor),
      layout_(&tensor.gguf.value()),
      source_type_(source_type),
      row_begin_(slice.row_begin),
      num_rows_(slice.num_rows()),
      col_begin_(slice.col_begin),
      num_cols_(slice.num_cols()),
      col_blocks_begin_(slice.col_begin / block_columns()),
      col_blocks_end_(CeilDiv(slice.col_begin + slice.num_cols(), block_columns())) {}

TensorRange GgufMatrix::range() const {
  const int64_t head = std::max<int64_t>(1, layout_->head_rows);
  return {.tensor = tensor_,
          .row_begin = row_begin_ / head * head,
          .row_end = RoundUp(row_begin_ + num_rows_, head),
          .col_begin = col_blocks_begin_ * layout_->type->block_bytes,
          .col_end = col_blocks_end_ * layout_->type->block_bytes};
}

int64_t GgufMatrix::FileRow(int64_t row) const {
  const int64_t head = layout_->head_rows;
  if (head == 0) return row;
  const int64_t in_head = row % head;
  return row - in_head + in_head % (head / 2) * 2 + in_head / (head / 2);
}

bool GgufMatrix::DecodeRow(const std::byte* blocks, int64_t row, std::vector<std::byte>& scratch,
                           GgufValues* values) const {
  const int64_t element = SizeOf(source_type_);
  std::byte* const to = values->values.data() + row * num_cols_ * element;
  bool finite = true;
  const std::byte* from = blocks;
  if (!PlainDtype(*layout_->type)) {
    scratch.resize(static_cast<size_t>(num_blocks() * block_columns() * element));
    from = scratch.data();
    if (source_type_ == DType::kF32) {
      finite = WidenBlocks(*layout_->type, blocks, num_blocks(),
                           reinterpret_cast<float*>(scratch.data()));
    } else {
      finite = WholeBlocks(*layout_->type, source_type_, blocks, num_blocks(), scratch.data(),
                           values->scales.data() + row * num_blocks());
    }
  }
  std::memcpy(to, from + col_offset() * element, static_cast<size_t>(num_cols_ * element));
  return finite;
}

absl::StatusOr<GgufValues> GgufMatrix::Decode(const RangeData& data) const {
  std::vector<std::byte> moved, scratch;
  const TensorRange& wanted = bytes_.wanted;
  const std::byte* const blocks = Contiguous(bytes_, data(bytes_.index), moved);
  GgufValues values;
  values.values.resize(static_cast<size_t>(num_rows_ * num_cols_ * SizeOf(source_type_)));
  if (source_type_ == DType::kI8 || source_type_ == DType::kU4) {
    values.scales.resize(static_cast<size_t>(num_rows_ * num_blocks()));
  }
  for (int64_t row = 0; row < num_rows_; ++row) {
    const int64_t at = FileRow(row_begin_ + row) - wanted.row_begin;
    if (DecodeRow(blocks + at * wanted.num_cols(), row, scratch, &values)) continue;
    return absl::InvalidArgumentError(fmt::format(
        "tensor {}: row {} has a scale that is no finite number", tensor_->name, row_begin_ + row));
  }
  return values;
}

}  // namespace switchyard::worker
