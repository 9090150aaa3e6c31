// OpenAI's answers as JSON: shapes only. Chat and text completions differ in object names and in
// where the text stands.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_RESPONSES_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_RESPONSES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "coordinator/core/events.h"
#include "coordinator/gateway/logprob_memory.h"
#include "coordinator/gateway/served_model.h"
#include "coordinator/text/tool_call_parser.h"

namespace switchyard::gateway {

enum class Endpoint { kChat, kCompletion };

// A prompt, as far as its choices show it.
struct ShownPrompt {
  std::optional<std::string> echo;  // its text, where that comes first
  std::vector<int32_t> tokens;      // where their log probabilities are given; else empty
};

// What all messages of one reply share.
struct AnswerHead {
  Endpoint endpoint = Endpoint::kChat;
  std::string id;  // "chatcmpl-..." or "cmpl-..."
  int64_t created_unix_s = 0;
  std::string model;
  bool usage_chunk =
      false;  // streaming: a usage chunk will follow, so that every other chunk says "usage": null
  const text::Tokenizer* tokenizer = nullptr;
  // What the choices hold beside their text.
  // So many of the likeliest beside each token, or core::kFullVocabulary; unset: none.
  std::optional<int32_t> logprobs;
  std::optional<int32_t> prompt_logprobs;   // likewise
  bool skip_special = true;                 // special tokens have no text
  std::vector<ShownPrompt> prompts = {{}};  // at least one
  LogprobLease lease;                       // memory that its log probabilities take
};

// A head with a fresh id and the time of now.
AnswerHead MakeAnswerHead(Endpoint endpoint, const ServedModel& model);

// A tool call of a choice, as clients name it when they send the tool's result; or, streamed, more
// arguments of one.
struct ToolCallPiece {
  int index = 0;   // in its choice
  std::string id;  // "call_..."; empty: more of it
  text::ToolCall call;
};

// With a fresh id.
ToolCallPiece MakeToolCallPiece(int index, text::ToolCall call);

// A piece of one choice, or all of it.
struct ChoicePiece {
  int index = 0;
  int prompt_index = 0;     // of the head's prompts
  bool first = false;       // nothing of this choice was written before: an echo comes along
  int64_t text_offset = 0;  // characters before this piece; the writer moves it on
  std::string text;
  std::string reasoning;
  std::vector<ToolCallPiece> calls;
  std::vector<core::TokenOutput> tokens;        // those of the text, thoughts and calls
  std::optional<int32_t> end_token;             // behind them, and no part of the text
  std::vector<core::PromptTokenOutput> prompt;  // with the first piece

  bool has_text() const { return !text.empty() || !reasoning.empty() || !calls.empty(); }
};

struct ChoiceEnd {
  core::FinishReason reason = core::FinishReason::kStop;
  bool called_tools = false;
};

struct Usage {
  int32_t prompt_tokens = 0;      // each prompt's once
  int32_t cached_tokens = 0;      // of these, found in the prefix cache by a prompt's first choice
  int32_t completion_tokens = 0;  // of all choices, those that were not chosen too
  int32_t reasoning_tokens = 0;   // of the completion tokens
};

// The whole reply, as text: each choice with how it ended.
std::string FullAnswer(const AnswerHead& head, std::span<ChoicePiece> choices,
                       std::span<const ChoiceEnd> ends, const Usage& usage);

// Streaming: the first chunk of a chat's choice (role), a piece of text, a choice's end (empty
// delta, finish_reason), the usage.
Json RoleChunk(const AnswerHead& head, int index);
void AppendTextChunk(const AnswerHead& head, ChoicePiece& piece, std::string* out);  // as text
Json FinishChunk(const AnswerHead& head, int index, const ChoiceEnd& end);
Json UsageChunk(const AnswerHead& head, const Usage& usage);

// One entry of /v1/models, and the list.
Json ModelObject(const ServedModel& model, int32_t context_length);
Json ModelList(const ServedModel& model, int32_t context_length);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_RESPONSES_H_
