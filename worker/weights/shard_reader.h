// Reads a rank's part of a checkpoint: ranges of rows and columns of tensors, batch by batch
// through a bounded amount of staging memory, several pieces at once, across the borders of
// batches.
#ifndef SWITCHYARD_WORKER_WEIGHTS_SHARD_READER_H_
#define SWITCHYARD_WORKER_WEIGHTS_SHARD_READER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "worker/weights/checkpoint.h"
#include "worker/weights/read_engine.h"
#include "worker/weights/read_plan.h"
#include "worker/weights/staging_pool.h"

namespace switchyard::worker {

// Ranges that come together.
struct ReadBatch {
  std::vector<WantedRange> ranges;
  // When it is read: of range i, [num_rows, num_cols] of the tensor's dtype, at any address.
  const std::byte* data(size_t i) const { return memory.get() + plan.places[i]; }

  ReadPlan plan;
  std::shared_ptr<std::byte> memory;  // null before it is read; reset it to give it back
};

// How far reading is.
struct ReadProgress {
  int64_t bytes_done = 0;
  int64_t bytes_total = 0;
};

struct ShardReaderOptions {
  int num_threads = 4;  // for what goes through the page cache
  ReadPlanOptions plan;
  // Called now and then with the bytes of all ranges that have come and their total, at last with
  // both equal; one call at a time, from the thread that reads. May be empty.
  std::function<void(const ReadProgress&)> progress;
  // Stops with CANCELLED soon after it answers true. Asked by the thread that reads. May be empty.
  std::function<bool()> cancelled;
  // While reads are under way, some must end so often: else DEADLINE_EXCEEDED with the first of
  // them.
  std::chrono::milliseconds max_silence{30'000};
  // Null: MakeReadEngine. For tests, and for measuring one against the other.
  std::function<std::unique_ptr<ReadEngine>()> make_engine;
};

// What reading asked of the system.
struct ReadCounters {
  int64_t direct_bytes = 0;  // past the page cache
  int64_t cached_bytes = 0;  // through it
};

// One thread calls it. The checkpoint outlives it.
class ShardReader {
 public:
  explicit ShardReader(const Checkpoint* checkpoint, ShardReaderOptions options = {});
  ~ShardReader();

  // Reads all batches, beginning with the first, into memory of `pool`, and hands over each when it
  // is complete, in no fixed order. `done` is called on this thread and should not work. DATA_LOSS:
  // a file became shorter than its header says, or changed; UNAVAILABLE: the disk failed; both with
  // file and byte. After an error some batches have not been handed over. REQUIRES: ranges inside
  // their tensors; the batches stay where they are.
  absl::Status Run(std::span<ReadBatch> batches, StagingPool& pool,
                   const std::function<absl::Status(ReadBatch&)>& done);

  // One batch.
  absl::Status Read(ReadBatch& batch);

  // Of ranges, over all calls.
  int64_t bytes_read() const { return bytes_read_; }
  const ReadCounters& counters() const { return counters_; }
  std::string_view engine_name() const { return engine_->name(); }

 private:
  struct OpenFile;
  struct Piece;
  class Pass;

  absl::StatusOr<OpenFile*> Open(int32_t file);

  const Checkpoint* const checkpoint_;
  const ShardReaderOptions options_;
  const std::unique_ptr<ReadEngine> engine_;
  std::vector<std::unique_ptr<OpenFile>> files_;  // by number; null: not yet open
  uint64_t next_id_ = 0;
  int64_t bytes_read_ = 0;
  ReadCounters counters_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_SHARD_READER_H_
