#include "worker/weights/fused_experts.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "worker/weights/mxfp4.h"

namespace switchyard::worker {
namespace {

using kernels::DType;
using kernels::TensorView;

constexpr FileDtype kBytes[] = {FileDtype::kU8};
constexpr FileDtype kPlain[] = {FileDtype::kBf16, FileDtype::kF16, FileDtype::kF32};

// A matrix [rows, cols] of one expert, its rows in order of the file's outputs.
struct ExpertMatrix {
  DType dtype = DType::kBf16;
  int64_t cols = 0;
  std::vector<std::byte> bytes;
  std::vector<float> scales;  // of MXFP4, [rows, cols / kMxfp4Block]

  int64_t row_bytes() const { return cols * SizeOf(dtype); }
  int64_t rows() const { return std::ssize(bytes) / row_bytes(); }
  TensorView view() const { return TensorView(bytes.data(), dtype, {rows(), cols}); }
  TensorView scale_view() const {
    if (scales.empty()) return {};
    return TensorView(scales.data(), DType::kF32, {rows(), std::ssize(scales) / rows()});
  }

  // Every second row, from `first` on.
  ExpertMatrix Alternate(int64_t first) const {
    ExpertMatrix half{.dtype = dtype, .cols = cols};
    half.bytes.resize(bytes.size() / 2);
    for (int64_t row = 0; row < rows() / 2; ++row) {
      std::memcpy(half.bytes.data() + row * row_bytes(),
                  bytes.data() + (2 * row + first) * row_bytes(), size_t(row_bytes()));
    }
    const auto row_scales = static_cast<int64_t>(scales.size()) / rows();
    for (int64_t row = first; row < rows(); row += 2) {
      const auto begin = scales.begin() + row * row_scales;
      half.scales.insert(half.scales.end(), begin, begin + row_scales);
    }
    return half;
  }
};

std::span<const uint8_t> BytesOf(const StoredEntry& entry, int64_t count) {
  return {reinterpret_cast<const uint8_t*>(entry.data), static_cast<size_t>(count)};
}

absl::StatusOr<ExpertMatrix> CodesOfMxfp4(const StoredEntry& blocks, const StoredEntry& scales,
                                          int64_t rows, int64_t cols) {
  const int64_t num_blocks = rows * cols / kMxfp4Block;
  const auto codes = BytesOf(blocks, num_blocks * kMxfp4BlockBytes);
  const auto exponents = BytesOf(scales, num_blocks);
  const auto bad =
      std::ranges::find_if(exponents, [](uint8_t e) { return e > kMxfp4LargestScale; });
  if (bad != exponents.end()) {
    return absl::InvalidArgumentError(
        fmt::format("tensor \"{}\": a scale is {}, above {}: its values are not finite in BF16",
                    scales.tensor->name, int{*bad}, int{kMxfp4LargestScale}));
  }
  Mxfp4Values values = UnpackMxfp4(codes, exponents);
  ExpertMatrix matrix{.dtype = DType::kF4E2M1, .cols = cols, .scales = std::move(values.scales)};
  matrix.bytes.resize(values.codes.size());
  std::memcpy(matrix.bytes.data(), values.codes.data(), matrix.bytes.size());
  return matrix;
}

// [rows, cols] of a tensor that is stored as [cols, rows].
ExpertMatrix Transposed(const StoredEntry& entry, int64_t rows, int64_t cols) {
  ExpertMatrix matrix{.dtype = *WeightDType(entry.tensor->dtype), .cols = cols};
  const int64_t element = SizeOf(matrix.dtype);
  matrix.bytes.resize(static_cast<size_t>(rows * cols * element));
  for (int64_t col = 0; col < cols; ++col) {
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(matrix.bytes.data() + (row * cols + col) * element,
                  entry.data + (col * rows + row) * element, size_t(element));
    }
  }
  return matrix;
}

std::vector<float> BiasOf(const StoredEntry& entry, int64_t size) {
  const DType dtype = *WeightDType(entry.tensor->dtype);
  std::vector<std::byte> aligned(static_cast<size_t>(size * SizeOf(dtype)));
  std::memcpy(aligned.data(), entry.data, aligned.size());
  return ToFloats(TensorView(aligned.data(), dtype, {size}));
}

// Every second element, from `first` on.
std::vector<float> Alternate(const std::vector<float>& all, size_t first) {
  std::vector<float> half;
  for (size_t i = first; i < all.size(); i += 2) half.push_back(all[i]);
  return half;
}

struct Part {
  ExpertMatrix matrix;
  std::vector<float> bias;

  kernels::LinearSource Source(const kernels::PackedForm& form) const {
    kernels::LinearSource source = form.source;
    source.weight = matrix.view();
    source.scales = matrix.scale_view();
    source.bias = TensorView(bias.data(), DType::kF32, {std::ssize(bias)});
    return source;
  }
};

// A projection [rows, cols] of every expert.
struct Projection {
  const char* name = "";
  int64_t rows = 0;
  int64_t cols = 0;

  std::vector<StoredTensor> Tensors(const FusedExperts& experts) const {
    const std::string tensor = experts.prefix + name;
    const StoredTensor bias{tensor + "_bias", {experts.count, rows}, kPlain};
    if (!experts.mxfp4) return {{tensor, {experts.count, cols, rows}, kPlain}, bias};
    const int64_t blocks = cols / kMxfp4Block;
    return {{tensor + "_blocks", {experts.count, rows, blocks, kMxfp4BlockBytes}, kBytes},
            {tensor + "_scales", {experts.count, rows, blocks}, kBytes},
            bias};
  }

  absl::StatusOr<Part> Read(std::span<const StoredEntry> entries, bool mxfp4) const {
    Part part{.bias = BiasOf(entries.back(), rows)};
    if (mxfp4) {
      SY_ASSIGN_OR_RETURN(part.matrix, CodesOfMxfp4(entries[0], entries[1], rows, cols));
    } else {
      part.matrix = Transposed(entries[0], rows, cols);
    }
    return part;
  }
};

}  // namespace

void LoadFusedExpert(WeightLoader& loader, const FusedExperts& experts, int64_t index,
                     kernels::MlpWeights* mlp) {
  kernels::Ops& ops = loader.ops();
  const bool mxfp4 = experts.mxfp4;
  const Projection in{"gate_up_proj", 2 * experts.width, experts.hidden};
  const Projection out{"down_proj", experts.hidden, experts.width};
  const auto form_of = [&](const Projection& projection, int64_t rows) -> kernels::PackedForm {
    const DType dtype = mxfp4 ? DType::kF4E2M1 : DType::kBf16;
    kernels::LinearSource source{.name = projection.name,
                                 .weight = TensorView(nullptr, dtype, {rows, projection.cols}),
                                 .compute = loader.compute()};
    if (mxfp4) {
      source.block_rows = 1;
      source.block_cols = kMxfp4Block;
    }
    return {.source = source, .bias = true};
  };
  kernels::PackedForm gate_up = form_of(in, experts.width);
  gate_up.gate_up = true;
  gate_up.source.gating = experts.gating;
  loader.Stored(in.Tensors(experts), index,
                {.form = gate_up,
                 .pack = [&ops, in, mxfp4, gate_up](std::span<const StoredEntry> entries)
                     -> absl::StatusOr<std::unique_ptr<kernels::PackedLinear>> {
                   SY_ASSIGN_OR_RETURN(const Part both, in.Read(entries, mxfp4));
                   const Part gate{both.matrix.Alternate(0), Alternate(both.bias, 0)};
                   const Part up{both.matrix.Alternate(1), Alternate(both.bias, 1)};
                   return ops.PackGateUp(gate.Source(gate_up), up.Source(gate_up));
                 },
                 .out = &mlp->gate_up});
  const kernels::PackedForm down = form_of(out, experts.hidden);
  loader.Stored(out.Tensors(experts), index,
                {.form = down,
                 .pack = [&ops, out, mxfp4, down](std::span<const StoredEntry> entries)
                     -> absl::StatusOr<std::unique_ptr<kernels::PackedLinear>> {
                   SY_ASSIGN_OR_RETURN(const Part part, out.Read(entries, mxfp4));
                   return ops.Pack(part.Source(down));
                 },
                 .out = &mlp->down});
}

}  // namespace switchyard::worker
