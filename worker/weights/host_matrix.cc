#include "worker/weights/host_matrix.h"

#include <cstring>

namespace switchyard::worker {
namespace {

using kernels::DType;
using kernels::TensorView;

float Element(const TensorView& view, int64_t i) {
  switch (view.dtype) {
    case DType::kF32:
      return static_cast<const float*>(view.data)[i];
    case DType::kF16:
      return ToFloat(static_cast<const kernels::F16*>(view.data)[i]);
    default:
      return ToFloat(static_cast<const kernels::Bf16*>(view.data)[i]);
  }
}

}  // namespace

std::optional<DType> WeightDType(FileDtype dtype) {
  switch (dtype) {
    case FileDtype::kF32:
      return DType::kF32;
    case FileDtype::kF16:
      return DType::kF16;
    case FileDtype::kBf16:
      return DType::kBf16;
    case FileDtype::kF8E4m3:
      return DType::kF8E4M3;
    default:
      return std::nullopt;
  }
}

kernels::WeightForm FormOfSlice(const MatrixSlice& slice, kernels::Compute mode,
                                kernels::WeightForm form) {
  using kernels::WeightForm;
  if (slice.precise && mode == kernels::Compute::kBf16) return WeightForm::kStored;
  return slice.fine && form == WeightForm::kInt4 ? WeightForm::kInt8 : form;
}

std::vector<float> ToFloats(const TensorView& view) {
  std::vector<float> values(view.NumElements());
  for (size_t i = 0; i < values.size(); ++i) values[i] = Element(view, i);
  return values;
}

absl::Status HostMatrix::DecodeInt4(const RangeData& data) {
  SY_ASSIGN_OR_RETURN(numbers, int4->Decode(data));
  weight.data = numbers.codes.data();
  return absl::OkStatus();
}

absl::Status HostMatrix::DecodeGguf(const RangeData& data) {
  SY_ASSIGN_OR_RETURN(GgufValues values, gguf->Decode(data));
  moved = std::move(values.values);
  scales = std::move(values.scales);
  weight.data = moved.data();
  return absl::OkStatus();
}

absl::Status HostMatrix::DecodeHalves(const RangeData& data) {
  SY_ASSIGN_OR_RETURN(joined, halves->Decode(data));
  weight.data = joined.data();
  return absl::OkStatus();
}

absl::Status HostMatrix::DecodeScales(const RangeData& data) {
  std::vector<std::byte> scratch;
  const std::byte* const raw = Contiguous(*scale_range, data(scale_range->index), scratch);
  scales.resize(static_cast<size_t>(blocks.num_block_rows() * blocks.num_block_cols()));
  const TensorInfo& info = *scale_range->wanted.tensor;
  if (info.dtype == FileDtype::kF8E8m0) {
    for (size_t i = 0; i < scales.size(); ++i) {
      scales[i] = E8m0ToFloat(static_cast<uint8_t>(raw[i]));
    }
  } else {
    scales = ToFloats(TensorView(raw, *WeightDType(info.dtype), {std::ssize(scales)}));
  }
  return CheckScales(info.name, blocks, scales);
}

absl::Status HostMatrix::Decode(const RangeData& data) {
  if (int4.has_value()) {
    SY_RETURN_IF_ERROR(DecodeInt4(data));
  } else if (gguf.has_value()) {
    SY_RETURN_IF_ERROR(DecodeGguf(data));
  } else if (halves.has_value()) {
    SY_RETURN_IF_ERROR(DecodeHalves(data));
  } else {
    weight.data = const_cast<std::byte*>(Contiguous(weight_range, data(weight_range.index), moved));
  }
  if (scale_range.has_value()) SY_RETURN_IF_ERROR(DecodeScales(data));
  if (bias_range.has_value()) {
    std::vector<std::byte> scratch;
    const std::byte* const raw = Contiguous(*bias_range, data(bias_range->index), scratch);
    bias = ToFloats(TensorView(raw, bias_dtype, {slice.num_rows()}));
  }
  return absl::OkStatus();
}

// Only the touched scales were read, so offsets count from the first of them.
void HostMatrix::PlaceBlocks(kernels::LinearSource* source) const {
  if (gguf.has_value()) {
    if (!HasNumbers()) return;
    source->block_rows = 1;
    source->block_cols = gguf->block_columns();
    source->col_offset = gguf->col_offset();
    source->scales = TensorView(scales.data(), DType::kF32, {slice.num_rows(), gguf->num_blocks()});
    return;
  }
  if (weight.dtype == DType::kU4) {
    const Int4Slice& part = int4->slice;
    source->block_rows = 1;
    source->block_cols = part.group_columns();
    source->col_offset = part.col_begin() - part.first_group() * part.group_columns();
    source->scales =
        TensorView(numbers.scales.data(), DType::kF32, {part.num_rows(), part.num_groups()});
    source->zeros =
        TensorView(numbers.zeros.data(), DType::kI8, {part.num_rows(), part.num_groups()});
    return;
  }
  source->block_rows = blocks.block_rows;
  source->block_cols = blocks.block_cols;
  source->row_offset = slice.row_begin - blocks.first_block_row() * blocks.block_rows;
  source->col_offset = slice.col_begin - blocks.first_block_col() * blocks.block_cols;
  if (scales.empty()) return;
  source->scales =
      TensorView(scales.data(), DType::kF32, {blocks.num_block_rows(), blocks.num_block_cols()});
}

kernels::LinearSource HostMatrix::Source(kernels::Compute mode, kernels::WeightForm form) const {
  const bool widened = slice.precise && mode == kernels::Compute::kBf16;
  // 4-bit codes stay such whatever the slice would get.
  if (widened || weight.dtype != DType::kU4) form = FormOfSlice(slice, mode, form);
  kernels::LinearSource source{.name = slice.tensor,
                               .weight = weight,
                               .k_shards = slice.k_shards,
                               .compute = widened ? kernels::Compute::kF32 : mode,
                               .gating = slice.gating,
                               .form = form};
  PlaceBlocks(&source);
  if (!bias.empty()) source.bias = TensorView(bias.data(), DType::kF32, {slice.num_rows()});
  return source;
}

bool HostMatrix::HasNumbers() const {
  return weight.dtype == DType::kU4 || weight.dtype == DType::kI8;
}

std::vector<float> HostMatrix::Values() const {
  if (!HasNumbers() && weight.dtype != DType::kF8E4M3) return ToFloats(weight);
  std::vector<float> values(static_cast<size_t>(weight.NumElements()));
  if (gguf.has_value()) {
    gguf->Widen(weight.data, scales, values.data());
  } else if (weight.dtype == DType::kU4) {
    WidenInt4(int4->slice, numbers, values.data());
  } else {
    DequantizeBlocks(blocks, static_cast<const kernels::F8E4M3*>(weight.data), scales.data(),
                     values.data());
  }
  return values;
}

}  // namespace switchyard::worker
