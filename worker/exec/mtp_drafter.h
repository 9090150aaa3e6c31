// Drafts by the model's own multi-token-prediction block (MODEL_SPECS 1.8). Its cache is filled for
// every token that is computed, drafts wanted or not; the whole block is computed for the newest
// ones alone, and only where something is drafted. The second guess and those after it feed the
// block its own state.
//
// Guesses are drawn as the model's tokens are: with the sequence's parameters, its grammar, and the
// random number of their position. So the better the block knows the model, the more of them are
// what the model draws, at any temperature.
#ifndef SWITCHYARD_WORKER_EXEC_MTP_DRAFTER_H_
#define SWITCHYARD_WORKER_EXEC_MTP_DRAFTER_H_

#include <vector>

#include "worker/exec/drafter.h"
#include "worker/exec/row_sampler.h"
#include "worker/exec/step_recorder.h"

namespace switchyard::worker {

class MtpDrafter final : public Drafter {
 public:
  // All outlive the drafter. REQUIRES: the recorder's model has a block that drafts, and its cache,
  // of blocks of `block_tokens`, a layer for it.
  MtpDrafter(StepRecorder& passes, const LayerContext& context, int64_t block_tokens,
             const v1::StepLimits& limits, RowSampler& sampler)
      : passes_(passes),
        context_(context),
        block_tokens_(block_tokens),
        limits_(limits),
        sampler_(sampler) {}

  absl::Status Draft(const ComputedStep& step, int32_t num_drafts) override;

 private:
  // A sequence that is drafted for, and how it samples behind its drafts so far.
  struct Branch {
    SequenceState* sequence = nullptr;
    SamplingState sampling;
    int32_t guess = -1;  // the newest; -1: none
  };

  // The block's input: what the model computed and is kept, each row with the token behind it. Rows
  // to guess behind apart, as generated ones, and those that only the cache takes.
  void Follow(const ComputedStep& step, bool guess);
  absl::Status Cache(const ComputedStep& step);
  // Drafts the tokens behind the output rows.
  absl::Status Guess(const kernels::TensorView& logits);
  void GoOn();

  StepRecorder& passes_;
  const LayerContext& context_;
  const int64_t block_tokens_;
  const v1::StepLimits limits_;
  RowSampler& sampler_;
  ForwardBatch batch_;
  std::vector<int32_t> rows_;     // which states batch_ follows: of the step's, then of its own
  std::vector<Branch> branches_;  // one for each row of batch_
  ForwardBatch cached_batch_;
  std::vector<int32_t> cached_rows_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_MTP_DRAFTER_H_
