#include "worker/exec/forced_drafter.h"

namespace switchyard::worker {

absl::Status ForcedDrafter::Draft(const ComputedStep& step, int32_t num_drafts) {
  if (other_ != nullptr) SY_RETURN_IF_ERROR(other_->Draft(step, num_drafts));
  for (size_t i = 0; i < step.outputs.size(); ++i) {
    if (!IsFrontier(step.outputs, i)) continue;
    SequenceState& sequence = *step.outputs[i].sequence;
    if (other_ == nullptr) sequence.drafts.clear();
    const TokenConstraint* const constraint = sequence.sampling.constraint();
    if (constraint == nullptr || !sequence.is_drafted) continue;
    std::vector<int32_t> forced = constraint->Forced(max_tokens_);
    if (!forced.empty()) sequence.drafts = std::move(forced);
  }
  return absl::OkStatus();
}

}  // namespace switchyard::worker
