// Matrices as a checkpoint stores them: which tensors there must be, and what is read of them.
#include <optional>
#include <utility>

#include "worker/weights/load_task.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {

using kernels::DType;
using kernels::TensorView;

namespace {

TensorShape BlocksOf(const MatrixSlice& slice) {
  return {CeilDiv(slice.rows, kFp8BlockSize), CeilDiv(slice.cols, kFp8BlockSize)};
}

}  // namespace

void WeightLoader::Remember(absl::Status fault) { faults_.push_back(std::move(fault)); }

void WeightLoader::RememberType(const TensorInfo& tensor, std::string_view rule) {
  Remember(absl::UnimplementedError(fmt::format("{}: tensor {} is {}; {}",
                                                checkpoint_.files()[tensor.file], tensor.name,
                                                FileDtypeName(tensor.dtype), rule)));
}

const TensorInfo* WeightLoader::Expect(const std::string& tensor, const TensorShape& shape) {
  const absl::StatusOr<const TensorInfo*> info = checkpoint_.Get(tensor);
  if (!info.ok()) {
    Remember(info.status());
    return nullptr;
  }
  if ((*info)->shape != shape) {
    Remember(absl::InvalidArgumentError(fmt::format(
        "{}: tensor {} has shape {}, config.json asks for {}", checkpoint_.files()[(*info)->file],
        tensor, ShapeString((*info)->shape), ShapeString(shape))));
    return nullptr;
  }
  return *info;
}

HostRange WeightLoader::AddRange(const TensorRange& range, bool shared, Task* task) {
  const TensorRange read = options_.manifest != nullptr ? WidenToBands(range) : range;
  // Rows of which a rank needs some columns are needed by the others of its group.
  task->ranges.push_back({.range = read, .shared = shared || !range.whole_rows()});
  return {.wanted = range, .read = read, .index = task->ranges.size() - 1};
}

bool WeightLoader::IsShared(const MatrixSlice& slice) const {
  if (slice.one_rank) return false;
  const bool whole = slice.num_rows() == slice.rows && slice.num_cols() == slice.cols;
  return (whole ? options_.num_ranks : options_.num_groups) > 1;
}

bool WeightLoader::IsFp8(const std::string& tensor) const {
  const TensorInfo* const info = checkpoint_.Find(tensor);
  return info != nullptr && info->dtype == FileDtype::kF8E4m3;
}

// compressed-tensors has scales of rows, of the tensor or of blocks under one name: their shape
// says which.
const TensorInfo* WeightLoader::FindCompressedScales(const TensorInfo& info,
                                                     const MatrixSlice& slice, BlockSlice* blocks) {
  const TensorShape& shape = info.shape;
  if (shape == TensorShape{slice.rows, 1} || shape == TensorShape{slice.rows}) {
    blocks->block_rows = 1;
  } else if (shape.empty() || shape == TensorShape{1} || shape == TensorShape{1, 1}) {
    blocks->block_rows = slice.rows;
  } else {
    return Expect(info.name, BlocksOf(slice));
  }
  blocks->block_cols = RoundUp(slice.cols, kFp8BlockSize);
  return &info;
}

bool WeightLoader::AddScales(const MatrixSlice& slice, HostMatrix* matrix, Task* task) {
  BlockSlice& blocks = matrix->blocks;
  const TensorInfo* const compressed = checkpoint_.Find(slice.tensor + "_scale");
  const TensorInfo* const info = compressed != nullptr
                                     ? FindCompressedScales(*compressed, slice, &blocks)
                                     : Expect(slice.tensor + "_scale_inv", BlocksOf(slice));
  if (info == nullptr) return false;
  const std::optional<DType> dtype = WeightDType(info->dtype);
  const bool floats = compressed != nullptr && dtype.has_value() && *dtype != DType::kF8E4M3;
  if (!floats && info->dtype != FileDtype::kF32 && info->dtype != FileDtype::kF8E8m0) {
    RememberType(*info, compressed != nullptr ? "FP8 scales are F32, F16 or BF16"
                                              : "block scales are F32 or F8_E8M0");
    return false;
  }
  const TensorRange range{.tensor = info,
                          .row_begin = blocks.first_block_row(),
                          .row_end = blocks.first_block_row() + blocks.num_block_rows(),
                          .col_begin = blocks.first_block_col(),
                          .col_end = blocks.first_block_col() + blocks.num_block_cols()};
  matrix->scale_range = AddRange(range, IsShared(slice), task);
  return true;
}

bool WeightLoader::IsInt4(const std::string& tensor) const {
  return options_.int4.has_value() && !Has(tensor) && Has(Int4Slice::Name(tensor, "qweight"));
}

std::optional<HostRange> WeightLoader::AddInt4Part(const MatrixSlice& slice, const char* suffix,
                                                   Int4Slice::Part part, std::string_view types,
                                                   Task* task) {
  const TensorInfo* info = Expect(Int4Slice::Name(slice.tensor, suffix), part.shape);
  if (info == nullptr) return std::nullopt;
  if (types.find(FileDtypeName(info->dtype)) == std::string_view::npos) {
    RememberType(*info, fmt::format("{} of 4-bit weights are {}", suffix, types));
    return std::nullopt;
  }
  part.range.tensor = info;
  return AddRange(part.range, IsShared(slice), task);
}

bool WeightLoader::AddInt4(const MatrixSlice& slice, HostMatrix* matrix, Task* task) {
  const Int4Slice parts(*options_.int4, slice);
  if (slice.rows % kCodesPerWord != 0 || slice.cols % kCodesPerWord != 0) {
    Remember(absl::InvalidArgumentError(
        fmt::format("{}: 4-bit weights have multiples of {} rows and columns, this one is {} x {}",
                    slice.tensor, kCodesPerWord, slice.rows, slice.cols)));
    return false;
  }
  const auto codes = AddInt4Part(slice, "qweight", parts.Codes(), "I32", task);
  const auto zeros = AddInt4Part(slice, "qzeros", parts.Zeros(), "I32", task);
  const auto scales = AddInt4Part(slice, "scales", parts.Scales(), "F16, BF16 or F32", task);
  if (!codes || !zeros || !scales) return false;
  matrix->weight_range = *codes;
  matrix->weight = TensorView(nullptr, DType::kU4, {slice.num_rows(), slice.num_cols()});
  matrix->int4.emplace(Int4Matrix{.slice = parts,
                                  .codes = *codes,
                                  .zeros = *zeros,
                                  .scales = *scales,
                                  .groups = std::nullopt,
                                  .scale_dtype = *WeightDType(scales->wanted.tensor->dtype)});
  if (parts.format().layout != Int4Layout::kGptq || !Has(Int4Slice::Name(slice.tensor, "g_idx"))) {
    return true;
  }
  matrix->int4->groups = AddInt4Part(slice, "g_idx", parts.Groups(), "I32", task);
  return matrix->int4->groups.has_value();
}

const GgufLayout* WeightLoader::FindGguf(const std::string& tensor) const {
  const TensorInfo* const info = checkpoint_.Find(tensor);
  return info != nullptr && info->gguf.has_value() ? &*info->gguf : nullptr;
}

bool WeightLoader::AddGguf(const MatrixSlice& slice, bool whole, HostMatrix* matrix, Task* task) {
  const TensorInfo& info = *checkpoint_.Find(slice.tensor);
  const TensorShape shape = {info.shape[0], info.gguf->columns};
  if (shape != TensorShape{slice.rows, slice.cols}) {
    Remember(absl::InvalidArgumentError(
        fmt::format("{}: tensor {} has shape {}, the file's metadata ask for {}",
                    checkpoint_.files()[info.file], slice.tensor, ShapeString(shape),
                    ShapeString({slice.rows, slice.cols}))));
    return false;
  }
  const kernels::WeightForm form = FormOfSlice(slice, options_.compute, options_.form);
  const DType dtype = GgufSourceType(*info.gguf->type, whole, form);
  matrix->gguf.emplace(info, slice, dtype);
  matrix->weight = TensorView(nullptr, dtype, {slice.num_rows(), slice.num_cols()});
  matrix->weight_range = AddRange(matrix->gguf->range(), IsShared(slice), task);
  matrix->gguf->set_bytes(matrix->weight_range);
  return true;
}

bool WeightLoader::HasHalves(const std::string& tensor) const {
  const HalfNames names = HalvesOf(tensor);
  return !names.keys.empty() && !Has(tensor) && FindGguf(names.keys) != nullptr &&
         FindGguf(names.values) != nullptr;
}

bool WeightLoader::AddHalves(const MatrixSlice& slice, HostMatrix* matrix, Task* task) {
  const HalfNames names = HalvesOf(slice.tensor);
  const TensorInfo &keys = *checkpoint_.Find(names.keys), &values = *checkpoint_.Find(names.values);
  absl::StatusOr<GgufHalves> halves = GgufHalves::Create(keys, values, slice);
  if (!halves.ok()) {
    Remember(Annotate(halves.status(), checkpoint_.files()[keys.file]));
    return false;
  }
  matrix->weight = TensorView(nullptr, DType::kF32, {slice.num_rows(), slice.num_cols()});
  matrix->weight_range = AddRange(halves->keys().range(), IsShared(slice), task);
  halves->keys().set_bytes(matrix->weight_range);
  halves->values().set_bytes(AddRange(halves->values().range(), IsShared(slice), task));
  matrix->halves = *std::move(halves);
  return true;
}

bool WeightLoader::MayStayWhole(const MatrixSlice& slice, const MatrixSlice* up) const {
  if (!ops_.packs_integers()) return false;
  const GgufLayout* const one = FindGguf(slice.tensor);
  const GgufLayout* const other = up != nullptr ? FindGguf(up->tensor) : one;
  return (one != nullptr ? one->type : nullptr) == (other != nullptr ? other->type : nullptr);
}

// A checkpoint may have gate and up in types of their own.
bool WeightLoader::CheckPair(const Task& task) {
  const HostMatrix &gate = task.matrices.front(), &up = task.matrices.back();
  if (gate.weight.dtype == up.weight.dtype) return true;
  Remember(absl::UnimplementedError(fmt::format(
      "tensors {} and {} are {} and {}: what is multiplied together must be of one type",
      gate.slice.tensor, up.slice.tensor, Name(gate.weight.dtype), Name(up.weight.dtype))));
  return false;
}

bool WeightLoader::AddWeight(const MatrixSlice& slice, HostMatrix* matrix, Task* task) {
  const TensorInfo* info = Expect(slice.tensor, {slice.rows, slice.cols});
  if (info == nullptr) return false;
  const std::optional<DType> dtype = WeightDType(info->dtype);
  if (!dtype.has_value()) {
    RememberType(*info, "weights are F32, F16, BF16 or F8_E4M3");
    return false;
  }
  matrix->weight = TensorView(nullptr, *dtype, {slice.num_rows(), slice.num_cols()});
  matrix->weight_range = AddRange({.tensor = info,
                                   .row_begin = slice.row_begin,
                                   .row_end = slice.row_begin + slice.num_rows(),
                                   .col_begin = slice.col_begin,
                                   .col_end = slice.col_begin + slice.num_cols()},
                                  IsShared(slice), task);
  return *dtype != DType::kF8E4M3 || AddScales(slice, matrix, task);
}

bool WeightLoader::AddBias(const MatrixSlice& slice, HostMatrix* matrix, Task* task) {
  const TensorInfo* bias = Expect(slice.bias, {slice.rows});
  if (bias == nullptr) return false;
  const std::optional<DType> dtype = WeightDType(bias->dtype);
  if (!dtype.has_value() || *dtype == DType::kF8E4M3) {
    RememberType(*bias, "biases are F32, F16 or BF16");
    return false;
  }
  matrix->bias_dtype = *dtype;
  matrix->bias_range =
      AddRange(TensorRange::Rows(*bias, slice.row_begin, slice.row_begin + slice.num_rows()),
               IsShared(slice), task);
  return true;
}

bool WeightLoader::AddMatrix(const MatrixSlice& slice, bool whole, Task* task) {
  HostMatrix& matrix = task->matrices.emplace_back();
  matrix.slice = slice;
  matrix.blocks = {.row_begin = slice.row_begin,
                   .col_begin = slice.col_begin,
                   .num_rows = slice.num_rows(),
                   .num_cols = slice.num_cols()};
  const bool added = IsInt4(slice.tensor)                ? AddInt4(slice, &matrix, task)
                     : FindGguf(slice.tensor) != nullptr ? AddGguf(slice, whole, &matrix, task)
                     : HasHalves(slice.tensor)           ? AddHalves(slice, &matrix, task)
                                                         : AddWeight(slice, &matrix, task);
  return added && (slice.bias.empty() || AddBias(slice, &matrix, task));
}

}  // namespace switchyard::worker
