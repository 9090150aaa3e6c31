#include "worker/exec/ngram_drafter.h"

namespace switchyard::worker {

absl::Status NgramDrafter::Draft(const ComputedStep& step, int32_t num_drafts) {
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    if (!IsFrontier(step.outputs, i)) continue;
    SequenceState& sequence = *step.outputs[i].sequence;
    sequence.drafts.clear();
    if (num_drafts == 0 || !sequence.history) continue;
    const std::span<const int32_t> guess = sequence.history->Continuation(num_drafts);
    sequence.drafts.assign(guess.begin(), guess.end());
  }
  return absl::OkStatus();
}

}  // namespace switchyard::worker
