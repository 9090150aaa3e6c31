// What models ask for becomes tasks, and outputs of theirs; weight_loader_run.cc does them.
#include "worker/weights/weight_loader.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "worker/weights/load_task.h"

namespace switchyard::worker {
namespace {

using kernels::DType;
using kernels::TensorView;

DeviceTensor Upload(kernels::Device& device, const TensorView& host) {
  DeviceTensor tensor{.memory = device.Allocate(host.NumElements() * SizeOf(host.dtype)),
                      .view = host};
  tensor.view.data = tensor.memory.data();
  device.CopyToDevice(tensor.memory.data(), host.data, tensor.memory.num_bytes());
  return tensor;
}

// A slice of a weight in words.
std::string FormOf(std::string_view kind, const MatrixSlice& slice) {
  return fmt::format("{} {} rows {} + {} of {}, columns {} + {} of {}, bias \"{}\", shards {}{}",
                     kind, slice.tensor, slice.row_begin, slice.num_rows(), slice.rows,
                     slice.col_begin, slice.num_cols(), slice.cols, slice.bias, slice.k_shards,
                     slice.precise ? ", precise" : "");
}

// The slice before anything is read of it.
HostMatrix MakeMatrix(const MatrixSlice& slice, DType dtype) {
  HostMatrix matrix;
  matrix.slice = slice;
  matrix.blocks = {.row_begin = slice.row_begin,
                   .col_begin = slice.col_begin,
                   .num_rows = slice.num_rows(),
                   .num_cols = slice.num_cols()};
  matrix.weight = TensorView(nullptr, dtype, {slice.num_rows(), slice.num_cols()});
  return matrix;
}

}  // namespace

WeightLoader::WeightLoader(const Checkpoint& checkpoint, kernels::Ops& ops, Options options)
    : checkpoint_(checkpoint), ops_(ops), options_(std::move(options)) {}
WeightLoader::~WeightLoader() = default;

bool WeightLoader::Has(const std::string& tensor) const {
  return checkpoint_.Find(tensor) != nullptr;
}

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
  task->ranges.push_back({.range = read, .shared = shared});
  return {.wanted = range, .read = read, .index = task->ranges.size() - 1};
}

bool WeightLoader::IsShared(const MatrixSlice& slice) const {
  if (slice.one_rank) return false;
  const bool whole = slice.num_rows() == slice.rows && slice.num_cols() == slice.cols;
  return (whole ? options_.num_ranks : options_.num_groups) > 1;
}

bool WeightLoader::AddScales(const MatrixSlice& slice, HostMatrix* matrix, Task* task) {
  const BlockSlice& blocks = matrix->blocks;
  const TensorInfo* info =
      Expect(slice.tensor + "_scale_inv",
             {CeilDiv(slice.rows, kFp8BlockSize), CeilDiv(slice.cols, kFp8BlockSize)});
  if (info == nullptr) return false;
  if (info->dtype != FileDtype::kF32 && info->dtype != FileDtype::kF8E8m0) {
    RememberType(*info, "block scales are F32 or F8_E8M0");
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

WeightLoader::Output* WeightLoader::AddPackedOutput(const MatrixSlice& slice, bool gate_up,
                                                    TakePacked take) {
  const TensorInfo* const info = checkpoint_.Find(slice.tensor);
  const std::optional<DType> dtype =
      info != nullptr ? WeightDType(info->dtype) : std::optional<DType>();
  // A fault is remembered elsewhere; of no rows nothing is packed.
  if (!dtype.has_value() || slice.num_rows() <= 0) return nullptr;
  return AddOutput(FormOf(gate_up ? "gate-up" : "linear", slice),
                   [this, matrix = MakeMatrix(slice, *dtype), gate_up,
                    take = std::move(take)](kernels::Buffer memory) {
                     return RestorePacked({.source = matrix.Source(options_.compute),
                                           .gate_up = gate_up,
                                           .bias = !matrix.slice.bias.empty()},
                                          std::move(memory), take);
                   });
}

WeightLoader::Output* WeightLoader::AddOutput(std::string form, RestoreOutput restore) {
  return &outputs_.emplace_back(std::move(form), std::move(restore));
}

// A tensor that ops read as it is. `view` has no address yet.
WeightLoader::Output* WeightLoader::AddTensorOutput(std::string form, const TensorView& view,
                                                    DeviceTensor* out) {
  return AddOutput(fmt::format("{} as {}", form, kernels::Name(view.dtype)),
                   [view, out, form](kernels::Buffer memory) -> absl::Status {
                     const int64_t expected = view.NumElements() * SizeOf(view.dtype);
                     if (memory.num_bytes() != expected) {
                       return absl::InvalidArgumentError(fmt::format(
                           "{}: has {} bytes, not {}", form, expected, memory.num_bytes()));
                     }
                     *out = {.memory = std::move(memory), .view = view};
                     out->view.data = out->memory.data();
                     return absl::OkStatus();
                   });
}

absl::Status WeightLoader::RestorePacked(const kernels::PackedForm& form, kernels::Buffer memory,
                                         const TakePacked& take) {
  SY_ASSIGN_OR_RETURN(std::unique_ptr<kernels::PackedLinear> packed,
                      ops_.Restore(form, std::move(memory)));
  take(std::move(packed));
  return absl::OkStatus();
}

void WeightLoader::Filled(Output* output, const kernels::Buffer& memory) {
  output->memory = &memory;
  packed_bytes_ += memory.num_bytes();
}

bool WeightLoader::AddMatrix(const MatrixSlice& slice, Task* task) {
  const TensorInfo* info = Expect(slice.tensor, {slice.rows, slice.cols});
  if (info == nullptr) return false;
  const std::optional<DType> dtype = WeightDType(info->dtype);
  if (!dtype.has_value()) {
    RememberType(*info, "weights are F32, F16, BF16 or F8_E4M3");
    return false;
  }
  HostMatrix& matrix = task->matrices.emplace_back(MakeMatrix(slice, *dtype));
  matrix.weight_range = AddRange({.tensor = info,
                                  .row_begin = slice.row_begin,
                                  .row_end = slice.row_begin + slice.num_rows(),
                                  .col_begin = slice.col_begin,
                                  .col_end = slice.col_begin + slice.num_cols()},
                                 IsShared(slice), task);
  if (*dtype == DType::kF8E4M3 && !AddScales(slice, &matrix, task)) return false;
  if (!slice.bias.empty()) {
    const TensorInfo* bias = Expect(slice.bias, {slice.rows});
    if (bias == nullptr) return false;
    const std::optional<DType> bias_dtype = WeightDType(bias->dtype);
    if (!bias_dtype.has_value() || *bias_dtype == DType::kF8E4M3) {
      RememberType(*bias, "biases are F32, F16 or BF16");
      return false;
    }
    const TensorRange range =
        TensorRange::Rows(*bias, slice.row_begin, slice.row_begin + slice.num_rows());
    matrix.bias_dtype = *bias_dtype;
    matrix.bias_range = AddRange(range, IsShared(slice), task);
  }
  return true;
}

void WeightLoader::Linear(const MatrixSlice& slice, std::unique_ptr<kernels::PackedLinear>* out) {
  AddPacked(slice, nullptr, out);
}

void WeightLoader::GateUp(const MatrixSlice& gate, const MatrixSlice& up,
                          std::unique_ptr<kernels::PackedLinear>* out) {
  AddPacked(gate, &up, out);
}

int64_t WeightLoader::SlotBytes() const {
  return std::max<int64_t>(1, options_.staging_bytes / PipelineOptions().num_slots);
}

int64_t WeightLoader::RowsAtOnce(const MatrixSlice& slice, int64_t num_matrices,
                                 int64_t step) const {
  const TensorInfo* const info = checkpoint_.Find(slice.tensor);
  const int64_t rows = std::max<int64_t>(1, slice.num_rows());
  if (info == nullptr || step == 0) return rows;
  // What is verified comes in whole rows.
  const int64_t cols = options_.manifest != nullptr ? slice.cols : slice.num_cols();
  const int64_t row_bytes = std::max<int64_t>(1, cols * FileDtypeBytes(info->dtype) * num_matrices);
  const int64_t most = SlotBytes() / 2;
  return rows <= most / row_bytes ? rows : std::max(step, most / row_bytes / step * step);
}

void WeightLoader::AddPacked(const MatrixSlice& slice, const MatrixSlice* up,
                             std::unique_ptr<kernels::PackedLinear>* out) {
  const int64_t rows = slice.num_rows();
  const int64_t at_once = RowsAtOnce(slice, up != nullptr ? 2 : 1, ops_.pack_row_step());
  out->reset();
  Output* const output =
      AddPackedOutput(slice, up != nullptr, [out](auto packed) { *out = std::move(packed); });
  if (output != nullptr && up != nullptr) output->form += ", " + FormOf("up", *up);
  for (int64_t begin = 0; begin < rows; begin += at_once) {
    const int64_t end = std::min(begin + at_once, rows);
    auto task = std::make_unique<Task>();
    if (!AddMatrix(slice.Rows(begin, end), task.get())) return;
    if (up != nullptr && !AddMatrix(up->Rows(begin, end), task.get())) return;
    task->consume = [this, out, output, begin, rows](const std::vector<HostMatrix>& matrices) {
      const kernels::LinearSource source = matrices[0].Source(options_.compute);
      std::optional<kernels::LinearSource> other;
      if (matrices.size() > 1) other = matrices[1].Source(options_.compute);
      const kernels::LinearSource* const second = other ? &*other : nullptr;
      const bool whole = source.weight.rows() == rows;
      if (output->memory == nullptr) {  // the first piece
        if (!whole) *out = ops_.StartPack(source, second, rows);
        if (whole) *out = other ? ops_.PackGateUp(source, *other) : ops_.Pack(source);
        Filled(output, (*out)->memory());
      }
      if (!whole) ops_.PackRows(source, second, begin, out->get());
    };
    tasks_.push_back(std::move(task));
  }
}

void WeightLoader::Vector(const std::string& tensor, int64_t size, DeviceTensor* out) {
  const TensorInfo* info = Expect(tensor, {size});
  if (info == nullptr) return;
  const std::optional<DType> dtype = WeightDType(info->dtype);
  if (!dtype.has_value() || *dtype == DType::kF8E4M3) {
    return RememberType(*info, "vectors are F32, F16 or BF16");
  }
  auto task = std::make_unique<Task>();
  HostMatrix& matrix = task->matrices.emplace_back();
  matrix.weight = TensorView(nullptr, *dtype, {size});
  matrix.weight_range = AddRange(TensorRange::Whole(*info), options_.num_ranks > 1, task.get());
  Output* const output =
      AddTensorOutput("vector " + tensor, TensorView(nullptr, DType::kF32, {size}), out);
  task->consume = [this, out, output, size](const std::vector<HostMatrix>& matrices) {
    const std::vector<float> values = ToFloats(matrices[0].weight);
    *out = Upload(ops_.device(), TensorView(values.data(), DType::kF32, {size}));
    Filled(output, out->memory);
  };
  tasks_.push_back(std::move(task));
}

void WeightLoader::Table(const MatrixSlice& slice, DeviceTensor* out) {
  const int64_t rows = slice.num_rows();
  const int64_t at_once = RowsAtOnce(slice, 1, 1);
  *out = {};
  Output* output = nullptr;
  for (int64_t begin = 0; begin < rows; begin += at_once) {
    auto task = std::make_unique<Task>();
    if (!AddMatrix(slice.Rows(begin, std::min(begin + at_once, rows)), task.get())) return;
    if (task->matrices[0].weight.dtype == DType::kF8E4M3) {
      return RememberType(*checkpoint_.Find(slice.tensor), "tables are F32, F16 or BF16");
    }
    if (output == nullptr) {
      output = AddTensorOutput(
          FormOf("table", slice),
          TensorView(nullptr, task->matrices[0].weight.dtype, {rows, slice.num_cols()}), out);
    }
    task->consume = [this, out, output, begin, rows](const std::vector<HostMatrix>& matrices) {
      const TensorView& part = matrices[0].weight;
      const int64_t row_bytes = part.RowElements() * SizeOf(part.dtype);
      if (output->memory == nullptr) {  // the first piece
        out->memory = ops_.device().Allocate(rows * row_bytes);
        out->view = TensorView(out->memory.data(), part.dtype, {rows, part.RowElements()});
        Filled(output, out->memory);
      }
      ops_.device().CopyToDevice(static_cast<std::byte*>(out->memory.data()) + begin * row_bytes,
                                 part.data, part.rows() * row_bytes);
    };
    tasks_.push_back(std::move(task));
  }
}

void WeightLoader::Derive(const MatrixSlice& slice, std::vector<DerivedLinear> derived,
                          std::unique_ptr<kernels::PackedLinear>* whole) {
  auto task = std::make_unique<Task>();
  if (whole != nullptr) whole->reset();
  if (!AddMatrix(slice, task.get())) return;
  std::vector<Output*> outputs;
  if (whole != nullptr) {
    outputs.push_back(
        AddPackedOutput(slice, false, [whole](auto packed) { *whole = std::move(packed); }));
  }
  for (const DerivedLinear& linear : derived) outputs.push_back(AddDerivedOutput(slice, linear));
  task->consume = [this, whole, outputs = std::move(outputs),
                   derived = std::move(derived)](const std::vector<HostMatrix>& matrices) {
    auto output = outputs.begin();
    if (whole != nullptr) {
      *whole = ops_.Pack(matrices[0].Source(options_.compute));
      Filled(*output++, (*whole)->memory());
    }
    const std::vector<float> values = matrices[0].Values();
    for (const DerivedLinear& linear : derived) PackDerived(linear, values.data(), *output++);
  };
  tasks_.push_back(std::move(task));
}

WeightLoader::Output* WeightLoader::AddDerivedOutput(const MatrixSlice& slice,
                                                     const DerivedLinear& derived) {
  const kernels::PackedForm form{
      .source = {.name = derived.name,
                 .weight = TensorView(nullptr, DType::kF32, {derived.rows, derived.cols}),
                 .compute = derived.compute}};
  return AddOutput(fmt::format("{}, {} x {}, of {}", derived.name, derived.rows, derived.cols,
                               FormOf("values", slice)),
                   [this, form, take = derived.take](kernels::Buffer memory) {
                     return RestorePacked(form, std::move(memory), take);
                   });
}

void WeightLoader::PackDerived(const DerivedLinear& derived, const float* values, Output* output) {
  std::vector<float> weight(static_cast<size_t>(derived.rows * derived.cols));
  derived.make(values, weight.data());
  std::unique_ptr<kernels::PackedLinear> packed =
      ops_.Pack({.name = derived.name,
                 .weight = TensorView(weight.data(), DType::kF32, {derived.rows, derived.cols}),
                 .compute = derived.compute});
  Filled(output, packed->memory());
  derived.take(std::move(packed));
}

}  // namespace switchyard::worker
