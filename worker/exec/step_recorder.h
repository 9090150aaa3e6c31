// The model's forward pass of a step, recorded where that pays: a decode step is some thousand
// small launches, which a GPU finishes faster than a host issues them one by one. As a CUDA graph
// they are one launch.
//
// What is recorded: steps without prompt rows, of at most kMostRows rows, whose MoE layers go
// through FixedExchange. They are padded to a size of a short list (PaddedRows) by rows that no
// cache, expert or count sees (kernels/args/padding.h), so that few recordings serve all of them. A
// shape (rows, rows of logits, places of the exchange) is computed directly the first time,
// recorded the second, and replayed from then on. What changes from step to step (tokens,
// positions, slots, block tables) is copied into arrays that stay where they are, and read anew by
// each replay. A failure to record ends the program with a message; a recording
// that no longer fits (sequences have grown, working memory has moved) is made anew; one that never
// did, for its block tables are too long, is not tried again.
//
// Ranks need not agree on who records when: a recorded step makes the same collective calls. But
// all of a tensor group have a recorder, or none, for they have the same rows.
//
// Owner: the executor. Thread: that of the steps.
#ifndef SWITCHYARD_WORKER_EXEC_STEP_RECORDER_H_
#define SWITCHYARD_WORKER_EXEC_STEP_RECORDER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "kernels/ops.h"
#include "worker/kv/kv_store.h"
#include "worker/layers/forward_batch.h"
#include "worker/layers/layer_context.h"
#include "worker/models/model.h"

namespace switchyard::worker {

// Rows of a step, and those that give logits.
struct StepSize {
  int64_t rows = 0;
  int64_t output_rows = 0;
};

class StepRecorder {
 public:
  static constexpr int64_t kMostRows = 256;
  // Kept at once; the one that was used longest ago goes.
  static constexpr size_t kMostRecordings = 16;

  // No step, padded or not, is larger than `most`. All else outlives it. `context` has no trace.
  StepRecorder(Model& model, const LayerContext& context, KvStore& kv, const StepSize& most)
      : model_(model), context_(context), kv_(kv), most_(most) {}

  // The size that Forward computes a batch in.
  StepSize PaddedSize(const ForwardBatch& batch) const;

  // Model::Forward. `hidden` and `logits` have the rows of PaddedSize; those behind the batch's own
  // hold nothing of use.
  absl::Status Forward(const ForwardBatch& batch, const kernels::TensorView& hidden,
                       const kernels::TensorView& logits, std::span<uint32_t> expert_rows);

  // Steps that were recorded, and all that ran as a graph; for logs.
  int64_t num_recordings() const { return num_recordings_; }
  int64_t num_replays() const { return num_replays_; }

 private:
  // What the launches of a step depend on, besides the contents of arrays.
  struct Shape {
    int64_t rows = 0;
    int64_t output_rows = 0;
    int64_t places = 0;  // of the exchange; 0 without one
    // Where the results go: working memory has one order, so these are the same each time.
    const void* hidden = nullptr;
    const void* logits = nullptr;
    friend bool operator==(const Shape&, const Shape&) = default;
  };
  struct Entry {
    Shape shape;
    ForwardBatch batch;  // what the recording reads
    std::unique_ptr<kernels::Recording> recording;
    bool is_direct = false;  // it cannot be recorded
    uint64_t last_use = 0;
  };

  bool Records(const ForwardBatch& batch) const;
  Shape ShapeOf(const StepSize& size, const kernels::TensorView& hidden,
                const kernels::TensorView& logits) const;
  absl::Status ForwardEntry(Entry& entry, const kernels::TensorView& hidden,
                            const kernels::TensorView& logits, std::span<uint32_t> expert_rows);
  Entry* Find(const Shape& shape);
  Entry* Add(const Shape& shape);
  absl::Status Record(const kernels::TensorView& hidden, const kernels::TensorView& logits,
                      std::span<uint32_t> expert_rows, Entry* entry);

  Model& model_;
  const LayerContext& context_;
  KvStore& kv_;
  const StepSize most_;
  std::vector<std::unique_ptr<Entry>> entries_;
  uint64_t num_steps_ = 0;
  int64_t num_recordings_ = 0;
  int64_t num_replays_ = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_STEP_RECORDER_H_
