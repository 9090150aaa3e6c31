// Continuous batching: requests in, numbered StepPlans out, results in, tokens and endings out. The
// core of the coordinator's loop.
//
// A plan may leave before the result of the one before it has come: it goes on with the token that
// the workers sampled last, so that they need not wait for the coordinator. Where that token ends
// the answer, the next plan's work for it was in vain, and what it samples is dropped.
//
// Each step has one token budget per attention group. Every running request that generates gets its
// token; what is left goes in chunks to prompts, of running and of waiting requests alike, in the
// order of their tenants' turns (Tenants) and inside a tenant by priority and age. One prompt takes
// max_prompt_chunk at most while others have work, and max_stretch bounds what it adds to a step
// (PromptControl). Work on a request's account is every computed token but drafts that turn
// out wrong; what the prefix cache holds costs nothing.
//
// When blocks run out, a running request gives up its own and waits at its old place; it is
// computed anew later, as far as the cache has lost it. The same happens to requests of a tenant
// that has more than its share of places or blocks when another with less has a request to start:
// a flood of one tenant costs another no more than the step under way. What is larger than its
// tenant's share waits until that much is free by itself; for a while it is overtaken by tenants
// that have less than theirs, then by nobody. An answer does not change by any of that: sampling is
// keyed by seed and position, and the workers keep a token's attention form.
//
// Where workers draft, a plan lets each sequence that generates compute some of its drafts, too.
// How many of these were right only the result says: until then the sequence is known to go on by
// one token a plan, has blocks for all, and the workers count on from where they are.
//
// A request starts in the group where the slowest group's step grows least by it, what is cached
// there counted in.
//
// Deterministic: the same calls give the same plans.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_SCHEDULER_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_SCHEDULER_H_

#include <absl/container/flat_hash_map.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/status.h"
#include "coordinator/core/events.h"
#include "coordinator/core/sched/draft_control.h"
#include "coordinator/core/sched/group_schedule.h"
#include "coordinator/core/sched/prompt_control.h"
#include "coordinator/core/sched/queue_places.h"
#include "coordinator/core/sched/request.h"
#include "coordinator/core/sched/request_queue.h"
#include "coordinator/core/sched/scheduler_config.h"
#include "coordinator/core/sched/tenants.h"
#include "proto/step.pb.h"

namespace switchyard::core {

struct RequestToken {
  RequestId id = 0;
  TokenOutput output;
};

struct RequestPromptToken {
  RequestId id = 0;
  PromptTokenOutput output;
};

struct RequestPromptDone {
  RequestId id = 0;
  int32_t num_cached_tokens = 0;
};

struct RequestEnd {
  RequestId id = 0;
  RequestFinish finish;
};

// What a finished step means for the requests. A request's prompt tokens come before its tokens,
// and these before its end.
struct StepOutcome {
  std::vector<RequestPromptToken> prompt_tokens;
  std::vector<RequestPromptDone> prompts_done;  // of those whose first token is among `tokens`
  std::vector<RequestToken> tokens;
  std::vector<RequestEnd> finished;
};

// Owned by the coordinator's loop thread; not thread-safe. One for each epoch.
class Scheduler {
 public:
  // REQUIRES: sizes positive, as CheckShardPlan has it.
  explicit Scheduler(const SchedulerConfig& config);

  // Where the queue is too full for the request, and another tenant has more of it over its weight
  // than this one's would: ends requests of that one, RESOURCE_EXHAUSTED, to make place. Whole
  // answers, and never one of which a choice ran. None if that is not the way, or if Admit would
  // refuse the request anyway.
  std::vector<RequestEnd> MakePlace(const NewRequest& request);

  // Takes the request into the queue. RESOURCE_EXHAUSTED when the queue is full (try later);
  // INVALID_ARGUMENT (final) when a token is outside the vocabulary, the prompt leaves no room for
  // an answer in the context, the whole KV cache does not hold prompt and max_tokens, or the queue
  // not all answers. One that would pass the context's end is cut there. `now`, on the caller's
  // clock: when the request came, which its timeout counts from. REQUIRES: a fresh id, not 0.
  absl::Status Admit(NewRequest request, std::chrono::milliseconds now = {});

  // Forgets the request, and the places kept for those that follow it; its blocks are free for the
  // next plan. Returns how far it came (reason kStop), nothing for an id that has ended or was
  // never there.
  std::optional<RequestFinish> Cancel(RequestId id);
  // The same for one whose answer is whole: places stay kept.
  std::optional<RequestFinish> Stop(RequestId id);

  // Ends the requests whose time is over, with DEADLINE_EXCEEDED; costs nothing if there are none.
  std::vector<RequestEnd> Expire(std::chrono::milliseconds now);

  // Whether any request is waiting or running.
  bool HasWork() const { return !requests_.empty(); }

  // Writes the next plan over `plan`, which uses its memory again: give it the same one each time.
  // False, and `plan` as it was, while max_under_way plans are, or without work. A plan ahead of a
  // result is made only when something that runs goes on in it.
  bool NextPlan(v1::StepPlan& plan);

  // Takes the tokens that all groups sampled in the oldest plan under way (`rank` and expert rows
  // are not looked at). `period`: since the step before it was done, or its own start after
  // idleness. Tokens of requests that ended meanwhile are dropped. FAILED_PRECONDITION for another
  // epoch or step than that plan's; INTERNAL for a token that was not asked for, is missing,
  // doubled or outside the vocabulary: then the workers cannot be trusted, and the caller ends the
  // epoch with FailAll.
  absl::StatusOr<StepOutcome> Complete(const v1::StepResult& merged,
                                       std::chrono::microseconds period);

  // Ends every request with `status`, oldest first.
  std::vector<RequestEnd> FailAll(const absl::Status& status);

  // Tokens that one sequence can have: the model's context, or what the KV cache of a group holds
  // if that is less.
  int32_t context_tokens() const;

  int32_t num_running() const;
  int32_t num_waiting() const { return waiting_.size(); }
  int32_t num_kept_places() const { return places_.num_kept(); }  // in the queue
  // The request belongs to an answer that was begun, and Admit will find a place for it.
  bool KeepsPlaceFor(const NewRequest& request) const { return places_.IsKept(request); }
  int32_t num_free_blocks() const;  // of all groups
  int32_t num_blocks() const;       // of all groups
  int32_t num_free_blocks_of(int group) const { return groups_[group].blocks().num_free(); }
  int32_t num_blocks_of_group() const { return config_.num_blocks; }
  int64_t num_preemptions() const { return num_preemptions_; }
  // Of prompts that have started: their tokens, and those of them found in the prefix cache.
  int64_t num_looked_up_tokens() const { return num_looked_up_tokens_; }
  int64_t num_cached_tokens() const { return num_cached_tokens_; }
  bool plan_under_way() const { return !under_way_.empty(); }

  // Checks that every request is in exactly one place and every block accounted for.
  void CheckIntegrity() const;

 private:
  struct PlanUnderWay {
    uint64_t step = 0;
    int32_t num_samples = 0;  // requests that still live and have no token of it yet
    // Of requests that have ended meanwhile: how many tokens may still come.
    absl::flat_hash_map<RequestId, int32_t> dropped;
    int32_t num_drafted = 0;  // sequences that may have drafts, in the group with most
    int32_t num_drafts = 0;
    Writing writing;          // requests that get a token, in the group with most
    double prompt_units = 0;  // in the group with most
    bool is_steady = false;   // it and the plan before it only generate, with the same drafts
  };

  struct Choice {
    GroupSchedule* group = nullptr;
    GroupSchedule::Fit fit;
  };

  // Where the request starts; nothing if it cannot start now.
  std::optional<Choice> ChooseGroup(const Request& request);
  // Room for the first that waits, if its tenant lacks its share; else maybe for one that overtakes
  // it in this step, which is returned.
  Request* MakeWay(StepBuilder& builder);
  // Whether there is room for the request, maybe made.
  bool MakeWayFor(const Request& request, StepBuilder& builder);
  // Whether the first that waits, which has no room, may be overtaken in this step. Remembers since
  // when it is held up.
  bool MayBeOvertaken(Request& first) const;
  bool WouldBeOverEverywhere(const Request& request) const;
  // `overtaker` starts if the first that waits cannot; may be null.
  void PlanPrompts(Request* overtaker, StepBuilder& builder);
  // Lets a request that waits start; false if it cannot now.
  bool Start(Request& request, StepBuilder& builder);
  // What work costs its tenant: its tokens, or its part of the log probabilities of the whole
  // vocabulary that a step may report, as that part of a step's tokens, if that is more (dominant
  // resource fairness: Ghodsi et al., NSDI 2011). Else whoever takes all of these goes first for
  // long, and all that wait behind wait as long.
  int32_t CostOf(int32_t num_tokens, int32_t num_full) const;
  void Charge(const Request& request, int32_t num_tokens);
  void PutBack(const std::vector<Request*>& preempted, StepBuilder& builder);
  int32_t MaxChunk() const;
  absl::Status TakePromptLogprob(const v1::PromptLogprob& scored, StepOutcome& outcome);
  absl::Status TakeToken(const v1::SampledToken& sampled, StepOutcome& outcome);
  // The token is one that the oldest plan under way lets the request have.
  absl::Status Receive(const v1::SampledToken& sampled, Request& request);
  int32_t NumDrafted() const;
  Writing MostWriting(int32_t num_drafts) const;  // of the group with most rows
  // Requests that wait for their first token, to each that writes.
  double PromptsPerWriting() const;
  std::optional<FinishReason> ReasonToEnd(const Request& request) const;
  void DropAwaited(const Request& request);
  void Detach(Request& request);
  // Ends the request: nothing is left of it.
  void End(Request& request);

  const SchedulerConfig config_;
  Tenants tenants_;
  std::vector<GroupSchedule> groups_;
  // Looked up by id; decisions walk the queue and the groups, never this.
  absl::flat_hash_map<RequestId, std::unique_ptr<Request>> requests_;
  RequestQueue waiting_;
  QueuePlaces places_;    // in it
  RequestQueue prompts_;  // running, and wanting a chunk in the step being built
  std::set<std::pair<std::chrono::milliseconds, RequestId>> deadlines_;
  // Sequences that workers know and the next plan makes them forget.
  std::vector<RequestId> released_;
  std::deque<PlanUnderWay> under_way_;  // oldest first
  DraftControl draft_control_;
  PromptControl prompt_control_;
  int32_t last_drafts_ = 0;      // of the newest plan
  bool last_generates_ = false;  // it does nothing else
  uint64_t next_step_ = 1;
  uint64_t next_arrival_ = 1;
  int64_t num_preemptions_ = 0;
  int64_t num_looked_up_tokens_ = 0;
  int64_t num_cached_tokens_ = 0;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_SCHEDULER_H_
