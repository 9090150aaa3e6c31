#include "coordinator/gateway/answer_sinks.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/check.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/http_router.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {

class Answer::Sink final : public CompletionSink {
 public:
  Sink(std::shared_ptr<Answer> answer, int index) : answer_(std::move(answer)), index_(index) {}
  void OnDelta(CompletionDelta delta) override { answer_->OnDelta(index_, std::move(delta)); }
  void OnEnd(const CompletionEnd& end) override { answer_->OnEnd(index_, end); }

 private:
  const std::shared_ptr<Answer> answer_;
  const int index_;
};

Answer::Answer(AnswerHead head, AnswerShape shape, std::shared_ptr<HttpReply> reply,
               GatewayMetrics& metrics)
    : head_(std::move(head)),
      shape_(shape),
      reply_(std::move(reply)),
      metrics_(metrics),
      choices_(shape.num_completions()),
      num_open_(shape.num_completions()) {
  SY_CHECK_EQ(std::ssize(head_.prompts), shape.num_prompts);
  SY_CHECK_GE(shape.best_of, shape.n);
  for (int i = 0; i < num_open_; ++i) {
    choices_[i].piece = {.index = i, .prompt_index = i / shape.best_of, .first = true};
  }
}

std::shared_ptr<CompletionSink> Answer::SinkOf(int index) {
  return std::make_shared<Sink>(shared_from_this(), index);
}

void Answer::Add(const std::shared_ptr<Completion>& completion) {
  {
    std::lock_guard lock(completions_mutex_);
    completions_.push_back(completion);
  }
  if (over_) completion->Cancel();
}

void Answer::OnDelta(int index, CompletionDelta delta) {
  std::lock_guard lock(mutex_);
  if (over_) return;
  Choice& choice = choices_[index];
  for (const core::TokenOutput& output : delta.tokens) choice.logprob += output.logprob;
  choice.num_tokens += static_cast<int32_t>(delta.tokens.size());
  ChoicePiece& piece = choice.piece;
  if (delta.last_ends) {
    piece.end_token = delta.tokens.back().token;
    delta.tokens.pop_back();
  }
  piece.text += delta.text;
  piece.reasoning += delta.reasoning;
  for (text::ToolCall& call : delta.calls) {
    if (!call.name.empty()) {
      piece.calls.push_back(MakeToolCallPiece(choice.num_calls++, std::move(call)));
    } else if (!piece.calls.empty()) {
      piece.calls.back().call.arguments += call.arguments;
    } else {  // its beginning was sent
      piece.calls.push_back({.index = choice.num_calls - 1, .call = std::move(call)});
    }
  }
  std::move(delta.tokens.begin(), delta.tokens.end(), std::back_inserter(piece.tokens));
  std::move(delta.prompt.begin(), delta.prompt.end(), std::back_inserter(piece.prompt));
  TakeDelta(choice);
}

void Answer::OnEnd(int index, const CompletionEnd& end) {
  if (!end.status.ok()) return Fail(end.status);
  std::lock_guard lock(mutex_);
  if (over_) return;
  Choice& choice = choices_[index];
  choice.ended = true;
  choice.end = {.reason = end.reason, .called_tools = end.called_tools};
  if (index % shape_.best_of == 0) {
    usage_.prompt_tokens += end.num_prompt_tokens;
    usage_.cached_tokens += end.num_cached_tokens;
  }
  usage_.completion_tokens += end.num_completion_tokens;
  usage_.reasoning_tokens += end.num_reasoning_tokens;
  TakeEnd(choice);
  if (--num_open_ > 0) return;
  over_ = true;
  Finish();
}

void Answer::KeepBest() {
  if (shape_.n == shape_.best_of) return;
  const auto mean = [](const Choice& choice) {
    return choice.num_tokens == 0 ? 0 : choice.logprob / choice.num_tokens;
  };
  std::vector<core::PromptTokenOutput> prompt;
  if (shape_.prompt_once) prompt = std::move(choices_.front().piece.prompt);
  std::vector<Choice> best;
  for (auto of_prompt = choices_.begin(); of_prompt != choices_.end();
       of_prompt += shape_.best_of) {
    std::stable_sort(of_prompt, of_prompt + shape_.best_of,
                     [&](const Choice& a, const Choice& b) { return mean(a) > mean(b); });
    std::move(of_prompt, of_prompt + shape_.n, std::back_inserter(best));
  }
  choices_ = std::move(best);
  if (shape_.prompt_once) choices_.front().piece.prompt = std::move(prompt);
  for (int i = 0; i < std::ssize(choices_); ++i) choices_[i].piece.index = i;
}

void Answer::Fail(const absl::Status& status) {
  std::unique_lock lock(mutex_);
  if (over_.exchange(true)) return;
  WriteError(status);
  lock.unlock();
  CancelCompletions();
}

void Answer::Cancel() {
  over_ = true;
  CancelCompletions();
}

// Nobody adds a completion unseen any more: Add looks at over_.
void Answer::CancelCompletions() {
  std::unique_lock lock(completions_mutex_);
  const std::vector<std::weak_ptr<Completion>> completions = completions_;
  lock.unlock();
  for (const std::weak_ptr<Completion>& weak : completions) {
    if (const auto completion = weak.lock()) completion->Cancel();
  }
}

namespace {

class WholeAnswer final : public Answer {
 public:
  WholeAnswer(AnswerHead head, AnswerShape shape, std::shared_ptr<HttpReply> reply,
              GatewayMetrics& metrics)
      : Answer(std::move(head), shape, std::move(reply), metrics) {}

 private:
  void TakeDelta(Choice&) override {}
  void TakeEnd(Choice&) override {}
  void Finish() override {
    KeepBest();
    std::vector<ChoicePiece> pieces;
    std::vector<ChoiceEnd> ends;
    for (Choice& choice : choices_) {
      pieces.push_back(std::move(choice.piece));
      ends.push_back(choice.end);
    }
    SendAnswer(metrics_, RouteName(head_.endpoint), *reply_,
               {.body = FullAnswer(head_, pieces, ends, usage_)});
  }
  void WriteError(const absl::Status& status) override {
    SendAnswer(metrics_, RouteName(head_.endpoint), *reply_, ErrorResponse(status));
  }
};

// The head waits for the first token, so that a request which fails before it gets a true HTTP
// status.
class StreamedAnswer final : public Answer {
 public:
  StreamedAnswer(AnswerHead head, AnswerShape shape, std::shared_ptr<HttpReply> reply,
                 GatewayMetrics& metrics)
      : Answer(std::move(head), shape, std::move(reply), metrics), writer_(reply_) {}

 private:
  void TakeDelta(Choice& choice) override {
    Begin(choice);
    ChoicePiece& piece = choice.piece;
    const bool has_logprobs = head_.logprobs && !piece.tokens.empty();
    const bool shows_prompt = head_.prompts[piece.prompt_index].echo || head_.prompt_logprobs;
    const bool has_prompt = piece.first && shows_prompt;
    if (piece.has_text() || has_logprobs || has_prompt) {
      std::string event(kSseData);
      AppendTextChunk(head_, piece, &event);
      writer_.TextEvent(std::move(event));
      piece.first = false;
      piece.text.clear();
      piece.reasoning.clear();
      piece.calls.clear();
      piece.prompt.clear();
    }
    piece.tokens.clear();
  }
  void TakeEnd(Choice& choice) override {
    Begin(choice);
    writer_.Event(FinishChunk(head_, choice.piece.index, choice.end));
  }
  void Finish() override {
    if (head_.usage_chunk) writer_.Event(UsageChunk(head_, usage_));
    writer_.Done();
  }
  void WriteError(const absl::Status& status) override {
    if (!writer_.started()) {
      return SendAnswer(metrics_, RouteName(head_.endpoint), *reply_, ErrorResponse(status));
    }
    writer_.Event(ErrorObject(status));
    writer_.End();
  }
  void Begin(Choice& choice) {
    if (!std::exchange(begun_, true)) metrics_.CountResponse(RouteName(head_.endpoint), 200);
    if (begun_choices_.size() < choices_.size()) begun_choices_.resize(choices_.size(), false);
    if (begun_choices_[choice.piece.index]) return;
    begun_choices_[choice.piece.index] = true;
    if (head_.endpoint == Endpoint::kChat) writer_.Event(RoleChunk(head_, choice.piece.index));
  }

  SseWriter writer_;
  bool begun_ = false;
  std::vector<bool> begun_choices_;
};

}  // namespace

std::shared_ptr<Answer> MakeAnswer(AnswerHead head, AnswerShape shape, bool stream,
                                   std::shared_ptr<HttpReply> reply, GatewayMetrics& metrics) {
  if (!stream) {
    return std::make_shared<WholeAnswer>(std::move(head), shape, std::move(reply), metrics);
  }
  SY_CHECK_EQ(shape.best_of, shape.n);
  return std::make_shared<StreamedAnswer>(std::move(head), shape, std::move(reply), metrics);
}

const char* RouteName(Endpoint endpoint) {
  return endpoint == Endpoint::kChat ? "/v1/chat/completions" : "/v1/completions";
}

}  // namespace switchyard::gateway
