#include "worker/weights/weight_loader.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "worker/weights/block_fp8.h"

namespace switchyard::worker {
namespace {

using kernels::DType;
using kernels::TensorView;

constexpr int kStagingSlots = 4;  // batches that are read, wait or are packed

DeviceTensor Upload(kernels::Device& device, const TensorView& host) {
  DeviceTensor tensor{.memory = device.Allocate(host.NumElements() * SizeOf(host.dtype)),
                      .view = host};
  tensor.view.data = tensor.memory.data();
  device.CopyToDevice(tensor.memory.data(), host.data, tensor.memory.num_bytes());
  return tensor;
}

}  // namespace

struct WeightLoader::Task {
  std::vector<HostMatrix> matrices;
  std::vector<WantedRange> ranges;  // of all matrices, the first one's weight first
  std::function<void(const std::vector<HostMatrix>&)> consume;
  // Of ranges that are no matrices, instead of that.
  std::function<absl::Status(const RangeData&)> consume_stored;

  int64_t MaxStagingBytes() const {
    int64_t sum = 0;
    for (const WantedRange& wanted : ranges) sum += worker::MaxStagingBytes(wanted.range);
    return sum;
  }
};

// Tasks whose ranges are read together.
struct WeightLoader::Batch {
  std::vector<Task*> tasks;
  ReadBatch read;  // their ranges, task by task
};

// Batches on their way from the thread that reads to the one that packs.
class WeightLoader::ReadyBatches {
 public:
  void Push(const ReadBatch& batch) {
    {
      std::lock_guard lock(mutex_);
      ready_.push_back(&batch);
    }
    changed_.notify_one();
  }
  void Close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_one();
  }
  // Null when there will be no more.
  const ReadBatch* Pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !ready_.empty(); });
    if (ready_.empty()) return nullptr;
    const ReadBatch* const batch = ready_.front();
    ready_.pop_front();
    return batch;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<const ReadBatch*> ready_;  // no more than staging memory has room for
  bool closed_ = false;
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

bool WeightLoader::AddInt4(const MatrixSlice& slice, bool whole, HostMatrix* matrix, Task* task) {
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
  const DType dtype = whole ? DType::kU4 : DType::kF32;
  matrix->weight = TensorView(nullptr, dtype, {slice.num_rows(), slice.num_cols()});
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
  const bool added = IsInt4(slice.tensor)                ? AddInt4(slice, whole, &matrix, task)
                     : FindGguf(slice.tensor) != nullptr ? AddGguf(slice, whole, &matrix, task)
                                                         : AddWeight(slice, &matrix, task);
  return added && (slice.bias.empty() || AddBias(slice, &matrix, task));
}

void WeightLoader::Linear(const MatrixSlice& slice, std::unique_ptr<kernels::PackedLinear>* out) {
  AddPacked(slice, nullptr, out);
}

void WeightLoader::GateUp(const MatrixSlice& gate, const MatrixSlice& up,
                          std::unique_ptr<kernels::PackedLinear>* out) {
  AddPacked(gate, &up, out);
}

int64_t WeightLoader::SlotBytes() const {
  return std::max<int64_t>(1, options_.staging_bytes / kStagingSlots);
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
  const int64_t unpacked = ops_.packs_integers() ? 1 : sizeof(float);
  const int64_t element = int4                                ? unpacked
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
  for (int64_t begin = 0; begin < rows; begin += at_once) {
    const int64_t end = std::min(begin + at_once, rows);
    auto task = std::make_unique<Task>();
    const bool integers = MayStayWhole(slice, up);
    if (!AddMatrix(slice.Rows(begin, end), integers, task.get())) return;
    if (up != nullptr && !AddMatrix(up->Rows(begin, end), integers, task.get())) return;
    if (!CheckPair(*task)) return;
    task->consume = [this, out, begin, rows](const std::vector<HostMatrix>& matrices) {
      const kernels::LinearSource source = matrices[0].Source(options_.compute, options_.form);
      std::optional<kernels::LinearSource> other;
      if (matrices.size() > 1) other = matrices[1].Source(options_.compute, options_.form);
      const kernels::LinearSource* const second = other ? &*other : nullptr;
      const bool whole = source.weight.rows() == rows;
      if (*out == nullptr) {  // the first piece
        if (!whole) *out = ops_.StartPack(source, second, rows);
        if (whole) *out = other ? ops_.PackGateUp(source, *other) : ops_.Pack(source);
        packed_bytes_ += (*out)->num_bytes();
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
  task->consume = [this, out, size, offset](const std::vector<HostMatrix>& matrices) {
    std::vector<float> values = ToFloats(matrices[0].weight);
    for (float& value : values) value += offset;
    *out = Upload(ops_.device(), TensorView(values.data(), DType::kF32, {size}));
    packed_bytes_ += out->memory.num_bytes();
  };
  tasks_.push_back(std::move(task));
}

void WeightLoader::Table(const MatrixSlice& slice, DeviceTensor* out) {
  const int64_t rows = slice.num_rows();
  const int64_t at_once = RowsAtOnce(slice, 1, 1);
  *out = {};
  for (int64_t begin = 0; begin < rows; begin += at_once) {
    auto task = std::make_unique<Task>();
    const MatrixSlice piece = slice.Rows(begin, std::min(begin + at_once, rows));
    if (!AddMatrix(piece, /*whole=*/false, task.get())) return;
    if (task->matrices[0].weight.dtype == DType::kF8E4M3) {
      return RememberType(*checkpoint_.Find(slice.tensor), "tables are F32, F16 or BF16");
    }
    task->consume = [this, out, begin, rows](const std::vector<HostMatrix>& matrices) {
      const TensorView& part = matrices[0].weight;
      const int64_t row_bytes = part.RowElements() * SizeOf(part.dtype);
      if (out->view.empty()) {
        out->memory = ops_.device().Allocate(rows * row_bytes);
        out->view = TensorView(out->memory.data(), part.dtype, {rows, part.RowElements()});
        packed_bytes_ += out->memory.num_bytes();
      }
      ops_.device().CopyToDevice(static_cast<std::byte*>(out->memory.data()) + begin * row_bytes,
                                 part.data, part.rows() * row_bytes);
    };
    tasks_.push_back(std::move(task));
  }
}

void WeightLoader::Values(const MatrixSlice& slice, UseValues consume) {
  auto task = std::make_unique<Task>();
  if (!AddMatrix(slice, /*whole=*/false, task.get())) return;
  task->consume = [consume = std::move(consume)](const std::vector<HostMatrix>& matrices) {
    const HostMatrix& matrix = matrices[0];
    if (matrix.weight.dtype != DType::kF8E4M3) {
      return consume(ToFloats(matrix.weight).data(), matrix.bias);
    }
    std::vector<float> values(matrix.weight.NumElements());
    DequantizeBlocks(matrix.blocks, static_cast<const kernels::F8E4M3*>(matrix.weight.data),
                     matrix.scales.data(), values.data());
    consume(values.data(), matrix.bias);
  };
  tasks_.push_back(std::move(task));
}

void WeightLoader::Stored(std::span<const StoredTensor> tensors, int64_t index, UseStored consume) {
  auto task = std::make_unique<Task>();
  std::vector<HostRange> ranges;
  for (const StoredTensor& tensor : tensors) {
    const TensorInfo* const info = Expect(tensor.name, tensor.shape);
    if (info == nullptr) return;
    if (std::ranges::find(tensor.types, info->dtype) == tensor.types.end()) {
      std::string names;
      for (const FileDtype type : tensor.types) {
        names += fmt::format("{}{}", names.empty() ? "" : " or ", FileDtypeName(type));
      }
      return RememberType(*info, fmt::format("it must be {}", names));
    }
    ranges.push_back(
        AddRange(TensorRange::Rows(*info, index, index + 1), /*shared=*/false, task.get()));
  }
  task->consume_stored = [ranges = std::move(ranges),
                          consume = std::move(consume)](const RangeData& data) {
    std::vector<StoredEntry> entries;
    for (const HostRange& range : ranges) {
      const int64_t skipped = range.wanted.row_begin - range.read.row_begin;
      entries.push_back({.data = data(range.index) + skipped * range.wanted.row_bytes(),
                         .tensor = range.wanted.tensor});
    }
    return consume(entries);
  };
  tasks_.push_back(std::move(task));
}

std::unique_ptr<kernels::PackedLinear> WeightLoader::Pack(const kernels::LinearSource& source) {
  std::unique_ptr<kernels::PackedLinear> packed = ops_.Pack(source);
  packed_bytes_ += packed->num_bytes();
  return packed;
}

std::unique_ptr<kernels::PackedLinear> WeightLoader::PackGateUp(const kernels::LinearSource& gate,
                                                                const kernels::LinearSource& up) {
  std::unique_ptr<kernels::PackedLinear> packed = ops_.PackGateUp(gate, up);
  packed_bytes_ += packed->num_bytes();
  return packed;
}

absl::Status WeightLoader::CheckFaults() const {
  if (faults_.empty()) return absl::OkStatus();
  if (faults_.size() == 1) return faults_.front();
  return absl::Status(
      faults_.front().code(),
      fmt::format("{} (and {} more such faults)", Message(faults_.front()), faults_.size() - 1));
}

// In the order of the disk, by the first range of each task.
std::vector<WeightLoader::Batch> WeightLoader::MakeBatches() {
  std::ranges::stable_sort(tasks_, {}, [](const std::unique_ptr<Task>& task) {
    const TensorRange& first = task->ranges.front().range;
    return std::pair(first.tensor->file, first.file_offset());
  });
  const int64_t most = SlotBytes();
  std::vector<Batch> batches;
  int64_t bytes = 0;
  for (const std::unique_ptr<Task>& task : tasks_) {
    const int64_t more = task->MaxStagingBytes();
    if (batches.empty() || bytes + more > most) {
      batches.emplace_back();
      bytes = 0;
    }
    bytes += more;
    Batch& batch = batches.back();
    batch.tasks.push_back(task.get());
    batch.read.ranges.insert(batch.read.ranges.end(), task->ranges.begin(), task->ranges.end());
  }
  return batches;
}

absl::Status WeightLoader::Run() {
  SY_RETURN_IF_ERROR(CheckFaults());
  std::vector<Batch> batches = MakeBatches();
  SY_RETURN_IF_ERROR(ReadAndPack(batches));
  tasks_.clear();
  return absl::OkStatus();
}

absl::Status WeightLoader::ReadAndPack(std::vector<Batch>& batches) {
  std::atomic<bool> failed = false;  // packing
  const auto cancelled = [&] { return failed || (options_.cancel != nullptr && *options_.cancel); };
  int64_t total = 0;
  ShardReader reader(&checkpoint_, {.num_threads = options_.num_threads,
                                    .plan = {.direct = options_.direct},
                                    .progress =
                                        [&](const ReadProgress& progress) {
                                          total = progress.bytes_total;
                                          if (options_.progress) {
                                            options_.progress(progress.bytes_done, total);
                                          }
                                        },
                                    .cancelled = cancelled,
                                    .max_silence = options_.max_silence});
  std::vector<ReadBatch> reads;
  for (Batch& batch : batches) reads.push_back(std::move(batch.read));
  StagingPool pool(kStagingSlots, SlotBytes());
  ReadyBatches ready;
  absl::Status read_status, pack_status;
  std::thread thread([&] {
    // Held against the manifest here: this thread has time, the one that packs has not.
    read_status = reader.Run(reads, pool, [&](ReadBatch& batch) {
      const absl::Status verified = Verify(batch);
      if (verified.ok()) ready.Push(batch);
      return verified;
    });
    ready.Close();
  });
  while (const ReadBatch* const read = ready.Pop()) {
    const auto index = static_cast<size_t>(read - reads.data());
    batches[index].read = std::move(reads[index]);
    if (pack_status.ok() && !cancelled()) pack_status = PackBatch(batches[index]);
    batches[index] = {};
    if (!pack_status.ok()) failed = true;
  }
  thread.join();
  reader_bytes_ += reader.bytes_read();
  counters_ = reader.counters();
  staging_high_water_ = pool.high_water();
  SY_RETURN_IF_ERROR(pack_status);
  SY_RETURN_IF_ERROR(read_status);
  if (cancelled()) return absl::CancelledError("loading was cancelled");
  if (options_.progress) options_.progress(total, total);
  return absl::OkStatus();
}

absl::Status WeightLoader::Verify(const ReadBatch& batch) const {
  if (options_.manifest == nullptr) return absl::OkStatus();
  for (size_t i = 0; i < batch.ranges.size(); ++i) {
    const TensorRange& range = batch.ranges[i].range;
    SY_RETURN_IF_ERROR(Annotate(options_.manifest->Verify(range, batch.data(i)),
                                checkpoint_.files()[range.tensor->file]));
  }
  return absl::OkStatus();
}

absl::Status WeightLoader::PackBatch(Batch& batch) {
  size_t first_range = 0;
  for (Task* task : batch.tasks) {
    const auto data = [&](size_t range) { return batch.read.data(first_range + range); };
    for (HostMatrix& matrix : task->matrices) {
      const TensorInfo& tensor = *matrix.weight_range.wanted.tensor;
      SY_RETURN_IF_ERROR(Annotate(matrix.Decode(data), checkpoint_.files()[tensor.file]));
    }
    if (task->consume_stored) {
      const TensorInfo& tensor = *task->ranges.front().range.tensor;
      SY_RETURN_IF_ERROR(Annotate(task->consume_stored(data), checkpoint_.files()[tensor.file]));
    } else {
      task->consume(task->matrices);
    }
    task->matrices.clear();
    first_range += task->ranges.size();
  }
  return absl::OkStatus();
}

}  // namespace switchyard::worker
