#include "worker/parallel/step_sizes.h"

#include <algorithm>

#include "base/units.h"
#include "worker/parallel/padded_rows.h"

namespace switchyard::worker {

int64_t MostTokens(const v1::StepPlan& plan) {
  int64_t most = 0;
  for (const v1::GroupWork& group : plan.groups()) {
    int64_t tokens = 0;
    for (const v1::SequenceWork& work : group.sequences()) {
      tokens += work.use_last_sampled() ? 1 + int64_t{std::max(work.max_drafts(), 0)}
                                        : int64_t{work.tokens_size()};
    }
    most = std::max(most, tokens);
  }
  return most;
}

int64_t MostSliceTokens(const v1::StepPlan& plan, const ParallelContext& context) {
  return context.MaxTokenSlice(MostTokens(plan));
}

int64_t PaddedSliceTokens(const v1::StepPlan& plan, const ParallelContext& context) {
  return context.MaxTokenSlice(PaddedRows(MostTokens(plan)));
}

bool CutsSteps(const v1::StepLimits& limits) {
  return limits.micro_batch_tokens() > 0 &&
         limits.micro_batch_tokens() <= limits.max_batched_tokens();
}

bool IsCut(const v1::StepPlan& plan, const v1::StepLimits& limits) {
  return CutsSteps(limits) && MostTokens(plan) >= limits.micro_batch_tokens();
}

// Half of a step, or a whole one that is not cut.
int64_t MostMicroBatchTokens(const v1::StepLimits& limits) {
  const int64_t all = limits.max_batched_tokens();
  if (!CutsSteps(limits)) return all;
  return std::max<int64_t>(CeilDiv(all, 2), limits.micro_batch_tokens() - 1);
}

}  // namespace switchyard::worker
