// Batches of a checkpoint on their way through staging memory: a thread reads them, the caller's
// works on each that has come while the next are read.
#ifndef SWITCHYARD_WORKER_WEIGHTS_LOAD_PIPELINE_H_
#define SWITCHYARD_WORKER_WEIGHTS_LOAD_PIPELINE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/status.h"
#include "worker/weights/shard_reader.h"

namespace switchyard::worker {

struct PipelineOptions {
  ShardReaderOptions reader;
  int num_slots = 4;       // batches that are read, wait or are worked on
  int64_t slot_bytes = 0;  // of staging memory; a larger batch is read when nothing else is
  // Holds what came against what should have, on the thread that reads. May be empty.
  std::function<absl::Status(const ReadBatch& batch)> check;
};

struct PipelineFigures {
  int64_t bytes_read = 0;  // of ranges
  ReadCounters counters;
  int64_t staging_high_water = 0;
};

// `work` is called with each batch's place in `reads`, in no fixed order, on this thread. The first
// error, of reading, checking or working, ends it. CANCELLED: reader.cancelled answered true.
absl::Status RunPipeline(const Checkpoint& checkpoint, std::vector<ReadBatch> reads,
                         const PipelineOptions& options,
                         const std::function<absl::Status(size_t index, ReadBatch& batch)>& work,
                         PipelineFigures* figures);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_LOAD_PIPELINE_H_
