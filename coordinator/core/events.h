// What crosses between the edges (gateway, fleet) and the coordinator's one loop thread. Plain data
// and two interfaces; no I/O.
//
//   gateway --Engine::Submit/Cancel--> loop --> core/sched --> StepPlan --> fleet
//   gateway <--RequestListener-------- loop <-- core/sched <-- StepResult <-- fleet
#ifndef SWITCHYARD_COORDINATOR_CORE_EVENTS_H_
#define SWITCHYARD_COORDINATOR_CORE_EVENTS_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "proto/admin.pb.h"
#include "proto/grammar.pb.h"
#include "proto/step.pb.h"

namespace switchyard::core {

// Chosen by the submitter, unique over the coordinator's life, never 0. The same number names the
// request's sequence in step plans.
using RequestId = uint64_t;

struct NewRequest {
  RequestId id = 0;
  std::vector<int32_t> prompt_tokens;  // at least one; each inside the vocabulary
  int32_t max_tokens = 0;              // tokens to generate at most, at least one
  v1::SamplingParams sampling;
  std::vector<int32_t> stop_token_ids;  // a sampled one ends the answer and is its last token
  std::shared_ptr<const v1::Grammar> grammar;  // what the answer must look like; null: anything
  bool drafts = true;  // tokens may be drafted, where the cluster does; the answer is the same

  // Whose request it is: tenants share the cluster by their weights, and no cached prefix.
  std::string tenant;
  double weight = 1;       // of the tenant, the newest counts; positive
  int32_t priority = 0;    // among the tenant's requests; smaller goes first
  std::string cache_salt;  // requests share cached prefixes only with those of the same salt
  std::chrono::milliseconds timeout{0};  // from `arrived` on; 0: none
  // When it came to the coordinator; unset: when it is submitted.
  std::optional<std::chrono::steady_clock::time_point> arrived;

  // One answer of several choices is as many requests of one tenant: the first names how many will
  // follow, these name the first. Whoever cancels the first takes back that more follow.
  int32_t num_following = 0;
  RequestId follows = 0;  // 0: none
};

enum class FinishReason {
  kStop,    // a stop token, or Stop by the submitter after it saw a stop text
  kLength,  // max_tokens or the context's end
  kError,   // see status
};

struct TokenLogprob {
  int32_t token = 0;
  float logprob = 0;
};

// In place of how many of the likeliest tokens are wanted: the whole vocabulary.
inline constexpr int32_t kFullVocabulary = -1;

// Log probabilities of a whole vocabulary, by token; null: not asked for.
using FullLogprobs = std::shared_ptr<const std::vector<float>>;

// A token of an answer, in order of positions.
struct TokenOutput {
  int32_t token = 0;
  float logprob = 0;              // natural logarithm, before penalties, temperature and cuts
  std::vector<TokenLogprob> top;  // as SamplingParams.top_logprobs asks, likeliest first
  FullLogprobs full;              // in its place, for kFullVocabulary
};

// What the tokens before it made of a prompt's token.
struct PromptTokenOutput {
  int32_t position = 0;  // from 1
  float logprob = 0;
  std::vector<TokenLogprob> top;  // as SamplingParams.prompt_logprobs asks, likeliest first
  FullLogprobs full;              // in its place, for kFullVocabulary
};

struct RequestFinish {
  FinishReason reason = FinishReason::kStop;
  // OK unless reason is kError: RESOURCE_EXHAUSTED (queue full: try later), INVALID_ARGUMENT (does
  // not fit the context), DEADLINE_EXCEEDED (its timeout), UNAVAILABLE (a worker was lost, or the
  // coordinator stops). Where a field of the request is at fault, FieldOf (base/field_error.h)
  // names it: prompt, max_tokens, n, timeout, logprobs, prompt_logprobs.
  absl::Status status;
  int32_t num_prompt_tokens = 0;
  int32_t num_generated_tokens = 0;
  int32_t num_cached_tokens = 0;  // of the prompt, found in the prefix cache
};

// Receives one request's answer. Called on the loop thread only: never blocks, never throws, never
// calls back into the Engine.
class RequestListener {
 public:
  virtual ~RequestListener() = default;
  // The request was taken into the queue; not called when it is refused.
  virtual void OnAdmitted() = 0;
  // A plan with its first work has left; again after a preemption.
  virtual void OnStarted() {}
  // The prompt is computed but for what the prefix cache had of it; before the first token.
  virtual void OnPromptDone(int32_t /*num_cached_tokens*/) {}
  // For a request that asks for them, in order of positions, all before its first token.
  virtual void OnPromptToken(const PromptTokenOutput& /*output*/) {}
  virtual void OnToken(const TokenOutput& output) = 0;
  // Exactly once and last, also after Cancel.
  virtual void OnFinish(const RequestFinish& finish) = 0;
};

// The coordinator as its gateway sees it. Thread-safe.
class Engine {
 public:
  virtual ~Engine() = default;

  // Queues the request. RESOURCE_EXHAUSTED at once when the event queue is full, UNAVAILABLE when
  // the cluster does not serve (gathering, loading, draining, failed); then the listener is never
  // called. Any other answer comes through the listener.
  virtual absl::Status Submit(NewRequest request, std::shared_ptr<RequestListener> listener) = 0;

  // Ends a request, and takes back that more follow it: its blocks are free within a step. No
  // effect on an id that is finished or unknown. Never refused.
  virtual void Cancel(RequestId id) = 0;

  // The same for one whose answer is whole: those that follow it may still come.
  virtual void Stop(RequestId id) = 0;

  // A snapshot of the cluster.
  virtual v1::StatusResponse Status() const = 0;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_EVENTS_H_
