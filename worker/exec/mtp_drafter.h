// Drafts by the model's own multi-token-prediction block (MODEL_SPECS 1.8). Its cache is filled for
// every token that is computed, drafts wanted or not; the second guess and those after it feed the
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
#include "worker/models/model.h"

namespace switchyard::worker {

class MtpDrafter final : public Drafter {
 public:
  // All outlive the drafter. REQUIRES: model.num_mtp_layers() > 0, and kv has a layer for it.
  MtpDrafter(Model& model, const LayerContext& context, KvStore& kv, RowSampler& sampler)
      : model_(model), context_(context), kv_(kv), sampler_(sampler) {}

  absl::Status Draft(const ComputedStep& step, int32_t num_drafts,
                     std::span<uint32_t> expert_rows) override;

 private:
  // A sequence that is drafted for, and how it samples behind its drafts so far.
  struct Branch {
    SequenceState* sequence = nullptr;
    SamplingState sampling;
    int32_t guess = -1;  // the newest; -1: none
  };

  // The block's input: what the model computed and is kept, each row with the token behind it.
  void Follow(const ComputedStep& step, bool guess);
  // Drafts the tokens behind the output rows.
  absl::Status Guess(const kernels::TensorView& logits);
  void GoOn();

  Model& model_;
  const LayerContext& context_;
  KvStore& kv_;
  RowSampler& sampler_;
  ForwardBatch batch_;
  std::vector<int32_t> rows_;     // which states batch_ follows: of the step's, then of its own
  std::vector<Branch> branches_;  // one for each output row of batch_
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_MTP_DRAFTER_H_
