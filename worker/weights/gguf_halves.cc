#include "worker/weights/gguf_halves.h"

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "worker/weights/host_matrix.h"

namespace switchyard::worker {
namespace {

// Rows [begin, end) of a half, in its own type, or as f32 where that is quantised.
GgufMatrix RowsOf(const TensorInfo& half, int64_t begin, int64_t end) {
  const MatrixSlice slice{.tensor = half.name,
                          .rows = half.shape[0],
                          .cols = half.gguf->columns,
                          .row_begin = begin,
                          .row_end = end};
  return {half, slice,
          GgufSourceType(*half.gguf->type, /*whole=*/false, kernels::WeightForm::kStored)};
}

absl::StatusOr<std::vector<float>> Floats(const GgufMatrix& half, const RangeData& data) {
  SY_ASSIGN_OR_RETURN(const GgufValues values, half.Decode(data));
  const int64_t count = std::ssize(values.values) / SizeOf(half.source_type());
  return ToFloats(kernels::TensorView(values.values.data(), half.source_type(), {count}));
}

}  // namespace

HalfNames HalvesOf(const std::string& tensor) {
  constexpr std::string_view kWhole = "kv_b_proj.weight";
  if (!tensor.ends_with(kWhole)) return {};
  const std::string before = tensor.substr(0, tensor.size() - kWhole.size());
  return {.keys = before + "k_b_proj.weight", .values = before + "v_b_proj.weight"};
}

absl::StatusOr<GgufHalves> GgufHalves::Create(const TensorInfo& keys, const TensorInfo& values,
                                              const MatrixSlice& slice) {
  Shape shape{.latent = slice.cols, .key_width = keys.gguf->columns};
  const int64_t heads = keys.shape[0] / slice.cols;
  shape.value_width = heads > 0 ? values.shape[0] / heads : 0;
  const int64_t width = shape.key_width + shape.value_width;
  if (heads == 0 || keys.shape[0] != heads * slice.cols || values.gguf->columns != slice.cols ||
      values.shape[0] != heads * shape.value_width || slice.rows != heads * width) {
    return absl::InvalidArgumentError(fmt::format(
        "tensors {} and {} have shapes [{}, {}] and [{}, {}], which make no {} of [{}, {}]",
        keys.name, values.name, keys.shape[0], shape.key_width, values.shape[0],
        values.gguf->columns, slice.tensor, slice.rows, slice.cols));
  }
  const int64_t first = slice.row_begin / width;
  const int64_t end = CeilDiv(slice.row_begin + slice.num_rows(), width);
  shape.row_begin = slice.row_begin - first * width;
  shape.num_rows = slice.num_rows();
  shape.col_begin = slice.col_begin;
  shape.num_cols = slice.num_cols();
  return GgufHalves(shape, RowsOf(keys, first * shape.latent, end * shape.latent),
                    RowsOf(values, first * shape.value_width, end * shape.value_width));
}

absl::StatusOr<std::vector<float>> GgufHalves::Decode(const RangeData& data) const {
  SY_ASSIGN_OR_RETURN(const std::vector<float> keys, Floats(keys_, data));
  SY_ASSIGN_OR_RETURN(const std::vector<float> values, Floats(values_, data));
  std::vector<float> out(static_cast<size_t>(shape_.num_rows * shape_.num_cols));
  float* to = out.data();
  const int64_t width = shape_.key_width + shape_.value_width;
  for (int64_t row = 0; row < shape_.num_rows; ++row, to += shape_.num_cols) {
    const int64_t head = (shape_.row_begin + row) / width;
    const int64_t in_head = (shape_.row_begin + row) % width;
    if (in_head >= shape_.key_width) {
      const int64_t from = head * shape_.value_width + in_head - shape_.key_width;
      std::copy_n(values.data() + from * shape_.latent + shape_.col_begin, shape_.num_cols, to);
      continue;
    }
    const float* from =
        keys.data() + (head * shape_.latent + shape_.col_begin) * shape_.key_width + in_head;
    for (int64_t i = 0; i < shape_.num_cols; ++i, from += shape_.key_width) to[i] = *from;
  }
  return out;
}

}  // namespace switchyard::worker
