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

// The wanted rows and columns one behind the other, at an address fit for their type: where they
// came to, or in `moved`.
const std::byte* Contiguous(const HostRange& range, const std::byte* data,
                            std::vector<std::byte>& moved) {
  const TensorRange &wanted = range.wanted, &read = range.read;
  const int64_t element = FileDtypeBytes(wanted.tensor->dtype);
  const int64_t row = wanted.num_cols() * element, read_row = read.num_cols() * element;
  data += (wanted.row_begin - read.row_begin) * read_row +
          (wanted.col_begin - read.col_begin) * element;
  const bool fit = reinterpret_cast<uintptr_t>(data) % static_cast<uintptr_t>(element) == 0;
  if (fit && (row == read_row || wanted.num_rows() == 1)) return data;
  moved.resize(static_cast<size_t>(wanted.num_bytes()));
  for (int64_t i = 0; i < wanted.num_rows(); ++i) {
    std::memcpy(moved.data() + i * row, data + i * read_row, static_cast<size_t>(row));
  }
  return moved.data();
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

std::vector<float> ToFloats(const TensorView& view) {
  std::vector<float> values(view.NumElements());
  for (size_t i = 0; i < values.size(); ++i) values[i] = Element(view, i);
  return values;
}

absl::Status HostMatrix::Decode(const RangeData& data) {
  weight.data = const_cast<std::byte*>(Contiguous(weight_range, data(weight_range.index), moved));
  std::vector<std::byte> scratch;
  if (scale_range.has_value()) {
    const std::byte* const raw = Contiguous(*scale_range, data(scale_range->index), scratch);
    scales.resize(static_cast<size_t>(blocks.num_block_rows() * blocks.num_block_cols()));
    const TensorInfo& info = *scale_range->wanted.tensor;
    if (info.dtype == FileDtype::kF32) {
      std::memcpy(scales.data(), raw, scales.size() * sizeof(float));
    } else {
      for (size_t i = 0; i < scales.size(); ++i)
        scales[i] = E8m0ToFloat(static_cast<uint8_t>(raw[i]));
    }
    SY_RETURN_IF_ERROR(CheckScales(info.name, blocks, scales));
  }
  if (bias_range.has_value()) {
    const std::byte* const raw = Contiguous(*bias_range, data(bias_range->index), scratch);
    bias = ToFloats(TensorView(raw, bias_dtype, {slice.num_rows()}));
  }
  return absl::OkStatus();
}

kernels::LinearSource HostMatrix::Source(kernels::Compute mode) const {
  const bool widened = slice.precise && mode == kernels::Compute::kBf16;
  kernels::LinearSource source{.name = slice.tensor,
                               .weight = weight,
                               .block_rows = kFp8BlockSize,
                               .block_cols = kFp8BlockSize,
                               .k_shards = slice.k_shards,
                               .compute = widened ? kernels::Compute::kF32 : mode};
  // Only the touched scales were read, so offsets count from the first of them.
  source.row_offset = slice.row_begin - blocks.first_block_row() * kFp8BlockSize;
  source.col_offset = slice.col_begin - blocks.first_block_col() * kFp8BlockSize;
  if (!scales.empty()) {
    source.scales =
        TensorView(scales.data(), DType::kF32, {blocks.num_block_rows(), blocks.num_block_cols()});
  }
  if (!bias.empty()) source.bias = TensorView(bias.data(), DType::kF32, {slice.num_rows()});
  return source;
}

std::vector<float> HostMatrix::Values() const {
  if (weight.dtype != DType::kF8E4M3) return ToFloats(weight);
  std::vector<float> values(static_cast<size_t>(weight.NumElements()));
  DequantizeBlocks(blocks, static_cast<const kernels::F8E4M3*>(weight.data), scales.data(),
                   values.data());
  return values;
}

}  // namespace switchyard::worker
