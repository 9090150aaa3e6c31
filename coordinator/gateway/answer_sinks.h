// From running completions to one reply: here in OpenAI's shape over HTTP, whole or streamed.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_SINKS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_SINKS_H_

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/gateway_metrics.h"
#include "coordinator/gateway/http_message.h"
#include "coordinator/gateway/openai_responses.h"

namespace switchyard::gateway {

// How many completions make an answer. Those of prompt p are `best_of` neighbours, from number
// p * best_of on; its choices are numbered from p * n on.
struct AnswerShape {
  int num_prompts = 1;
  int n = 1;        // choices for each prompt
  int best_of = 1;  // at least n: completions for each prompt, of which the likeliest are chosen
  bool prompt_once = false;  // the first completion alone has its log probabilities

  int num_completions() const { return num_prompts * best_of; }
};

// The reply to one request: `n` choices for each prompt, chosen from as many completions or more.
// Each completion has a sink here, and the sinks keep the answer alive. If one completion fails,
// the reply is an error and the others are cancelled. Thread-safe.
class Answer : public std::enable_shared_from_this<Answer> {
 public:
  virtual ~Answer() = default;

  std::shared_ptr<CompletionSink> SinkOf(int index);
  // The completion that feeds a sink, so that it can be cancelled.
  void Add(const std::shared_ptr<Completion>& completion);
  // Ends the reply with an error, unless it is complete.
  void Fail(const absl::Status& status);
  // The client went away. Does not wait for a text that is being written.
  void Cancel();

 protected:
  // What one completion has given so far.
  struct Choice {
    ChoicePiece piece;
    bool ended = false;
    ChoiceEnd end;
    double logprob = 0;  // the sum over its tokens
    int num_calls = 0;
    int32_t num_tokens = 0;
  };

  Answer(AnswerHead head, AnswerShape shape, std::shared_ptr<HttpReply> reply,
         GatewayMetrics& metrics);

  // Leaves each prompt's n likeliest choices, by the mean of their tokens' log probabilities,
  // numbered anew.
  void KeepBest();

  const AnswerHead head_;
  const AnswerShape shape_;
  const std::shared_ptr<HttpReply> reply_;  // may be null, for answers that do not go there
  GatewayMetrics& metrics_;
  std::vector<Choice> choices_;  // one for each completion
  Usage usage_;

 private:
  class Sink;

  // With the lock held, one call at a time.
  virtual void TakeDelta(Choice& choice) = 0;  // its piece holds what is not written yet
  virtual void TakeEnd(Choice& choice) = 0;
  virtual void Finish() = 0;
  virtual void WriteError(const absl::Status& status) = 0;

  void OnDelta(int index, CompletionDelta delta);
  void OnEnd(int index, const CompletionEnd& end);
  void CancelCompletions();

  std::mutex mutex_;  // held while text is written
  int num_open_;      // guarded by mutex_
  std::atomic<bool> over_{false};
  std::mutex completions_mutex_;                        // never held for long, nor with another one
  std::vector<std::weak_ptr<Completion>> completions_;  // guarded by completions_mutex_
};

// Streamed answers are not chosen: REQUIRES best_of == n there. `head` has as many prompts as
// `shape`. `metrics` outlives the answer.
std::shared_ptr<Answer> MakeAnswer(AnswerHead head, AnswerShape shape, bool stream,
                                   std::shared_ptr<HttpReply> reply, GatewayMetrics& metrics);

// The route's name in metrics.
const char* RouteName(Endpoint endpoint);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_SINKS_H_
