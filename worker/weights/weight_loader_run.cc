// Does what was asked for: from the packed cache where it has all, else from the checkpoint.
#include <algorithm>
#include <iterator>
#include <utility>

#include "worker/weights/load_task.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {
namespace {

std::string_view NameOf(kernels::Compute compute) {
  switch (compute) {
    case kernels::Compute::kBf16:
      return "bf16";
    case kernels::Compute::kF32:
      return "f32";
    case kernels::Compute::kW8A8:
      return "w8a8";
  }
  return "";
}

std::string_view NameOf(kernels::WeightForm form) {
  switch (form) {
    case kernels::WeightForm::kStored:
      return "stored";
    case kernels::WeightForm::kInt8:
      return "q8";
    case kernels::WeightForm::kInt4:
      return "q4";
  }
  return "";
}

std::string NameOf(const Int4Format& format) {
  return fmt::format("{}, groups of {}{}", format.layout == Int4Layout::kAwq ? "AWQ" : "GPTQ",
                     format.group_columns, format.zeros_less_one ? ", zeros less one" : "");
}

// The disk, or who stops us, would say the same of the checkpoint.
bool IsFinal(const absl::Status& status) {
  return absl::IsCancelled(status) || absl::IsDeadlineExceeded(status);
}

}  // namespace

absl::Status WeightLoader::CheckFaults() const {
  if (faults_.empty()) return absl::OkStatus();
  if (faults_.size() == 1) return faults_.front();
  return absl::Status(
      faults_.front().code(),
      fmt::format("{} (and {} more such faults)", Message(faults_.front()), faults_.size() - 1));
}

void WeightLoader::Note(bool warning, std::string text) const {
  if (options_.note) options_.note({.warning = warning, .text = std::move(text)});
}

absl::Status WeightLoader::Run() {
  SY_RETURN_IF_ERROR(CheckFaults());
  if (options_.packed_cache.folder.empty()) {
    SY_RETURN_IF_ERROR(ReadAndPack());
  } else {
    SY_ASSIGN_OR_RETURN(const PackedCache cache, OpenCache());
    const absl::Status restored = Restore(cache);
    if (IsFinal(restored)) return restored;
    if (!restored.ok()) {
      Note(!absl::IsNotFound(restored) && !absl::IsFailedPrecondition(restored),
           fmt::format("packed cache: {}; weights are read from the checkpoint and kept anew",
                       Message(restored)));
      SY_RETURN_IF_ERROR(ReadAndPack());
      SY_RETURN_IF_ERROR(Keep(cache));
    }
  }
  tasks_.clear();
  outputs_.clear();
  return absl::OkStatus();
}

ShardReaderOptions WeightLoader::ReaderOptions(LoadStage stage) const {
  ShardReaderOptions reader{.num_threads = options_.num_threads,
                            .plan = {.direct = options_.direct},
                            .max_silence = options_.max_silence};
  reader.cancelled = [this] { return options_.cancel != nullptr && *options_.cancel; };
  reader.progress = [this, stage](const ReadProgress& progress) {
    if (options_.progress) options_.progress(stage, progress.bytes_done, progress.bytes_total);
  };
  return reader;
}

absl::StatusOr<PackedCache> WeightLoader::OpenCache() const {
  std::vector<std::string> forms;
  for (const Output& output : outputs_) forms.push_back(output.form);
  PackedCache::Subject subject{.packed_form = ops_.packed_form(),
                               .compute = std::string(NameOf(options_.compute)),
                               .weights = std::string(NameOf(options_.form)),
                               .int4 = options_.int4.has_value() ? NameOf(*options_.int4) : "none",
                               .forms = forms};
  if (options_.manifest != nullptr) subject.manifest = options_.manifest->digest();
  ShardReaderOptions reader = ReaderOptions(LoadStage::kRestoring);
  reader.progress = nullptr;  // of a little that nobody waits for
  return PackedCache::Create(options_.packed_cache, checkpoint_, subject, reader);
}

absl::Status WeightLoader::Restore(const PackedCache& cache) {
  SY_ASSIGN_OR_RETURN(
      std::vector<kernels::Buffer> memory,
      cache.Restore(ops_.device(), {.reader = ReaderOptions(LoadStage::kRestoring)}, &figures_));
  int64_t bytes = 0;
  for (size_t i = 0; i < memory.size(); ++i) {
    bytes += memory[i].num_bytes();
    SY_RETURN_IF_ERROR(Annotate(outputs_[i].restore(std::move(memory[i])), cache.path()));
  }
  packed_bytes_ += bytes;
  restored_ = true;
  Note(false, fmt::format("packed cache: weights come from {}", cache.path()));
  return absl::OkStatus();
}

absl::Status WeightLoader::Keep(const PackedCache& cache) {
  std::vector<const kernels::Buffer*> memory;
  for (const Output& output : outputs_) memory.push_back(output.memory);
  const absl::Status kept = cache.Keep(
      ops_.device(), memory, [this](int64_t bytes_done, int64_t bytes_total) -> absl::Status {
        if (options_.progress) options_.progress(LoadStage::kKeeping, bytes_done, bytes_total);
        if (options_.cancel == nullptr || !*options_.cancel) return absl::OkStatus();
        return absl::CancelledError("loading was cancelled");
      });
  if (absl::IsCancelled(kept)) return kept;
  Note(!kept.ok(), kept.ok() ? fmt::format("packed cache: weights are kept in {}", cache.path())
                             : fmt::format("packed cache: weights were not kept: {}; the next "
                                           "start reads the checkpoint again",
                                           Message(kept)));
  return absl::OkStatus();
}

absl::Status WeightLoader::ReadAndPack() {
  // In the order of the disk, by the first range of each task.
  std::ranges::stable_sort(tasks_, {}, [](const std::unique_ptr<Task>& task) {
    const TensorRange& first = task->ranges.front().range;
    return std::pair(first.tensor->file, first.file_offset());
  });
  std::vector<ReadBatch> reads;
  std::vector<std::vector<Task*>> tasks;  // of each read, whose ranges are theirs in order
  int64_t bytes = 0;
  for (const std::unique_ptr<Task>& task : tasks_) {
    const int64_t more = task->MaxStagingBytes();
    if (reads.empty() || bytes + more > SlotBytes()) {
      reads.emplace_back();
      tasks.emplace_back();
      bytes = 0;
    }
    bytes += more;
    tasks.back().push_back(task.get());
    std::ranges::copy(task->ranges, std::back_inserter(reads.back().ranges));
  }
  int64_t total = 0;
  PipelineOptions options{.reader = ReaderOptions(LoadStage::kReading), .slot_bytes = SlotBytes()};
  options.reader.progress = [&, report = options.reader.progress](const ReadProgress& progress) {
    total = progress.bytes_total;
    report(progress);
  };
  options.check = [this](const ReadBatch& batch) { return Verify(batch); };
  SY_RETURN_IF_ERROR(RunPipeline(
      checkpoint_, std::move(reads), options,
      [&](size_t index, ReadBatch& batch) { return PackBatch(tasks[index], batch); }, &figures_));
  if (options_.progress) options_.progress(LoadStage::kReading, total, total);
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

absl::Status WeightLoader::PackBatch(const std::vector<Task*>& tasks, const ReadBatch& batch) {
  size_t first_range = 0;
  for (Task* task : tasks) {
    const auto data = [&](size_t range) { return batch.data(first_range + range); };
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
