#include "coordinator/gateway/generate_answer.h"

#include <cmath>
#include <utility>
#include <vector>

#include "coordinator/gateway/openai_logprobs.h"

namespace switchyard::gateway {
namespace {

v1::ScoredToken ToScored(const core::TokenOutput& token) {
  v1::ScoredToken scored;
  scored.set_token(token.token);
  if (!std::isnan(token.logprob)) scored.set_logprob(token.logprob);
  if (token.full) scored.mutable_full_logprobs()->Add(token.full->begin(), token.full->end());
  for (const core::TokenLogprob& likely : token.top) {
    v1::LikelyToken* to = scored.add_top();
    to->set_token(likely.token);
    to->set_logprob(likely.logprob);
  }
  return scored;
}

v1::FinishReason ToReason(const ChoiceEnd& end) {
  if (end.reason == core::FinishReason::kLength) return v1::FINISH_REASON_LENGTH;
  return end.called_tools ? v1::FINISH_REASON_TOOL_CALLS : v1::FINISH_REASON_STOP;
}

void AddPrompt(const AnswerHead& head, const ChoicePiece& piece, v1::GenerateResponse* response) {
  const ShownPrompt& prompt = head.prompts[piece.prompt_index];
  if (prompt.echo) response->set_text(*prompt.echo);
  const auto add = [&](int32_t num_top, auto* scored) {
    for (const core::TokenOutput& token : EchoedTokens(prompt.tokens, piece.prompt, num_top)) {
      *scored->Add() = ToScored(token);
    }
  };
  if (prompt.echo && head.logprobs) add(*head.logprobs, response->mutable_logprobs());
  if (head.prompt_logprobs) add(*head.prompt_logprobs, response->mutable_prompt_logprobs());
}

// What the piece holds; it is empty then.
v1::GenerateResponse TakePiece(const AnswerHead& head, ChoicePiece& piece) {
  v1::GenerateResponse response;
  response.set_index(piece.index);
  if (piece.first) AddPrompt(head, piece, &response);
  response.mutable_text()->append(piece.text);
  response.set_reasoning(std::move(piece.reasoning));
  for (ToolCallPiece& call : piece.calls) {
    v1::ToolCallPiece* to = response.add_tool_calls();
    to->set_index(call.index);
    to->set_id(std::move(call.id));
    to->set_name(std::move(call.call.name));
    to->set_arguments(std::move(call.call.arguments));
  }
  for (const core::TokenOutput& token : piece.tokens) {
    response.add_tokens(token.token);
    if (head.logprobs) *response.add_logprobs() = ToScored(token);
  }
  if (piece.end_token) response.add_tokens(*piece.end_token);
  piece = {.index = piece.index, .prompt_index = piece.prompt_index};
  return response;
}

class GenerateAnswer final : public Answer {
 public:
  GenerateAnswer(AnswerHead head, AnswerShape shape, std::shared_ptr<GenerateStream> stream,
                 GatewayMetrics& metrics)
      : Answer(std::move(head), shape, /*reply=*/nullptr, metrics), stream_(std::move(stream)) {}

 private:
  bool chooses() const { return shape_.best_of > shape_.n; }

  void TakeDelta(Choice& choice) override {
    if (!chooses()) stream_->Push(PushExcess(TakePiece(head_, choice.piece)));
  }
  void TakeEnd(Choice& choice) override {
    if (chooses()) return;
    v1::GenerateResponse response = TakeLast(choice);
    // The call's last message has the usage, too.
    if (++num_ended_ == shape_.num_completions()) {
      last_ = std::move(response);
    } else {
      stream_->Push(std::move(response));
    }
  }
  void Finish() override {
    if (chooses()) {
      KeepBest();
      for (size_t i = 0; i + 1 < choices_.size(); ++i) stream_->Push(TakeLast(choices_[i]));
      last_ = TakeLast(choices_.back());
    }
    last_.mutable_usage()->set_prompt_tokens(usage_.prompt_tokens);
    last_.mutable_usage()->set_completion_tokens(usage_.completion_tokens);
    last_.mutable_usage()->set_cached_tokens(usage_.cached_tokens);
    last_.mutable_usage()->set_reasoning_tokens(usage_.reasoning_tokens);
    stream_->Push(std::move(last_));
    stream_->End(absl::OkStatus());
  }
  void WriteError(const absl::Status& status) override { stream_->End(status); }

  v1::GenerateResponse TakeLast(Choice& choice) {
    v1::GenerateResponse response = PushExcess(TakePiece(head_, choice.piece));
    response.set_finish_reason(ToReason(choice.end));
    return response;
  }

  // What is too much for one message goes ahead; returns the rest.
  v1::GenerateResponse PushExcess(v1::GenerateResponse response) {
    if (response.ByteSizeLong() <= kMostMessageBytes) return response;
    constexpr size_t kOverhead = 16;  // of a token within a message, and of the message itself
    v1::GenerateResponse part;
    size_t part_bytes = kOverhead;
    const auto move = [&](auto* from, auto add_to_part) {
      for (v1::ScoredToken& token : *from) {
        const size_t num_bytes = token.ByteSizeLong() + kOverhead;
        if (part_bytes > kOverhead && part_bytes + num_bytes > kMostMessageBytes) {
          part.set_index(response.index());
          stream_->Push(std::exchange(part, {}));
          part_bytes = kOverhead;
        }
        part_bytes += num_bytes;
        *add_to_part() = std::move(token);
      }
      from->Clear();
    };
    move(response.mutable_prompt_logprobs(), [&] { return part.add_prompt_logprobs(); });
    move(response.mutable_logprobs(), [&] { return part.add_logprobs(); });
    part.MergeFrom(response);
    return part;
  }

  const std::shared_ptr<GenerateStream> stream_;
  int num_ended_ = 0;
  v1::GenerateResponse last_;
};

}  // namespace

std::shared_ptr<Answer> MakeGenerateAnswer(AnswerHead head, AnswerShape shape,
                                           std::shared_ptr<GenerateStream> stream,
                                           GatewayMetrics& metrics) {
  return std::make_shared<GenerateAnswer>(std::move(head), shape, std::move(stream), metrics);
}

}  // namespace switchyard::gateway
