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
  return fmt::format("{} {} rows {} + {} of {}, columns {} + {} of {}, bias \"{}\", shards {}{}{}",
                     kind, slice.tensor, slice.row_begin, slice.num_rows(), slice.rows,
                     slice.col_begin, slice.num_cols(), slice.cols, slice.bias, slice.k_shards,
                     slice.precise ? ", precise" : "", slice.fine ? ", fine" : "");
}

kernels::LinearSource SourceOf(const DerivedLinear& linear, const float* weight) {
  return {.name = linear.name,
          .weight = TensorView(weight, DType::kF32, {linear.rows, linear.cols}),
          .compute = linear.compute};
}

std::string NamesOf(std::span<const FileDtype> types) {
  std::string names;
  for (const FileDtype type : types) {
    names += fmt::format("{}{}", names.empty() ? "" : " or ", FileDtypeName(type));
  }
  return names;
}

}  // namespace

WeightLoader::WeightLoader(const Checkpoint& checkpoint, kernels::Ops& ops, Options options)
    : checkpoint_(checkpoint), ops_(ops), options_(std::move(options)) {}
WeightLoader::~WeightLoader() = default;

bool WeightLoader::Has(const std::string& tensor) const {
  return checkpoint_.Find(tensor) != nullptr;
}

WeightLoader::Output* WeightLoader::AddMatrixOutput(const HostMatrix& matrix, bool gate_up,
                                                    TakePacked take) {
  // Names and scales of the form are the matrix's, which stays with it.
  const auto kept = std::make_shared<const HostMatrix>(matrix);
  return AddPackedOutput(FormOf(gate_up ? "gate-up" : "linear", matrix.slice),
                         {.source = kept->Source(options_.compute, options_.form),
                          .gate_up = gate_up,
                          .bias = !matrix.slice.bias.empty()},
                         [kept, take = std::move(take)](auto packed) { take(std::move(packed)); });
}

WeightLoader::Output* WeightLoader::AddPackedOutput(std::string name,
                                                    const kernels::PackedForm& form,
                                                    TakePacked take) {
  return AddOutput(std::move(name), [this, form, take = std::move(take)](kernels::Buffer memory) {
    return RestorePacked(form, std::move(memory), take);
  });
}

WeightLoader::Output* WeightLoader::AddOutput(std::string form, RestoreOutput restore) {
  return &outputs_.emplace_back(Output{std::move(form), std::move(restore)});
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
  const bool int4 = IsInt4(slice.tensor);
  if ((info == nullptr && !int4) || step == 0) return rows;
  // What is verified comes in whole rows.
  const int64_t cols = options_.manifest != nullptr ? slice.cols : slice.num_cols();
  // 4-bit weights are unpacked beside what came.
  const int64_t element = int4                                ? 1
                          : FindGguf(slice.tensor) != nullptr ? int64_t{sizeof(float)}
                                                              : FileDtypeBytes(info->dtype);
  const int64_t row_bytes = std::max<int64_t>(1, cols * element * num_matrices);
  const int64_t most = SlotBytes() / 2;
  return rows <= most / row_bytes ? rows : std::max(step, most / row_bytes / step * step);
}

void WeightLoader::AddPacked(const MatrixSlice& slice, const MatrixSlice* up,
                             std::unique_ptr<kernels::PackedLinear>* out) {
  const int64_t rows = slice.num_rows();
  const int64_t at_once = RowsAtOnce(slice, up != nullptr ? 2 : 1, ops_.pack_row_step());
  out->reset();
  if (rows <= 0) return;
  const bool integers = MayStayWhole(slice, up);
  Task whole;  // of all rows, for its form alone
  if (!AddMatrix(slice, integers, &whole)) return;
  Output* const output = AddMatrixOutput(whole.matrices[0], up != nullptr,
                                         [out](auto packed) { *out = std::move(packed); });
  if (up != nullptr) output->form += ", " + FormOf("up", *up);
  for (int64_t begin = 0; begin < rows; begin += at_once) {
    const int64_t end = std::min(begin + at_once, rows);
    auto task = std::make_unique<Task>();
    if (!AddMatrix(slice.Rows(begin, end), integers, task.get())) return;
    if (up != nullptr && !AddMatrix(up->Rows(begin, end), integers, task.get())) return;
    if (!CheckPair(*task)) return;
    task->consume = [this, out, output, begin, rows](const std::vector<HostMatrix>& matrices) {
      const kernels::LinearSource source = matrices[0].Source(options_.compute, options_.form);
      std::optional<kernels::LinearSource> other;
      if (matrices.size() > 1) other = matrices[1].Source(options_.compute, options_.form);
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

void WeightLoader::Vector(const std::string& tensor, int64_t size, DeviceTensor* out,
                          float offset) {
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
  Output* const output = AddTensorOutput(fmt::format("vector {} + {}", tensor, offset),
                                         TensorView(nullptr, DType::kF32, {size}), out);
  task->consume = [this, out, output, size, offset](const std::vector<HostMatrix>& matrices) {
    std::vector<float> values = ToFloats(matrices[0].weight);
    for (float& value : values) value += offset;
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
    const MatrixSlice piece = slice.Rows(begin, std::min(begin + at_once, rows));
    if (!AddMatrix(piece, /*whole=*/false, task.get())) return;
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
  if (!AddMatrix(slice, whole != nullptr && ops_.packs_integers(), task.get())) return;
  std::vector<Output*> outputs;
  if (whole != nullptr) {
    outputs.push_back(AddMatrixOutput(task->matrices[0], false,
                                      [whole](auto packed) { *whole = std::move(packed); }));
  }
  for (const DerivedLinear& linear : derived) {
    outputs.push_back(AddPackedOutput(fmt::format("{}, {} x {}, of {}", linear.name, linear.rows,
                                                  linear.cols, FormOf("values", slice)),
                                      {.source = SourceOf(linear, nullptr), .bias = linear.bias},
                                      linear.take));
  }
  task->consume = [this, whole, outputs = std::move(outputs),
                   derived = std::move(derived)](const std::vector<HostMatrix>& matrices) {
    auto output = outputs.begin();
    if (whole != nullptr) {
      *whole = ops_.Pack(matrices[0].Source(options_.compute, options_.form));
      Filled(*output++, (*whole)->memory());
    }
    const std::vector<float> values = matrices[0].Values();
    for (const DerivedLinear& linear : derived) {
      std::vector<float> weight(static_cast<size_t>(linear.rows * linear.cols));
      linear.make(values.data(), weight.data());
      kernels::LinearSource source = SourceOf(linear, weight.data());
      if (linear.bias) {
        source.bias = TensorView(matrices[0].bias.data(), DType::kF32, {linear.rows});
      }
      std::unique_ptr<kernels::PackedLinear> packed = ops_.Pack(source);
      Filled(*output++, packed->memory());
      linear.take(std::move(packed));
    }
  };
  tasks_.push_back(std::move(task));
}

void WeightLoader::Stored(std::span<const StoredTensor> tensors, int64_t index,
                          StoredLinear linear) {
  auto task = std::make_unique<Task>();
  std::vector<HostRange> ranges;
  std::string name = fmt::format("entry {} of", index);
  for (const StoredTensor& tensor : tensors) {
    const TensorInfo* const info = Expect(tensor.name, tensor.shape);
    if (info == nullptr) return;
    if (std::ranges::find(tensor.types, info->dtype) == tensor.types.end()) {
      return RememberType(*info, fmt::format("it must be {}", NamesOf(tensor.types)));
    }
    ranges.push_back(
        AddRange(TensorRange::Rows(*info, index, index + 1), /*shared=*/false, task.get()));
    name += " " + tensor.name;
  }
  kernels::TensorView& weight = linear.form.source.weight;
  weight.dtype = WeightDType(ranges[0].wanted.tensor->dtype).value_or(weight.dtype);
  linear.out->reset();
  Output* const output =
      AddPackedOutput(fmt::format("{}{}, {} x {}", linear.form.gate_up ? "gate-up " : "", name,
                                  weight.dims[0], weight.dims[1]),
                      linear.form, [out = linear.out](auto packed) { *out = std::move(packed); });
  task->consume_stored = [this, output, ranges = std::move(ranges),
                          linear = std::move(linear)](const RangeData& data) -> absl::Status {
    std::vector<StoredEntry> entries;
    for (const HostRange& range : ranges) {
      const int64_t skipped = range.wanted.row_begin - range.read.row_begin;
      entries.push_back({.data = data(range.index) + skipped * range.wanted.row_bytes(),
                         .tensor = range.wanted.tensor});
    }
    SY_ASSIGN_OR_RETURN(*linear.out, linear.pack(entries));
    Filled(output, (*linear.out)->memory());
    return absl::OkStatus();
  };
  tasks_.push_back(std::move(task));
}

}  // namespace switchyard::worker
