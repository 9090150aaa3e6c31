#include "coordinator/gateway/openai_responses.h"

#include <fmt/format.h>

#include <ctime>
#include <utility>

#include "coordinator/gateway/request_builder.h"

namespace switchyard::gateway {
namespace {

const char* FinishReasonName(const CompletionEnd& end) {
  return end.reason == core::FinishReason::kLength ? "length" : "stop";
}

Json UsageObject(const CompletionEnd& end) {
  return {{"prompt_tokens", end.num_prompt_tokens},
          {"completion_tokens", end.num_completion_tokens},
          {"total_tokens", end.num_prompt_tokens + end.num_completion_tokens}};
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

// `finish_reason` is a string or null.
Json Chunk(const AnswerHead& head, const char* content_key, Json content, Json finish_reason) {
  Json choice = {{"index", 0},
                 {content_key, std::move(content)},
                 {"logprobs", nullptr},
                 {"finish_reason", std::move(finish_reason)}};
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
          .model = model.name};
}

Json FullAnswer(const AnswerHead& head, std::string_view text, const CompletionEnd& end) {
  const bool chat = head.endpoint == Endpoint::kChat;
  Json choice = {{"index", 0}};
  if (chat) {
    choice["message"] = {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}};
  } else {
    choice["text"] = text;
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = FinishReasonName(end);
  Json answer = Envelope(head, chat ? "chat.completion" : "text_completion",
                         Json::array({std::move(choice)}));
  answer["usage"] = UsageObject(end);
  return answer;
}

Json RoleChunk(const AnswerHead& head) {
  return Chunk(head, "delta", {{"role", "assistant"}, {"content", ""}}, nullptr);
}

Json TextChunk(const AnswerHead& head, std::string_view text) {
  if (head.endpoint == Endpoint::kCompletion) return Chunk(head, "text", text, nullptr);
  return Chunk(head, "delta", {{"content", text}}, nullptr);
}

Json FinishChunk(const AnswerHead& head, const CompletionEnd& end) {
  if (head.endpoint == Endpoint::kCompletion) return Chunk(head, "text", "", FinishReasonName(end));
  return Chunk(head, "delta", Json::object(), FinishReasonName(end));
}

Json UsageChunk(const AnswerHead& head, const CompletionEnd& end) {
  Json chunk = Envelope(head, ChunkName(head), Json::array());
  chunk["usage"] = UsageObject(end);
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
