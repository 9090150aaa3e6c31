// One request inside the scheduler. There is no prefill and no decode: a request has known tokens
// (its prompt, then what was sampled), of which some are computed, and every step lets the computed
// ones catch up.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/core/events.h"
#include "coordinator/core/kv/block_hash.h"

namespace switchyard::core {

struct Tenant;

// Owned by the Scheduler; waits in its RequestQueue or runs in one GroupSchedule.
struct Request {
  static constexpr int32_t kNoGroup = -1;
  static constexpr int32_t kNone = -1;
  static constexpr std::chrono::milliseconds kNoDeadline = std::chrono::milliseconds::max();
  // A priority less counts as having come so many requests later. So priorities order what comes at
  // about the same time, and none keeps another waiting for ever.
  static constexpr int64_t kArrivalsPerPriority = 1024;

  // What a plan under way will sample of it: a token, and one for each draft that turns out right.
  struct Awaited {
    uint64_t step = 0;
    int32_t num_drafts = 0;  // at most
  };

  // A step looks at each running request several times, so what it looks at stands together.
  RequestId id = 0;
  uint64_t arrival = 0;       // counts admitted requests: smaller is older
  Tenant* tenant = nullptr;   // whose account it runs on
  int32_t priority = 0;       // smaller goes first
  int32_t prompt_length = 0;  // tokens
  int32_t max_generated = 0;  // tokens, cut to the context's end

  // Where it runs; all of this is lost in a preemption.
  int32_t group = kNoGroup;               // kNoGroup: waiting
  int32_t num_covered = 0;                // positions that its block table holds
  int32_t begun_at = 0;                   // positions before came from the prefix cache
  int32_t num_full_blocks = 0;            // computed, tokens known: offered to the prefix cache
  int32_t last_sampled_position = kNone;  // of the token that its workers still have from sampling

  // What is known and how far it is computed; plans that are under way count as computed, with one
  // token each: that is sure.
  int32_t num_computed = 0;        // positions 0 .. num_computed - 1 are in the cache
  std::vector<int32_t> tokens;     // prompt, then the answer so far
  int32_t num_awaited = 0;         // plans under way that sample tokens of it, from num_known() on
  int32_t num_receivable = 0;      // more tokens that the last step whose tokens came may have
  std::array<Awaited, 2> awaited;  // these plans, oldest first
  uint64_t received_in = 0;        // the last step whose tokens have come
  uint64_t sampled_in = 0;         // the last step that sampled a token of it
  uint64_t full_in = 0;            // the last that has room to report its whole vocabulary
  int32_t num_uncharged = 0;       // drafts that became tokens since its tenant was last charged
  int32_t num_scored = 0;          // prompt tokens whose log probabilities came, from the second on
  int32_t num_cached = kNone;      // of the prompt, found in the cache when it first started
  bool is_drafted = true;          // where the cluster drafts
  uint64_t held_up_since = 0;      // step in which it was first in line and too large; 0: none

  // What else was asked for.
  RequestId answer = 0;  // that it is a choice of, by the first; 0: there are no others
  std::vector<int32_t> stop_token_ids;
  v1::SamplingParams sampling;
  std::shared_ptr<const v1::Grammar> grammar;        // null: none
  std::string salt;                                  // what its cached blocks are kept apart by
  std::chrono::milliseconds deadline = kNoDeadline;  // on the caller's clock

  // It has run, be it that it waits again.
  bool has_started() const { return num_cached != kNone; }
  int32_t num_known() const { return static_cast<int32_t>(tokens.size()); }
  int32_t num_generated() const { return num_known() - prompt_length; }
  // Drafts of plans under way: positions by which the workers may be further than it is sure.
  int32_t num_drafts_awaited() const {
    int32_t num_drafts = 0;
    for (int32_t i = 0; i < num_awaited; ++i) num_drafts += awaited[i].num_drafts;
    return num_drafts;
  }
  // Its next token is the one that its workers sampled last.
  bool goes_on() const { return last_sampled_position == num_computed; }
  // Awaited tokens can be computed, too: the workers have them.
  int32_t num_remaining() const {
    return std::min(num_known() + num_awaited, max_computed()) - num_computed;
  }
  // Who goes first inside a tenant; no two are alike.
  std::pair<int64_t, uint64_t> rank() const {
    return {static_cast<int64_t>(arrival) + priority * kArrivalsPerPriority, arrival};
  }
  TokenChain chain(int32_t num_tokens) const {
    return {.salt = salt,
            .prompt_length = prompt_length,
            .tokens = std::span(tokens).first(num_tokens)};
  }
  // Tokens whose blocks may come from the cache: the last known one is computed in any case, since
  // the next is sampled from it, and so is every token whose logits are reported.
  int32_t max_cached() const {
    return sampling.has_prompt_logprobs() ? std::min(num_known() - 1, num_scored) : num_known() - 1;
  }
  // Positions of [begin, begin + count) whose prompt's next token is reported.
  int32_t NumScored(int32_t begin, int32_t count) const {
    if (!sampling.has_prompt_logprobs()) return 0;
    return std::clamp(prompt_length - 1 - begin, 0, count);
  }
  int32_t NumScored(int32_t count) const { return NumScored(num_computed, count); }
  // Tokens of the work on [begin, begin + count), scored or sampled, whose log probabilities of the
  // whole vocabulary are reported.
  int32_t NumFull(int32_t begin, int32_t count) const {
    const bool samples = begin + count == num_computed + num_remaining();
    return (samples && full_answer() ? 1 : 0) + (full_prompt() ? NumScored(begin, count) : 0);
  }
  bool full_answer() const { return sampling.top_logprobs() == kFullVocabulary; }
  bool reports_full() const { return full_answer() || full_prompt(); }
  bool full_prompt() const { return sampling.prompt_logprobs() == kFullVocabulary; }
  // Positions that are ever computed: the last token of an answer never is.
  int32_t max_computed() const { return prompt_length + max_generated - 1; }
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_H_
