#include "worker/weights/load_pipeline.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace switchyard::worker {
namespace {

// Batches on their way from the thread that reads to the one that works.
class ReadyBatches {
 public:
  void Push(ReadBatch& batch) {
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
  ReadBatch* Pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !ready_.empty(); });
    if (ready_.empty()) return nullptr;
    ReadBatch* const batch = ready_.front();
    ready_.pop_front();
    return batch;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<ReadBatch*> ready_;  // no more than staging memory has room for
  bool closed_ = false;
};

}  // namespace

absl::Status RunPipeline(const Checkpoint& checkpoint, std::vector<ReadBatch> reads,
                         const PipelineOptions& options,
                         const std::function<absl::Status(size_t index, ReadBatch& batch)>& work,
                         PipelineFigures* figures) {
  std::atomic<bool> failed = false;  // working
  const auto cancelled = [&] { return options.reader.cancelled && options.reader.cancelled(); };
  ShardReaderOptions reader_options = options.reader;
  reader_options.cancelled = [&] { return failed || cancelled(); };
  ShardReader reader(&checkpoint, std::move(reader_options));
  StagingPool pool(options.num_slots, options.slot_bytes);
  ReadyBatches ready;
  absl::Status read_status, work_status;
  std::thread thread([&] {
    // Checked here: this thread has time, the one that works has not.
    read_status = reader.Run(reads, pool, [&](ReadBatch& batch) {
      const absl::Status checked = options.check ? options.check(batch) : absl::OkStatus();
      if (checked.ok()) ready.Push(batch);
      return checked;
    });
    ready.Close();
  });
  while (ReadBatch* const read = ready.Pop()) {
    if (work_status.ok() && !cancelled()) {
      work_status = work(static_cast<size_t>(read - reads.data()), *read);
    }
    *read = {};
    if (!work_status.ok()) failed = true;
  }
  thread.join();
  figures->bytes_read += reader.bytes_read();
  figures->counters = reader.counters();
  figures->staging_high_water = pool.high_water();
  SY_RETURN_IF_ERROR(work_status);
  SY_RETURN_IF_ERROR(read_status);
  return cancelled() ? absl::CancelledError("loading was cancelled") : absl::OkStatus();
}

}  // namespace switchyard::worker
