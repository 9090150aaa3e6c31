// OpenAI's requests as checked, typed data: everything that a body can get wrong is found here and
// named.
//
// Unknown fields are ignored, as OpenAI does it, and the answer's head names them. A field that is
// known and not supported is refused unless it asks for what happens anyway. So nothing a client
// asked for is dropped in silence.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_TYPES_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_TYPES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/chat_options.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/sampling_fields.h"
#include "coordinator/gateway/scheduling_fields.h"

namespace switchyard::gateway {

// Log probabilities: unset, none; else how many of the likeliest tokens stand beside each token, or
// core::kFullVocabulary. What the server lets a request ask for is less (ServedModel).
struct LogprobFields {
  static constexpr int32_t kMax = 128;
  std::string answer_field = "logprobs";  // what the request calls `answer`: for errors
  std::optional<int32_t> answer;
  std::optional<int32_t> prompt;
};

// What both endpoints, and the gRPC service, ask of a generation. Unset: the model's default.
struct GenerationFields {
  static constexpr int32_t kMaxAnswers = 128;  // of one request, to all its prompts together

  std::string model;                            // empty: the one that is served
  std::string prompt_field = "prompt";          // what the request calls its prompt: for errors
  std::string max_tokens_field = "max_tokens";  // likewise
  bool begins_turn = false;                     // of the model in a chat: thoughts may come first
  std::optional<int32_t> max_tokens;  // unset: what the context leaves; 0 with `echo` alone
  SamplingFields sampling;
  SchedulingFields scheduling;
  std::shared_ptr<const v1::Grammar> grammar;  // what the answer must look like; null: anything
  std::vector<std::string> stop;
  bool include_stop = false;  // the stop text that ends an answer is part of it
  bool skip_special = true;   // false: special tokens within an answer are text
  LogprobFields logprobs;
  int32_t n = 1;        // answers
  int32_t best_of = 1;  // at least n: so many are generated, the likeliest n are given
  bool echo = false;    // text completions: the prompt's text comes first
};

// How an HTTP answer is delivered.
struct StreamFields {
  bool stream = false;
  bool include_usage = false;  // a last chunk with the usage
};

struct ChatFields {
  // Far more than fits a context, and few enough that no template takes long over them.
  static constexpr size_t kMaxMessages = 16384;
  static constexpr size_t kMaxParts = 16384;     // of a message's content
  static constexpr size_t kMaxToolCalls = 4096;  // of a message
  static constexpr size_t kMaxTools = 2048;
  static constexpr size_t kMaxTemplateKwargs = 64;

  // An array. Each content is a string, or null where tool calls stand for it; no other member is
  // null, and `tool_calls` are not empty.
  Json messages;
  Json tools;            // an array, or null: none
  Json template_kwargs;  // an object, may be empty
  // What the request calls reasoning_effort, if it gives one; the field by which it asks for no
  // thoughts, if it does.
  std::string effort_field;
  std::string no_thoughts_field;
  // The prompt ends with the beginning of an answer, or (never both) within the last message, which
  // the answer goes on with.
  bool add_generation_prompt = true;
  bool continue_final_message = false;
};

struct ChatCompletionRequest {
  GenerationFields generation;
  StreamFields delivery;
  ChatFields chat;
  ChatOptions options;
  std::vector<std::string> unknown_fields;  // RequestFields::Unread of the body
};

using TextPrompt = std::variant<std::string, std::vector<int32_t>>;  // a text, or token ids

struct CompletionRequest {
  GenerationFields generation;
  StreamFields delivery;
  std::vector<TextPrompt> prompts;  // at least one, each answered as if it were alone
  std::vector<std::string> unknown_fields;
};

// All errors are INVALID_ARGUMENT, with a param where one field is at fault.
absl::StatusOr<ChatCompletionRequest> ParseChatCompletionRequest(std::string_view body);
// The same, of a body that is parsed; leaves `unknown_fields` to the caller, who may have read
// fields of its own.
absl::StatusOr<ChatCompletionRequest> ReadChatCompletionRequest(const RequestFields& fields);
// Only what makes a chat's prompt.
absl::StatusOr<ChatFields> ParseChatFields(const RequestFields& request);
absl::StatusOr<CompletionRequest> ParseCompletionRequest(std::string_view body);
// The same, of a body that is parsed.
absl::StatusOr<CompletionRequest> ReadCompletionRequest(const RequestFields& fields);

// What the parsers above have checked.
absl::Status CheckGeneration(const GenerationFields& fields);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_TYPES_H_
