// What a chunk of a prompt costs a step: its tokens, and the keys before them that it reads. The
// unit is one token of a prompt with nothing before it, so that a price learnt near the beginning
// of a prompt holds at its end. Pure.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_COST_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_COST_H_

#include <cstdint>

#include "proto/cluster.pb.h"

namespace switchyard::core {

class PromptCost {
 public:
  // Keys cost nothing.
  PromptCost() = default;
  // By the multiplications of the plan's model.
  explicit PromptCost(const v1::ShardPlan& plan);

  // Of the tokens at positions [begin, begin + count); 0 for none.
  double Of(int32_t begin, int32_t count) const;

  // How many of the `wanted` tokens from `begin` on cost no more than `units`.
  int32_t Fit(int32_t begin, int32_t wanted, double units) const;

  // As many tokens from `begin` on as cost no less than the keys that are read for them: a step
  // takes so many whatever they cost, for a prompt of fewer would mostly read the same again. 1 at
  // least.
  int32_t LeastFrom(int32_t begin) const;

 private:
  double OfReading(int32_t begin) const;

  double per_key_ = 0;           // of one token that reads one key
  double per_key_expanded_ = 0;  // of expanding one key from its latent
  int32_t expanded_tokens_ = 0;  // so many keys of a prompt are kept as they are read
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_COST_H_
