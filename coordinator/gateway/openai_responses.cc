#include "coordinator/gateway/openai_responses.h"

#include <ctime>
#include <utility>

#include "coordinator/gateway/json_text.h"
#include "coordinator/gateway/openai_logprobs.h"
#include "coordinator/gateway/random_id.h"

namespace switchyard::gateway {
namespace {

const char* FinishReasonName(const ChoiceEnd& end) {
  if (end.reason == core::FinishReason::kLength) return "length";
  return end.called_tools ? "tool_calls" : "stop";
}

Json UsageObject(const AnswerHead& head, const Usage& usage) {
  Json object = {{"prompt_tokens", usage.prompt_tokens},
                 {"completion_tokens", usage.completion_tokens},
                 {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
                 {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
  if (head.endpoint == Endpoint::kChat) {
    object["completion_tokens_details"] = {{"reasoning_tokens", usage.reasoning_tokens}};
  }
  return object;
}

Json ToolCalls(const ChoicePiece& piece, bool with_index) {
  Json calls = Json::array();
  for (const ToolCallPiece& made : piece.calls) {
    Json call = Json::object();
    if (with_index) call["index"] = made.index;
    if (!made.id.empty()) {
      call["id"] = made.id;
      call["type"] = "function";
      call["function"]["name"] = made.call.name;
    }
    call["function"]["arguments"] = made.call.arguments;
    calls.push_back(std::move(call));
  }
  return calls;
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

const ShownPrompt& PromptOf(const AnswerHead& head, const ChoicePiece& piece) {
  return head.prompts[piece.prompt_index];
}

// The text of a piece, an echoed prompt before it.
std::string TextOf(const AnswerHead& head, const ChoicePiece& piece) {
  const std::optional<std::string>& echo = PromptOf(head, piece).echo;
  return piece.first && echo ? *echo + piece.text : piece.text;
}

// A chat's whole message. Where the answer is all calls, its content is null, as OpenAI has it.
Json Message(const ChoicePiece& piece) {
  Json message = {{"role", "assistant"}, {"content", piece.text}, {"refusal", nullptr}};
  if (!piece.reasoning.empty()) message["reasoning_content"] = piece.reasoning;
  if (piece.calls.empty()) return message;
  if (piece.text.empty()) message["content"] = nullptr;
  message["tool_calls"] = ToolCalls(piece, /*with_index=*/false);
  return message;
}

// What a chunk adds to a chat's message.
Json Delta(const ChoicePiece& piece) {
  Json delta = Json::object();
  if (!piece.reasoning.empty()) delta["reasoning_content"] = piece.reasoning;
  if (!piece.text.empty() || !piece.has_text()) delta["content"] = piece.text;
  if (!piece.calls.empty()) delta["tool_calls"] = ToolCalls(piece, /*with_index=*/true);
  return delta;
}

// null unless they were asked for.
void AppendLogprobs(const AnswerHead& head, ChoicePiece& piece, std::string* out) {
  if (!head.logprobs) return AppendJson(nullptr, out);
  if (head.endpoint == Endpoint::kChat) {
    return AppendChatLogprobs(*head.tokenizer, piece.tokens, out);
  }
  std::vector<core::TokenOutput> tokens;
  const ShownPrompt& prompt = PromptOf(head, piece);
  if (piece.first && prompt.echo) {
    tokens = EchoedTokens(prompt.tokens, piece.prompt, *head.logprobs);
  }
  tokens.insert(tokens.end(), piece.tokens.begin(), piece.tokens.end());
  AppendCompletionLogprobs(*head.tokenizer, tokens, head.skip_special, &piece.text_offset, out);
}

// As vLLM has them: a completion's stand in each choice, a chat has one prompt, and its own stand
// beside the choices.
void AddPromptLogprobs(const AnswerHead& head, const ChoicePiece& piece, JsonText* object) {
  if (!head.prompt_logprobs || !piece.first) return;
  AppendPromptLogprobs(*head.tokenizer, PromptOf(head, piece).tokens, piece.prompt,
                       *head.prompt_logprobs, object->Member("prompt_logprobs"));
}

// A piece of a choice, or all of it. `finish_reason` is a string or null.
void AppendChoice(const AnswerHead& head, ChoicePiece& piece, const char* content_key,
                  const Json& content, const Json& finish_reason, std::string* out) {
  JsonText choice = JsonText::Object(out);
  AppendJson(piece.index, choice.Member("index"));
  AppendJson(content, choice.Member(content_key));
  AppendLogprobs(head, piece, choice.Member("logprobs"));
  AppendJson(finish_reason, choice.Member("finish_reason"));
  if (head.endpoint == Endpoint::kCompletion) AddPromptLogprobs(head, piece, &choice);
}

// Of an object that is text; its choices come next.
void AddEnvelope(const AnswerHead& head, const char* object, JsonText* to) {
  AppendJson(head.id, to->Member("id"));
  AppendJson(object, to->Member("object"));
  AppendJson(head.created_unix_s, to->Member("created"));
  AppendJson(head.model, to->Member("model"));
}

// A choice of which no token is shown. `finish_reason` is a string or null.
Json Choice(int index, const char* content_key, Json content, Json finish_reason) {
  return {{"index", index},
          {content_key, std::move(content)},
          {"logprobs", nullptr},
          {"finish_reason", std::move(finish_reason)}};
}

// What the log probabilities of whole vocabularies take of a piece's text: growing while they are
// written would take as much again.
size_t BytesOfFull(const AnswerHead& head, const ChoicePiece& piece) {
  const auto count = [](const auto& outputs) {
    size_t num_logprobs = 0;
    for (const auto& output : outputs) num_logprobs += output.full ? output.full->size() : 0;
    return num_logprobs;
  };
  const bool echoes = head.logprobs == core::kFullVocabulary && PromptOf(head, piece).echo;
  const bool shows_prompt = head.prompt_logprobs == core::kFullVocabulary;
  const size_t times = (echoes ? 1 : 0) + (shows_prompt ? 1 : 0);
  return (count(piece.tokens) + times * count(piece.prompt)) * kJsonBytesPerLogprob;
}

Json Chunk(const AnswerHead& head, Json choice) {
  Json chunk = Envelope(head, ChunkName(head), Json::array({std::move(choice)}));
  if (head.usage_chunk) chunk["usage"] = nullptr;
  return chunk;
}

}  // namespace

AnswerHead MakeAnswerHead(Endpoint endpoint, const ServedModel& model) {
  return {.endpoint = endpoint,
          .id = RandomName(endpoint == Endpoint::kChat ? "chatcmpl" : "cmpl", '-'),
          .created_unix_s = std::time(nullptr),
          .model = model.name,
          .tokenizer = model.tokenizer};
}

ToolCallPiece MakeToolCallPiece(int index, text::ToolCall call) {
  return {.index = index, .id = RandomName("call"), .call = std::move(call)};
}

std::string FullAnswer(const AnswerHead& head, std::span<ChoicePiece> choices,
                       std::span<const ChoiceEnd> ends, const Usage& usage) {
  const bool chat = head.endpoint == Endpoint::kChat;
  std::string text;
  text.reserve(static_cast<size_t>(head.lease.num_bytes));  // growing would take as much again
  {
    JsonText answer = JsonText::Object(&text);
    AddEnvelope(head, chat ? "chat.completion" : "text_completion", &answer);
    {
      JsonText list = JsonText::List(answer.Member("choices"));
      for (size_t i = 0; i < choices.size(); ++i) {
        ChoicePiece& piece = choices[i];
        AppendChoice(head, piece, chat ? "message" : "text",
                     chat ? Message(piece) : Json(TextOf(head, piece)), FinishReasonName(ends[i]),
                     list.Item());
      }
    }
    if (chat) AddPromptLogprobs(head, choices.front(), &answer);
    AppendJson(UsageObject(head, usage), answer.Member("usage"));
  }
  return text;
}

Json RoleChunk(const AnswerHead& head, int index) {
  return Chunk(head, Choice(index, "delta", {{"role", "assistant"}, {"content", ""}}, nullptr));
}

void AppendTextChunk(const AnswerHead& head, ChoicePiece& piece, std::string* out) {
  const bool chat = head.endpoint == Endpoint::kChat;
  out->reserve(out->size() + BytesOfFull(head, piece));
  JsonText chunk = JsonText::Object(out);
  AddEnvelope(head, ChunkName(head), &chunk);
  {
    JsonText list = JsonText::List(chunk.Member("choices"));
    AppendChoice(head, piece, chat ? "delta" : "text",
                 chat ? Delta(piece) : Json(TextOf(head, piece)), nullptr, list.Item());
  }
  if (head.usage_chunk) AppendJson(nullptr, chunk.Member("usage"));
  if (chat && piece.index == 0) AddPromptLogprobs(head, piece, &chunk);
}

Json FinishChunk(const AnswerHead& head, int index, const ChoiceEnd& end) {
  const bool chat = head.endpoint == Endpoint::kChat;
  return Chunk(head, Choice(index, chat ? "delta" : "text", chat ? Json::object() : Json(""),
                            FinishReasonName(end)));
}

Json UsageChunk(const AnswerHead& head, const Usage& usage) {
  Json chunk = Envelope(head, ChunkName(head), Json::array());
  chunk["usage"] = UsageObject(head, usage);
  return chunk;
}

Json ModelObject(const ServedModel& model, int32_t context_length) {
  return {{"id", model.name},
          {"object", "model"},
          {"created", model.created_unix_s},
          {"owned_by", "switchyard"},
          {"max_model_len", context_length},
          {"weights", model.weights}};
}

Json ModelList(const ServedModel& model, int32_t context_length) {
  return {{"object", "list"}, {"data", Json::array({ModelObject(model, context_length)})}};
}

}  // namespace switchyard::gateway
