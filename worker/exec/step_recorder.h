// The passes of a step (the model's, and those of its block that drafts), recorded where that pays:
// in a decode step they are some thousand small launches, which a GPU finishes faster than a host
// issues them one by one. As a CUDA graph they are one launch each.
//
// What is recorded: passes of at most kMostRows rows, in steps without prompt rows whose MoE
// layers go through FixedExchange. They are padded to a size of a short list (PaddedRows) by rows
// that no cache, expert or count sees (kernels/args/padding.h), so that few recordings serve all. A
// shape (rows, rows of logits, places of the exchange) is computed directly the first time,
// recorded the second, and replayed from then on. What changes from step to step (tokens,
// positions, slots, block tables) is copied into arrays that stay where they are, and read anew by
// each replay. A failure to record ends the program with a message; a recording
// that no longer fits (sequences have grown, working memory has moved) is made anew; one that never
// did, for its block tables are longer than 8 MiB, is not tried again.
//
// Ranks need not agree on who records when: a recorded step makes the same collective calls. But
// all of a tensor group record, or none does, for they have the same rows.
//
// Owner: the executor. Thread: that of the steps.
#ifndef SWITCHYARD_WORKER_EXEC_STEP_RECORDER_H_
#define SWITCHYARD_WORKER_EXEC_STEP_RECORDER_H_

#include <array>
#include <cstdint>
#include <functional>
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

// Rows of a pass, and those that give logits.
struct PassSize {
  int64_t rows = 0;
  int64_t output_rows = 0;
  friend bool operator==(const PassSize&, const PassSize&) = default;
};

// A pass of the block that drafts: Model::ForwardMtp, or CacheMtp, to which the first three matter.
// Tensors have the rows of PaddedSize.
struct MtpPass {
  const ForwardBatch& batch;
  std::span<const int32_t> from;     // which of `states` each row of the batch follows
  const kernels::TensorView states;  // act [*, H]
  const kernels::TensorView hidden;  // act [T, H]: states[from], made here
  const kernels::TensorView next_hidden = {};
  const kernels::TensorView logits = {};
};

class StepRecorder {
 public:
  static constexpr int64_t kMostRows = 256;
  // Kept at once; the one that was used longest ago goes.
  static constexpr size_t kMostRecordings = 32;

  // All outlive it. `enabled`: where the ops can record; then `context` has no trace.
  StepRecorder(Model& model, const LayerContext& context, KvStore& kv, bool enabled)
      : model_(model), context_(context), kv_(kv), enabled_(enabled && context.ops.records()) {}

  // A step begins, of which this is the model's batch.
  void BeginStep(const ForwardBatch& batch) { has_prompts_ = !batch.prefill.empty(); }

  // The size that a pass computes a batch in, which is padded to no more than `most`.
  PassSize PaddedSize(const ForwardBatch& batch, const PassSize& most) const;

  // Model::Forward. `hidden` and `logits` have the rows of PaddedSize; those behind the batch's own
  // hold nothing of use.
  absl::Status Forward(const ForwardBatch& batch, const kernels::TensorView& hidden,
                       const kernels::TensorView& logits);
  absl::Status ForwardMtp(const MtpPass& pass);
  absl::Status CacheMtp(const MtpPass& pass);

  // Passes that were recorded, and all that ran as a graph; for logs.
  int64_t num_recordings() const { return num_recordings_; }
  int64_t num_replays() const { return num_replays_; }

 private:
  // What the launches of a pass depend on, besides the contents of arrays.
  struct Shape {
    PassSize size;
    int64_t places = 0;  // of the exchange; 0 without one
    // The memory it works on: working memory has one order, so this is the same each time.
    std::array<const void*, 4> memory{};
    friend bool operator==(const Shape&, const Shape&) = default;
  };
  // What a pass reads of the host.
  struct Inputs {
    ForwardBatch batch;
    std::vector<int32_t> from;
  };
  struct Entry {
    Shape shape;
    Inputs inputs;  // what the recording reads
    std::unique_ptr<kernels::Recording> recording;
    bool is_direct = false;  // it cannot be recorded
    uint64_t last_use = 0;
  };
  using Compute = std::function<absl::Status(const LayerContext& context, const ForwardBatch& batch,
                                             std::span<const int32_t> from)>;

  // `compute` has the context and the batch.
  template <typename Part>
  absl::Status RunMtp(const MtpPass& pass, const Part& compute);
  bool Records(const ForwardBatch& batch) const;
  int64_t StepPlaces() const;  // of the exchange; 0 without one
  absl::Status Run(const ForwardBatch& batch, std::span<const int32_t> from, const Shape& shape,
                   const Compute& compute);
  absl::Status Direct(const Entry& entry, const Compute& compute) const;
  absl::Status Record(const Compute& compute, Entry* entry);
  Entry* Find(const Shape& shape);
  Entry* Add(const Shape& shape);

  Model& model_;
  const LayerContext& context_;
  KvStore& kv_;
  const bool enabled_;
  std::vector<std::unique_ptr<Entry>> entries_;
  // The step has prompt rows: memory behind these would be another with each number of them, and
  // recordings of its other passes would drive out those of decode steps.
  bool has_prompts_ = false;
  uint64_t num_passes_ = 0;
  int64_t num_recordings_ = 0;
  int64_t num_replays_ = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_STEP_RECORDER_H_
