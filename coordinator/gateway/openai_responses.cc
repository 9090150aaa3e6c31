#include "coordinator/gateway/openai_responses.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "coordinator/gateway/openai_logprobs.h"
#include "coordinator/gateway/random_id.h"

namespace switchyard::gateway {
namespace {

const char* FinishReasonName(core::FinishReason reason) {
  return reason == core::FinishReason::kLength ? "length" : "stop";
}

Json UsageObject(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens}};
}

Json Envelope(const AnswerHead& head, const char* object, Json choices) {
  return {{"id", head.id},
          {"object", object},
          {"created", head.created_unix_s},
          {"model", head.model},
          {"choices", std::move(choices)}};
}

const char* ChunkName(const AnswerHead& head) {
  return head.endpoint == Endpoint::kChat ? "chat.completion.chunk" : "text_completion";
}

// The text of a piece, an echoed prompt before it.
std::string TextOf(const AnswerHead& head, const ChoicePiece& piece) {
  return piece.first && head.echo ? *head.echo + piece.text : piece.text;
}

// null unless they were asked for.
Json Logprobs(const AnswerHead& head, ChoicePiece& piece) {
  if (!head.with_logprobs) return nullptr;
  if (head.endpoint == Endpoint::kChat) return ChatLogprobs(*head.tokenizer, piece.tokens);
  std::vector<core::TokenOutput> tokens;
  if (piece.first && head.echo) tokens = EchoedTokens(head.prompt_tokens, piece.prompt);
  tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
  return CompletionLogprobs(*head.tokenizer, tokens, &piece.text_offset);
}

void AddPromptLogprobs(const AnswerHead& head, const ChoicePiece& piece, Json* choice) {
  if (!head.with_prompt_logprobs || !piece.first) return;
  (*choice)["prompt_logprobs"] = PromptLogprobs(*head.tokenizer, head.prompt_tokens, piece.prompt);
}

// `finish_reason` is a string or null.
Json Choice(int index, const char* content_key, Json content, Json logprobs, Json finish_reason) {
  return {{"index", index},
          {content_key, std::move(content)},
          {"logprobs", std::move(logprobs)},
          {"finish_reason", std::move(finish_reason)}};
}

Json Chunk(const AnswerHead& head, Json choice) {
  Json chunk = Envelope(head, ChunkName(head), Json::array({std::move(choice)}));
  if (head.usage_chunk) chunk["usage"] = nullptr;
  return chunk;
}

}  // namespace

AnswerHead MakeAnswerHead(Endpoint endpoint, const ServedModel& model) {
  return {.endpoint = endpoint,
          .id = fmt::format("{}-{:016x}{:016x}", endpoint == Endpoint::kChat ? "chatcmpl" : "cmpl",
                            RandomUint64(), RandomUint64()),
          .created_unix_s = std::time(nullptr),
          .model = model.name,
          .tokenizer = model.tokenizer};
}

Json FullAnswer(const AnswerHead& head, std::span<ChoicePiece> choices,
                std::span<const core::FinishReason> reasons, const Usage& usage) {
  const bool chat = head.endpoint == Endpoint::kChat;
  Json list = Json::array();
  for (size_t i = 0; i < choices.size(); ++i) {
    ChoicePiece& piece = choices[i];
    Json content = TextOf(head, piece);
    if (chat) {
      content = {{"role", "assistant"}, {"content", std::move(content)}, {"refusal", nullptr}};
    }
    Json logprobs = Logprobs(head, piece);
    Json choice = Choice(piece.index, chat ? "message" : "text", std::move(content),
                         std::move(logprobs), FinishReasonName(reasons[i]));
    AddPromptLogprobs(head, piece, &choice);
    list.push_back(std::move(choice));
  }
  Json answer = Envelope(head, chat ? "chat.completion" : "text_completion", std::move(list));
  answer["usage"] = UsageObject(usage);
  return answer;
}

Json RoleChunk(const AnswerHead& head, int index) {
  return Chunk(head,
               Choice(index, "delta", {{"role", "assistant"}, {"content", ""}}, nullptr, nullptr));
}

Json TextChunk(const AnswerHead& head, ChoicePiece& piece) {
  Json content = TextOf(head, piece);
  const bool chat = head.endpoint == Endpoint::kChat;
  if (chat) content = {{"content", std::move(content)}};
  Json logprobs = Logprobs(head, piece);
  Json choice = Choice(piece.index, chat ? "delta" : "text", std::move(content),
                       std::move(logprobs), nullptr);
  AddPromptLogprobs(head, piece, &choice);
  return Chunk(head, std::move(choice));
}

Json FinishChunk(const AnswerHead& head, int index, core::FinishReason reason) {
  const bool chat = head.endpoint == Endpoint::kChat;
  return Chunk(head, Choice(index, chat ? "delta" : "text", chat ? Json::object() : Json(""),
                            nullptr, FinishReasonName(reason)));
}

Json UsageChunk(const AnswerHead& head, const Usage& usage) {
  Json chunk = Envelope(head, ChunkName(head), Json::array());
  chunk["usage"] = UsageObject(usage);
  return chunk;
}

Json ModelObject(const ServedModel& model, int32_t context_length) {
  return {{"id", model.name},
          {"object", "model"},
          {"created", model.created_unix_s},
          {"owned_by", "switchyard"},
          {"max_model_len", context_length}};
}

Json ModelList(const ServedModel& model, int32_t context_length) {
  return {{"object", "list"}, {"data", Json::array({ModelObject(model, context_length)})}};
}

}  // namespace switchyard::gateway
