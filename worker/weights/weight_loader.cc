#include "worker/weights/weight_loader.h"

#include <cstring>
#include <optional>

#include "worker/weights/block_fp8.h"

namespace switchyard::worker {
namespace {

using kernels::DType;
using kernels::TensorView;

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

std::vector<float> ToFloats(const TensorView& view) {
  std::vector<float> values(view.NumElements());
  for (size_t i = 0; i < values.size(); ++i) values[i] = Element(view, i);
  return values;
}

DeviceTensor Upload(kernels::Device& device, const TensorView& host) {
  DeviceTensor tensor{.memory = device.Allocate(host.NumElements() * SizeOf(host.dtype)),
                      .view = host};
  tensor.view.data = tensor.memory.data();
  device.CopyToDevice(tensor.memory.data(), host.data, tensor.memory.num_bytes());
  return tensor;
}

}  // namespace

// A slice in staging memory, with what belongs to it.
struct WeightLoader::HostMatrix {
  MatrixSlice slice;
  BlockSlice blocks;                       // FP8: the slice in its tensor
  TensorView weight;                       // [num_rows, num_cols]
  const TensorInfo* scale_info = nullptr;  // null unless FP8
  std::vector<std::byte> raw_scales;       // as stored
  std::vector<float> scales;  // [block rows, block cols] that the slice touches; empty unless FP8
  std::vector<std::byte> raw_bias;
  DType bias_dtype = DType::kF32;
  std::vector<float> bias;

  absl::Status Decode(const Checkpoint& checkpoint) {
    if (!raw_scales.empty()) {
      const int64_t count = blocks.num_block_rows() * blocks.num_block_cols();
      scales.resize(count);
      if (scale_info->dtype == FileDtype::kF32) {
        std::memcpy(scales.data(), raw_scales.data(), raw_scales.size());
      } else {
        for (int64_t i = 0; i < count; ++i)
          scales[i] = E8m0ToFloat(static_cast<uint8_t>(raw_scales[i]));
      }
      SY_RETURN_IF_ERROR(Annotate(CheckScales(scale_info->name, blocks, scales),
                                  checkpoint.files()[scale_info->file]));
    }
    if (!raw_bias.empty())
      bias = ToFloats(TensorView(raw_bias.data(), bias_dtype, {slice.num_rows()}));
    return absl::OkStatus();
  }

  kernels::LinearSource Source(kernels::Compute mode) const {
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
      source.scales = TensorView(scales.data(), DType::kF32,
                                 {blocks.num_block_rows(), blocks.num_block_cols()});
    }
    if (!bias.empty()) source.bias = TensorView(bias.data(), DType::kF32, {slice.num_rows()});
    return source;
  }
};

struct WeightLoader::Read {
  TensorRange range;
  size_t matrix;  // whose weight it is
};

struct WeightLoader::Task {
  std::vector<HostMatrix> matrices;
  std::vector<Read>
      reads;  // weights, into staging memory; scales and biases are read into their matrices
  std::vector<ReadRequest> small_reads;
  std::function<void(const std::vector<HostMatrix>&)> consume;
  int64_t num_bytes = 0;
};

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
  matrix->scale_info = info;
  matrix->raw_scales.resize(range.num_bytes());
  task->small_reads.push_back({.range = range, .out = matrix->raw_scales});
  return true;
}

bool WeightLoader::AddMatrix(const MatrixSlice& slice, Task* task) {
  const TensorInfo* info = Expect(slice.tensor, {slice.rows, slice.cols});
  if (info == nullptr) return false;
  const std::optional<DType> dtype = WeightDType(info->dtype);
  if (!dtype.has_value()) {
    RememberType(*info, "weights are F32, F16, BF16 or F8_E4M3");
    return false;
  }
  HostMatrix& matrix = task->matrices.emplace_back();
  matrix.slice = slice;
  matrix.blocks = {.row_begin = slice.row_begin,
                   .col_begin = slice.col_begin,
                   .num_rows = slice.num_rows(),
                   .num_cols = slice.num_cols()};
  matrix.weight = TensorView(nullptr, *dtype, {slice.num_rows(), slice.num_cols()});
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
    matrix.raw_bias.resize(range.num_bytes());
    task->small_reads.push_back({.range = range, .out = matrix.raw_bias});
  }
  const TensorRange range{.tensor = info,
                          .row_begin = slice.row_begin,
                          .row_end = slice.row_begin + slice.num_rows(),
                          .col_begin = slice.col_begin,
                          .col_end = slice.col_begin + slice.num_cols()};
  task->reads.push_back({.range = range, .matrix = task->matrices.size() - 1});
  task->num_bytes += range.num_bytes();
  return true;
}

void WeightLoader::Linear(const MatrixSlice& slice, std::unique_ptr<kernels::PackedLinear>* out) {
  auto task = std::make_unique<Task>();
  if (!AddMatrix(slice, task.get())) return;
  task->consume = [this, out](const std::vector<HostMatrix>& matrices) {
    *out = Pack(matrices[0].Source(options_.compute));
  };
  tasks_.push_back(std::move(task));
}

void WeightLoader::GateUp(const MatrixSlice& gate, const MatrixSlice& up,
                          std::unique_ptr<kernels::PackedLinear>* out) {
  auto task = std::make_unique<Task>();
  if (!AddMatrix(gate, task.get()) || !AddMatrix(up, task.get())) return;
  task->consume = [this, out](const std::vector<HostMatrix>& matrices) {
    *out =
        ops_.PackGateUp(matrices[0].Source(options_.compute), matrices[1].Source(options_.compute));
    packed_bytes_ += (*out)->num_bytes();
  };
  tasks_.push_back(std::move(task));
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
  const TensorRange range = TensorRange::Whole(*info);
  task->reads.push_back({.range = range, .matrix = 0});
  task->num_bytes = range.num_bytes();
  task->consume = [this, out, size](const std::vector<HostMatrix>& matrices) {
    const std::vector<float> values = ToFloats(matrices[0].weight);
    *out = Upload(ops_.device(), TensorView(values.data(), DType::kF32, {size}));
    packed_bytes_ += out->memory.num_bytes();
  };
  tasks_.push_back(std::move(task));
}

void WeightLoader::Table(const MatrixSlice& slice, DeviceTensor* out) {
  auto task = std::make_unique<Task>();
  if (!AddMatrix(slice, task.get())) return;
  if (task->matrices[0].weight.dtype == DType::kF8E4M3) {
    return RememberType(*checkpoint_.Find(slice.tensor), "tables are F32, F16 or BF16");
  }
  task->consume = [this, out](const std::vector<HostMatrix>& matrices) {
    *out = Upload(ops_.device(), matrices[0].weight);
    packed_bytes_ += out->memory.num_bytes();
  };
  tasks_.push_back(std::move(task));
}

void WeightLoader::Values(const MatrixSlice& slice, std::function<void(const float*)> consume) {
  auto task = std::make_unique<Task>();
  if (!AddMatrix(slice, task.get())) return;
  task->consume = [consume = std::move(consume)](const std::vector<HostMatrix>& matrices) {
    const HostMatrix& matrix = matrices[0];
    if (matrix.weight.dtype != DType::kF8E4M3) return consume(ToFloats(matrix.weight).data());
    std::vector<float> values(matrix.weight.NumElements());
    DequantizeBlocks(matrix.blocks, static_cast<const kernels::F8E4M3*>(matrix.weight.data),
                     matrix.scales.data(), values.data());
    consume(values.data());
  };
  tasks_.push_back(std::move(task));
}

std::unique_ptr<kernels::PackedLinear> WeightLoader::Pack(const kernels::LinearSource& source) {
  std::unique_ptr<kernels::PackedLinear> packed = ops_.Pack(source);
  packed_bytes_ += packed->num_bytes();
  return packed;
}

absl::Status WeightLoader::Run() {
  if (!faults_.empty()) {
    if (faults_.size() == 1) return faults_.front();
    return absl::Status(
        faults_.front().code(),
        fmt::format("{} (and {} more such faults)", Message(faults_.front()), faults_.size() - 1));
  }
  int64_t bytes_total = 0;
  for (const auto& task : tasks_) bytes_total += task->num_bytes;
  int64_t bytes_done = 0;
  for (size_t i = 0; i < tasks_.size();) {
    std::vector<Task*> batch;
    int64_t batch_bytes = 0;
    while (i < tasks_.size() &&
           (batch.empty() || batch_bytes + tasks_[i]->num_bytes <= options_.staging_bytes)) {
      batch_bytes += tasks_[i]->num_bytes;
      batch.push_back(tasks_[i++].get());
    }
    SY_RETURN_IF_ERROR(RunBatch(std::move(batch), bytes_done, bytes_total));
    bytes_done += batch_bytes;
  }
  tasks_.clear();
  if (options_.progress) options_.progress(bytes_total, bytes_total);
  return absl::OkStatus();
}

absl::Status WeightLoader::RunBatch(std::vector<Task*> batch, int64_t bytes_before,
                                    int64_t bytes_total) {
  int64_t staging_bytes = 0;
  for (const Task* task : batch)
    staging_bytes += task->num_bytes + 64 * int64_t(task->reads.size());
  const auto staging = std::make_unique_for_overwrite<std::byte[]>(staging_bytes);
  int64_t used = 0;
  std::vector<ReadRequest> requests;
  for (Task* task : batch) {
    requests.insert(requests.end(), task->small_reads.begin(), task->small_reads.end());
    for (const Read& read : task->reads) {
      std::byte* const out = staging.get() + used;
      task->matrices[read.matrix].weight.data = out;
      requests.push_back({.range = read.range, .out = {out, size_t(read.range.num_bytes())}});
      used += RoundUp(read.range.num_bytes(), 64);
    }
  }
  ShardReader reader(&checkpoint_, {.num_threads = options_.num_threads,
                                    .progress =
                                        [&](int64_t done, int64_t) {
                                          // Scales and biases are read beside the counted bytes:
                                          // the bar never passes its end.
                                          if (options_.progress) {
                                            options_.progress(
                                                std::min(bytes_before + done, bytes_total),
                                                bytes_total);
                                          }
                                        },
                                    .cancel = options_.cancel});
  SY_RETURN_IF_ERROR(reader.Read(requests));
  reader_bytes_ += reader.bytes_read();
  for (Task* task : batch) {
    if (options_.cancel != nullptr && *options_.cancel)
      return absl::CancelledError("loading was cancelled");
    for (HostMatrix& matrix : task->matrices) SY_RETURN_IF_ERROR(matrix.Decode(checkpoint_));
    task->consume(task->matrices);
    task->matrices.clear();
  }
  return absl::OkStatus();
}

}  // namespace switchyard::worker
