// One generation's life, the same for HTTP and gRPC: tokens in, text deltas and one end out.
//
//   loop thread -- OnToken --> inbox -- I/O thread --> AnswerParser -> CompletionSink
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_COMPLETION_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_COMPLETION_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/core/events.h"
#include "coordinator/gateway/executor.h"
#include "coordinator/gateway/gateway_metrics.h"
#include "coordinator/gateway/key_file.h"
#include "coordinator/gateway/logprob_memory.h"
#include "coordinator/gateway/scheduling_fields.h"
#include "coordinator/gateway/served_model.h"
#include "coordinator/text/answer_parser.h"

namespace switchyard::gateway {

// A checked generation, ready for the engine (made by request_builder).
struct CompletionSpec {
  core::RequestId id = 0;  // 0: any fresh one
  std::vector<int32_t> prompt_tokens;
  std::string prompt_field = "prompt";          // where they come from: what errors name
  std::string logprobs_field = "logprobs";      // what asks for the answer's: likewise
  std::string max_tokens_field = "max_tokens";  // what the request calls the next: likewise
  int32_t max_tokens = 0;
  bool is_prompt_only = false;  // the one token of `max_tokens` = 1 is no part of the answer
  v1::SamplingParams sampling;
  SchedulingFields scheduling;
  std::vector<int32_t> stop_token_ids;
  std::shared_ptr<const v1::Grammar> grammar;  // null: none
  text::AnswerForm form;                       // how the answer is read
  int32_t num_following = 0;                   // choices of the same answer that start after it
  core::RequestId follows = 0;                 // the first of them; 0: it is the first
  bool is_slow = false;  // the answer's text takes long to write: others' do not wait for it
};

// What one delta has came in the order of its fields: thoughts, text, calls. What stands otherwise
// in the answer comes in more than one.
struct CompletionDelta {
  // Of the prompt, where its log probabilities are wanted: all come before the first token.
  std::vector<core::PromptTokenOutput> prompt;
  std::string text;  // whole UTF-8; may be empty while a character or a stop text is not decided
  std::string reasoning;                  // thoughts, for models that think; whole UTF-8
  std::vector<text::ToolCall> calls;      // or pieces of calls
  std::vector<core::TokenOutput> tokens;  // all that were sampled, also those without text
  bool last_ends = false;         // the last of them ends the answer and is no part of its text
  int32_t num_cached_tokens = 0;  // of the prompt's, found in the prefix cache
};

struct CompletionEnd {
  absl::Status status;  // not OK: the answer is broken off, `reason` says nothing
  core::FinishReason reason = core::FinishReason::kStop;
  int32_t num_prompt_tokens = 0;
  int32_t num_cached_tokens = 0;  // of the prompt's, found in the prefix cache
  int32_t num_completion_tokens = 0;
  int32_t num_reasoning_tokens = 0;       // of the completion's
  bool called_tools = false;              // it holds a call at least, and no stop text cut it
  std::optional<std::string> stopped_by;  // the stop text that ended it
};

class Completion;

// Where an answer goes. Called on an executor, one call at a time; does not block.
class CompletionSink {
 public:
  virtual ~CompletionSink() = default;
  // The request has its place in the queue; not called when it is refused. Before all others.
  virtual void OnAdmitted(const std::shared_ptr<Completion>& /*completion*/) {}
  virtual void OnDelta(CompletionDelta delta) = 0;
  // Once and last.
  virtual void OnEnd(const CompletionEnd& end) = 0;
};

// What every completion works with; all of it outlives the last completion.
struct CompletionContext {
  const ServedModel* model = nullptr;
  core::Engine* engine = nullptr;
  Executor* executor = nullptr;
  Executor* slow_executor = nullptr;  // of answers whose text takes long to write; null: `executor`
  GatewayMetrics* metrics = nullptr;
  const KeyFile* keys = nullptr;  // where tenants have their weights; null: all have the same
  std::atomic<core::RequestId> last_id{0};
  LogprobMemory logprob_memory;
};

// Held by the engine until its last call, by nobody after it. All public methods are thread-safe;
// those of RequestListener only hand over, so the loop thread never waits for a client. The inbox
// holds at most max_tokens tokens, and as many of the prompt as it has; what whole vocabularies,
// and many likeliest tokens beside a prompt's, take in it was taken from LogprobMemory.
class Completion : public core::RequestListener, public std::enable_shared_from_this<Completion> {
 public:
  // Submits; on error the sink is never called. REQUIRES: the spec passed request_builder.
  static absl::StatusOr<std::shared_ptr<Completion>> Start(CompletionContext& context,
                                                           CompletionSpec spec,
                                                           std::shared_ptr<CompletionSink> sink);

  // The client went away: ends the request, and lets go of the sink without another call once one
  // under way is over.
  void Cancel();

  void OnAdmitted() override;
  void OnStarted() override;
  void OnPromptDone(int32_t num_cached_tokens) override;
  void OnPromptToken(const core::PromptTokenOutput& output) override;
  void OnToken(const core::TokenOutput& output) override;
  void OnFinish(const core::RequestFinish& finish) override;

 private:
  using Clock = std::chrono::steady_clock;
  struct Arrival {
    core::TokenOutput output;
    Clock::time_point at;
  };
  // What one turn on the executor has of it.
  struct Batch {
    bool admitted = false;  // since the last
    bool cancelled = false;
    std::vector<core::PromptTokenOutput> prompt;
    std::deque<Arrival> arrivals;
    std::optional<core::RequestFinish> finish;  // behind the last of the arrivals
  };

  Completion(CompletionContext& context, const CompletionSpec& spec, text::AnswerParser parser,
             std::shared_ptr<CompletionSink> sink);

  // Has Drain run unless it is already under way.
  void Schedule();
  // One turn; while there is more it has another one, behind those that others wait for.
  void Drain();
  // All that has come; of a slow answer one token, so that others' turns come soon.
  Batch TakeBatch();
  void Process(std::vector<core::PromptTokenOutput> prompt, std::deque<Arrival> arrivals);
  // The prompt is scored, which was all.
  void EndWithPrompt(CompletionDelta delta);
  void FinishAnswer(const core::RequestFinish& finish);
  CompletionEnd MakeEnd(core::FinishReason reason);
  void End(const CompletionEnd& end);
  // Once, when the answer is over.
  void ObserveEnd(RequestEnding ending);
  bool EndsAnswer(int32_t token) const;
  // Of a token that ends the answer: whether its text is part of it.
  bool IsShown(int32_t token) const;
  void Observe(const Arrival& arrival);
  // Once, when the request has its place in the queue.
  void ObserveAdmission();

  CompletionContext& context_;
  const bool is_slow_;  // its text takes long to write
  Executor& executor_;
  const core::RequestId id_;
  const int32_t num_prompt_tokens_;
  const std::string prompt_field_;
  const std::string logprobs_field_;
  const std::string max_tokens_field_;
  const int32_t max_tokens_;
  const std::vector<int32_t> stop_token_ids_;
  const bool is_prompt_only_;
  const bool includes_stop_;

  std::mutex mutex_;
  bool admitted_ = false;                              // guarded by mutex_: the sink is to be told
  int32_t num_cached_tokens_ = 0;                      // guarded by mutex_
  std::optional<Clock::time_point> computed_since_;    // guarded by mutex_: first OnStarted
  std::vector<core::PromptTokenOutput> prompt_inbox_;  // guarded by mutex_
  std::deque<Arrival> inbox_;                          // guarded by mutex_
  std::optional<core::RequestFinish> finished_;        // guarded by mutex_
  bool draining_ = false;                              // guarded by mutex_: Drain is posted or runs
  bool cancelled_ = false;                             // guarded by mutex_

  // Only Drain touches what follows, and it never runs twice at a time.
  std::shared_ptr<CompletionSink> sink_;  // null once the answer is over
  text::AnswerParser parser_;
  bool was_admitted_ = false;
  int32_t num_completion_tokens_ = 0;
  const Clock::time_point arrived_at_;
  Clock::time_point first_token_at_;
  Clock::time_point last_token_at_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_COMPLETION_H_
