// The running requests of one attention group: who computes how many tokens in a step, and who has
// to go when blocks run out.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_GROUP_SCHEDULE_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_GROUP_SCHEDULE_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "coordinator/core/kv/block_manager.h"
#include "coordinator/core/sched/prompt_control.h"
#include "coordinator/core/sched/prompt_cost.h"
#include "coordinator/core/sched/request.h"
#include "coordinator/core/sched/step_builder.h"
#include "coordinator/core/sched/tenants.h"
#include "coordinator/core/sched/token_budget.h"

namespace switchyard::core {

// Owned by the Scheduler. Points to requests, owns their blocks. Not thread-safe.
//
// A step goes BeginStep, MakeWay where a tenant lacks its share, PlanTokens, then PlanChunk and
// Admit in the scheduler's order, EndStep. Those that run stand in order of arrival, inside a
// tenant by rank (its k-th place is that of its k-th request): one tenant's priorities are nothing
// to another. The first of all always makes progress: nothing is preempted for it but others, and
// Scheduler::Admit took no request that the whole pool cannot hold. (The first of each tenant stays
// when others lack their share, so what takes more than a share comes to its end, too.)
class GroupSchedule {
 public:
  struct Limits {
    int32_t max_batched_tokens = 0;
    int32_t max_running = 0;
    int32_t num_blocks = 0;
    int32_t block_tokens = 0;
    WindowBlocks::Size windows;
    bool prefix_cache = true;
    int32_t max_forced = 0;         // drafts of a request under a grammar, at least
    int32_t max_full_logprobs = 0;  // of the whole vocabulary, in a step; none, or 2 at least
    PromptCost prompt_cost;
  };
  // `tenants` outlives the schedule.
  GroupSchedule(int32_t group, const Limits& limits, const Tenants& tenants);

  // A fresh budget for this step, of which one prompt may have so much, in units of
  // Limits::prompt_cost.
  void BeginStep(uint64_t step, const PromptBound& bound);

  // A token for each request that lacks only one (but of those whose log probabilities are wanted
  // of the whole vocabulary so many alone as a step reports, by their tenants' turns), in order,
  // and up to `num_drafts` drafts behind it (or Limits::max_forced) as far as budget and free
  // blocks have room, and half of what prompts could do with is left to these; `first_waiting` is
  // the next to be admitted, maybe null. A request that needs a block when none is free takes those
  // of another that has got nothing yet in this step, which stops and is appended to `preempted`
  // (maybe itself): of a tenant over its share of blocks if there is one, else of any, the last in
  // order. A tenant's first request does not go as one over its share.
  void PlanTokens(int32_t num_drafts, const Request* first_waiting, StepBuilder& builder,
                  std::vector<Request*>& preempted);

  // The next `max_tokens` at most of a running request that PlanTokens gave nothing. Returns how
  // many: none if the budget is used up.
  int32_t PlanChunk(Request& request, int32_t max_tokens, StepBuilder& builder);

  // What admitting a request means here.
  struct Fit {
    std::vector<int32_t> prefix;  // its blocks that are in the cache
    int32_t num_cached = 0;       // tokens in them
    int32_t num_now = 0;          // computed in this step, at most
  };
  // Set if the request can run from this step on: all its tokens known, a place, a token of budget,
  // blocks for its known tokens and the next, and one spare block for each request that runs, so
  // that the newcomer is not the next to be preempted.
  std::optional<Fit> FitOf(const Request& request, int32_t max_tokens) const;

  // Lets it run, with at most `max_tokens` in this step; returns how many. REQUIRES: `fit` is what
  // FitOf has just said.
  int32_t Admit(Request& request, const Fit& fit, int32_t max_tokens, StepBuilder& builder);

  // Whether the request will fit behind what those that run take first: a block each at most.
  bool HasRoom(const Request& request) const;

  // With the request its tenant would have more than its share of places or blocks here.
  bool WouldBeOver(const Request& request) const;

  // The same of blocks for the request alone, did nothing of its tenant's run.
  bool IsLargerThanShare(const Request& request) const;

  // For a request that has no room anywhere though its tenant has less than its share of places and
  // blocks: preempts requests of tenants that have more than theirs, the last in order first, until
  // it has. True if it does; else nothing has changed. REQUIRES: nothing is planned in this step.
  bool MakeWay(const Request& request, std::vector<Request*>& preempted);

  // Makes findable what the step computes: later plans run after it, on every rank; and if it fails
  // there is no later plan.
  void EndStep();

  // Ends its running, whatever the reason: its blocks are free, its place in the cache forgotten.
  // Full blocks can still be found. REQUIRES: it runs here.
  void Remove(Request& request);

  int32_t num_running() const { return static_cast<int32_t>(running_.size()); }
  // Those that go on with a token of the workers', and take drafts.
  int32_t num_drafted() const;
  int32_t num_generating() const;               // those that lack only one token
  Writing WritingOf(int32_t num_drafts) const;  // the same, with up to so many drafts each
  // Whether something that runs can go on.
  bool HasWork() const;
  // Tokens planned in this step so far; what those of prompts cost; tokens known of those that run
  // and not planned yet.
  int32_t num_planned() const { return limits_.max_batched_tokens - budget_.left(); }
  double prompt_units() const { return prompt_units_; }
  // Log probabilities of the whole vocabulary that this step reports so far.
  int32_t num_full_planned() const { return limits_.max_full_logprobs - full_logprobs_.left(); }
  int64_t backlog() const { return backlog_; }
  bool has_budget() const { return budget_.left() > 0; }
  std::span<Request* const> running() const { return running_; }
  const BlockManager& blocks() const { return blocks_; }

  void CheckIntegrity() const;

 private:
  // What a tenant has of this group.
  struct Use {
    const Request* first = nullptr;  // in order
    int32_t num_running = 0;
    int32_t num_blocks = 0;
  };
  using Uses = absl::flat_hash_map<const Tenant*, Use>;  // looked up only

  // How many drafts all requests together may have.
  TokenBudget BudgetForDrafts(const Request* first_waiting) const;
  // How many the request is to have in a step of so many (or Limits::max_forced).
  int32_t NumWanted(const Request& request, int32_t num_drafts) const;
  // How many the request may have, with tokens still owed to `num_owed` requests and so many drafts
  // left for all.
  int32_t NumDrafts(const Request& request, int32_t num_drafts, int32_t num_owed,
                    int32_t num_left) const;
  // Blocks for the request's next token; those appended, in `appended`. False if the request itself
  // had to go. `place` is where it stands in running_.
  bool MakeRoom(size_t place, std::vector<Request*>& preempted, std::span<const int32_t>& appended);
  // The same for drafts behind it, if that costs nobody anything.
  bool MakeRoomForDrafts(Request& request, int32_t num_drafts, std::span<const int32_t>& appended);
  void Cover(Request& request, int32_t num_tokens, std::span<const int32_t>& appended);
  // Where in running_, from `place` on, the next to go stands.
  size_t VictimFrom(size_t place);
  void Preempt(size_t place, std::vector<Request*>& preempted);
  // Puts running_ in order.
  void Order();
  Uses CountUses() const;
  // Made once a step, when it is first asked for; Cover and Preempt keep it true.
  const Uses& UseByTenant();
  // The tenant's share; of places one at least.
  double PlacesOf(const Tenant& tenant) const;
  double BlocksOf(const Tenant& tenant) const;
  int32_t NumFreeNeeded(const Request& request, const std::vector<int32_t>& prefix) const {
    return blocks_.NumFreeNeeded(NumToCover(request), prefix);
  }
  std::vector<int32_t> FindPrefix(const Request& request) const;
  // How many log probabilities of the whole vocabulary are left to answers.
  int32_t NumFullForAnswers(const Request* first_waiting) const;
  // Which answers get these in this step: by their tenants' turns, inside a tenant in order.
  void ChooseFullAnswers(const Request* first_waiting);
  // Of the request's next `count` tokens, from `begin` on, those that there are rows of logits for.
  int32_t FitRows(const Request& request, int32_t begin, int32_t count) const;
  // What the budgets let the request compute now, from `begin` on.
  int32_t FitBudget(const Request& request, int32_t begin, int32_t max_tokens) const;
  // Takes it.
  int32_t TakeBudget(const Request& request, int32_t max_tokens);
  void AddWork(Request& request, int32_t count, int32_t num_drafts,
               std::span<const int32_t> new_blocks, StepBuilder& builder);
  void Publish(Request& request);
  void Forget(Request& request);
  // Positions to cover when a request starts: all known and the next, if there will be one.
  static int32_t NumToCover(const Request& request);

  const int32_t group_;
  const Limits limits_;
  const Tenants& tenants_;
  BlockManager blocks_;
  TokenBudget budget_{0};
  PromptBound bound_;
  double prompt_units_ = 0;
  // Rows of logits that this step may still have beside one for each request: of drafts, and of
  // prompt tokens whose log probabilities are reported.
  TokenBudget extra_rows_{0};
  TokenBudget full_logprobs_{0};  // that this step may still report
  int64_t backlog_ = 0;
  uint64_t step_ = 0;
  // In order from BeginStep on; what starts since then stands behind.
  std::vector<Request*> running_;
  std::optional<Uses> uses_;  // none until it is asked for
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_GROUP_SCHEDULE_H_
