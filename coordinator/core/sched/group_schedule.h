// The running requests of one attention group: who computes how many tokens in a step, and who has
// to go when blocks run out.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_GROUP_SCHEDULE_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_GROUP_SCHEDULE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "coordinator/core/kv/block_manager.h"
#include "coordinator/core/sched/request.h"
#include "coordinator/core/sched/step_builder.h"
#include "coordinator/core/sched/token_budget.h"

namespace switchyard::core {

// Owned by the Scheduler. Points to requests, owns their blocks. Not thread-safe.
//
// A step goes BeginStep, PlanRunning, then Admit as long as CanAdmit. The oldest request always
// makes progress: only younger ones are preempted for it, and Scheduler::Admit took no request that
// the whole pool cannot hold.
class GroupSchedule {
 public:
  struct Limits {
    int32_t max_batched_tokens = 0;
    int32_t max_running = 0;
    int32_t num_blocks = 0;
    int32_t block_tokens = 0;
  };
  GroupSchedule(int32_t group, const Limits& limits);

  // A fresh budget for this step.
  void BeginStep(uint64_t step);

  // Work for those that run: first one token for each request that lacks one, then chunks of longer
  // rests, oldest first. A request that needs a block when none is free takes those of the
  // youngest, which stops and is appended to `preempted` (maybe itself).
  void PlanRunning(StepBuilder& builder, std::vector<Request*>& preempted);

  // Whether the request can run from this step on: all its tokens known, a place, a token of
  // budget, blocks for its known tokens and the next, and one spare block for each request that
  // runs, so that the newcomer is not the next to be preempted.
  bool CanAdmit(const Request& request) const;

  // Lets it run, with work in this step. REQUIRES: CanAdmit(request).
  void Admit(Request& request, StepBuilder& builder);

  // Ends its running, whatever the reason: its blocks are free, its place in the cache forgotten.
  // REQUIRES: it runs here.
  void Remove(Request& request);

  int32_t num_running() const { return static_cast<int32_t>(running_.size()); }
  // Whether PlanRunning would have work for any.
  bool HasWork() const;
  std::span<Request* const> running() const { return running_; }
  const BlockManager& blocks() const { return blocks_; }

  void CheckIntegrity() const;

 private:
  // Blocks for the request's next token; those appended, in `appended`. False if the request itself
  // had to go.
  bool MakeRoom(Request& request, std::vector<Request*>& preempted,
                std::span<const int32_t>& appended);
  // What the budgets let the request compute now, and take of them.
  int32_t TakeBudget(const Request& request);
  void AddWork(Request& request, int32_t count, std::span<const int32_t> new_blocks,
               StepBuilder& builder);
  void Forget(Request& request);
  // Positions to cover when a request starts: all known and the next, if there will be one.
  static int32_t NumToCover(const Request& request);

  const int32_t group_;
  const Limits limits_;
  BlockManager blocks_;
  TokenBudget budget_{0};
  TokenBudget scored_{0};  // prompt tokens whose log probabilities this step may still report
  uint64_t step_ = 0;
  std::vector<Request*> running_;  // oldest first
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_GROUP_SCHEDULE_H_
