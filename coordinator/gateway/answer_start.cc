#include "coordinator/gateway/answer_start.h"

#include <functional>
#include <utility>

namespace switchyard::gateway {
namespace {

// The first choice's sink, which lets the others start once its prompt is computed.
class Leader final : public CompletionSink {
 public:
  Leader(std::shared_ptr<CompletionSink> sink, std::function<void()> start_others)
      : sink_(std::move(sink)), start_others_(std::move(start_others)) {}

  void OnDelta(CompletionDelta delta) override {
    StartOthers();
    sink_->OnDelta(std::move(delta));
  }
  void OnEnd(const CompletionEnd& end) override {
    if (end.status.ok()) StartOthers();
    sink_->OnEnd(end);
  }

 private:
  void StartOthers() {
    if (const auto start = std::exchange(start_others_, nullptr)) start();
  }

  const std::shared_ptr<CompletionSink> sink_;
  std::function<void()> start_others_;  // null: they have started
};

// False if it could not start: the answer is over.
bool StartChoice(CompletionContext& context, CompletionSpec spec, int choice,
                 std::shared_ptr<CompletionSink> sink, Answer& answer) {
  spec.sampling.set_choice(choice);
  const auto completion = Completion::Start(context, std::move(spec), std::move(sink));
  if (completion.ok()) {
    answer.Add(*completion);
  } else {
    answer.Fail(completion.status());
  }
  return completion.ok();
}

}  // namespace

void SetLogprobs(const GenerationFields& fields, const CompletionSpec& spec, AnswerHead* head) {
  head->with_logprobs = fields.logprobs.answer.has_value();
  head->with_prompt_logprobs = fields.logprobs.prompt.has_value();
  if (spec.sampling.has_prompt_logprobs()) head->prompt_tokens = spec.prompt_tokens;
}

void StartAnswer(CompletionContext& context, const GenerationFields& fields,
                 const CompletionSpec& spec, const std::shared_ptr<Answer>& answer) {
  // All choices have their place in the queue as soon as the first has, or none.
  CompletionSpec first = spec;
  first.id = ++context.last_id;
  first.num_following = fields.best_of - 1;
  const auto start_others = [&context, num_choices = fields.best_of, spec, answer,
                             follows = first.id] {
    CompletionSpec other = spec;
    other.follows = follows;
    for (int i = 1; i < num_choices; ++i) {
      if (StartChoice(context, other, i, answer->SinkOf(i), *answer)) continue;
      context.engine->Cancel(follows);  // even if it has ended: no more follow
      return;
    }
  };
  // Log probabilities of the prompt need all of it computed each time.
  const bool shares_prompt = fields.best_of > 1 && !spec.sampling.has_prompt_logprobs() &&
                             std::ssize(spec.prompt_tokens) >= kMinSharedPromptTokens;
  std::shared_ptr<CompletionSink> sink = answer->SinkOf(0);
  if (shares_prompt) sink = std::make_shared<Leader>(std::move(sink), start_others);
  if (StartChoice(context, std::move(first), 0, std::move(sink), *answer) && !shares_prompt) {
    start_others();
  }
}

}  // namespace switchyard::gateway
