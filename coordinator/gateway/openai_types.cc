#include "coordinator/gateway/openai_types.h"

#include <array>
#include <utility>

#include "coordinator/core/events.h"
#include "coordinator/gateway/content_text.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/reasoning_effort.h"
#include "coordinator/gateway/structured_fields.h"
#include "coordinator/gateway/unsupported_fields.h"
#include "coordinator/text/chat_template.h"
#include "coordinator/text/stop_matcher.h"

namespace switchyard::gateway {
namespace {

absl::Status ReadStop(const RequestFields& request, std::vector<std::string>* stop) {
  const Json* value = FindField(request, "stop");
  if (value == nullptr) return absl::OkStatus();
  if (value->is_string()) {
    *stop = {value->get<std::string>()};
    return absl::OkStatus();
  }
  if (!value->is_array()) return ParamError("stop", "'stop' must be a string or a list of strings");
  for (const Json& item : *value) {
    if (!item.is_string()) return ParamError("stop", "'stop' must hold strings only");
    stop->push_back(item.get<std::string>());
  }
  return absl::OkStatus();
}

// `max_completion_tokens` is the newer name of `max_tokens`; both may stand there if they agree.
absl::Status ReadMaxTokens(const RequestFields& request, GenerationFields* fields) {
  constexpr const char* kNewer = "max_completion_tokens";
  std::optional<int32_t> newer;
  SY_RETURN_IF_ERROR(ReadInt32(request, "max_tokens", &fields->max_tokens));
  SY_RETURN_IF_ERROR(ReadInt32(request, kNewer, &newer));
  if (newer && fields->max_tokens && *newer != *fields->max_tokens) {
    return ParamError(kNewer, "'max_tokens' and 'max_completion_tokens' contradict each other");
  }
  if (!newer) return absl::OkStatus();
  fields->max_tokens = newer;
  fields->max_tokens_field = kNewer;
  return absl::OkStatus();
}

absl::Status ReadAnswers(const RequestFields& request, GenerationFields* fields) {
  std::optional<int32_t> n, best_of;
  SY_RETURN_IF_ERROR(ReadInt32(request, "n", &n));
  SY_RETURN_IF_ERROR(ReadInt32(request, "best_of", &best_of));
  fields->n = n.value_or(1);
  fields->best_of = best_of.value_or(fields->n);
  return ReadInt32(request, "prompt_logprobs", &fields->logprobs.prompt);
}

// Chat says whether (`logprobs`) and how many (`top_logprobs`), completions say how many.
absl::Status ReadChatLogprobs(const RequestFields& request, LogprobFields* fields) {
  bool wanted = false;
  std::optional<int32_t> top;
  SY_RETURN_IF_ERROR(ReadBool(request, "logprobs", &wanted));
  SY_RETURN_IF_ERROR(ReadInt32(request, "top_logprobs", &top));
  if (top.value_or(0) != 0 && !wanted) {
    return ParamError("top_logprobs", "'top_logprobs' needs 'logprobs' to be true");
  }
  if (wanted) fields->answer = top.value_or(0);
  fields->answer_field = "top_logprobs";
  return absl::OkStatus();
}

absl::Status ReadGeneration(const RequestFields& request, GenerationFields* fields) {
  SY_RETURN_IF_ERROR(ReadString(request, "model", &fields->model));
  SY_RETURN_IF_ERROR(ReadMaxTokens(request, fields));
  SY_RETURN_IF_ERROR(ReadSampling(request, &fields->sampling));
  SY_RETURN_IF_ERROR(ReadScheduling(request, &fields->scheduling));
  SY_ASSIGN_OR_RETURN(fields->grammar, ReadStructure(request));
  SY_RETURN_IF_ERROR(ReadStop(request, &fields->stop));
  SY_RETURN_IF_ERROR(ReadBool(request, "include_stop_str_in_output", &fields->include_stop));
  SY_RETURN_IF_ERROR(ReadBool(request, "skip_special_tokens", &fields->skip_special));
  SY_RETURN_IF_ERROR(ReadAnswers(request, fields));
  return CheckGeneration(*fields);
}

absl::Status ReadDelivery(const RequestFields& request, StreamFields* fields) {
  SY_RETURN_IF_ERROR(ReadBool(request, "stream", &fields->stream));
  const Json* options = nullptr;
  SY_RETURN_IF_ERROR(ReadObject(request, "stream_options", &options));
  if (options == nullptr) return absl::OkStatus();
  if (!fields->stream) {
    return ParamError("stream_options", "'stream_options' needs 'stream' to be true");
  }
  const RequestFields within(*options, "stream_options");
  bool wants_each = false;
  SY_RETURN_IF_ERROR(ReadBool(within, "continuous_usage_stats", &wants_each));
  if (wants_each) request.Ignore(within.PathOf("continuous_usage_stats"));
  return ReadBool(within, "include_usage", &fields->include_usage);
}

// What has been streamed cannot be chosen from.
absl::Status CheckDelivery(const StreamFields& delivery, const GenerationFields& generation) {
  if (!delivery.stream || generation.best_of == generation.n) return absl::OkStatus();
  return ParamError("best_of", "a streamed answer cannot be the best of several");
}

absl::Status CheckToolCalls(const Json& calls, const std::string& where) {
  if (!calls.is_array()) return ParamError(where, fmt::format("'{}' must be a list", where));
  SY_RETURN_IF_ERROR(CheckCount(calls, ChatFields::kMaxToolCalls, where));
  for (const Json& call : calls) {
    const Json* function = call.is_object() ? FindField(call, "function") : nullptr;
    if (function == nullptr || FindString(*function, "name") == nullptr) {
      return ParamError(where, fmt::format("a call in '{}' must name its function", where));
    }
    const Json* arguments = FindField(*function, "arguments");  // may be left out: none
    if (arguments != nullptr && !arguments->is_string() && !arguments->is_object()) {
      return ParamError(
          where,
          fmt::format("the arguments of a call in '{}' must be a string or an object", where));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRole(Json& message, const std::string& where) {
  static constexpr std::array kRoles = {"system", "user", "assistant", "tool"};
  const Json* role = FindString(message, "role");
  if (role == nullptr) {
    return ParamError(where, fmt::format("'{}' must be an object with a role", where));
  }
  if (*role == "developer") message["role"] = "system";
  for (const char* known : kRoles) {
    if (message["role"] == known) return absl::OkStatus();
  }
  return ParamError(
      where + ".role",
      fmt::format("'{}.role' must be system, developer, user, assistant or tool", where));
}

// Clients write null for what a message does not have, and templates ask whether a member is there.
// No calls are none.
Json PresentMembers(Json& message) {
  Json present = Json::object();
  auto& members = present.get_ref<Json::object_t&>();  // their names differ: none is looked for
  for (auto& [name, value] : message.get_ref<Json::object_t&>()) {
    const bool is_absent = value.is_null() || (name == "tool_calls" && value == Json::array());
    if (!is_absent) members.emplace_back(name, std::move(value));
  }
  return present;
}

// An assistant's message may be a refusal or calls alone; for calls templates test for null.
Json ContentOfNone(const Json& message) {
  if (message.contains("tool_calls")) return nullptr;
  const Json* refusal = FindField(message, "refusal");
  return refusal != nullptr ? *refusal : Json("");
}

absl::Status CheckMessage(Json& message, const std::string& where) {
  SY_RETURN_IF_ERROR(CheckRole(message, where));
  message = PresentMembers(message);
  std::string text;
  for (const char* name : {"name", "reasoning_content", "refusal", "tool_call_id"}) {
    SY_RETURN_IF_ERROR(ReadString({message, where}, name, &text));
  }
  const Json* calls = FindField(message, "tool_calls");
  if (calls != nullptr) SY_RETURN_IF_ERROR(CheckToolCalls(*calls, where + ".tool_calls"));
  const std::string content_param = where + ".content";
  const Json* content = FindField(message, "content");
  if (content == nullptr && message["role"] == "assistant") {
    message["content"] = ContentOfNone(message);
    return absl::OkStatus();
  }
  if (content == nullptr) {
    return ParamError(content_param, fmt::format("'{}' is missing", content_param));
  }
  if (content->is_string()) return absl::OkStatus();
  static constexpr std::string_view kTexts[] = {"text", "refusal"};
  SY_ASSIGN_OR_RETURN(text, ContentText(*content, content_param, kTexts));
  message["content"] = std::move(text);
  return absl::OkStatus();
}

// Brings messages into the one form that ChatFields promises: text parts of a content are joined,
// the role "developer", OpenAI's newer word for it, becomes "system", members of null are left out.
absl::Status ReadMessages(const RequestFields& request, Json* messages) {
  if (const Json* given = FindField(request, "messages")) *messages = *given;
  if (!messages->is_array() || messages->empty()) {
    return ParamError("messages", "'messages' must be a list with at least one message");
  }
  SY_RETURN_IF_ERROR(CheckCount(*messages, ChatFields::kMaxMessages, "messages"));
  for (size_t i = 0; i < messages->size(); ++i) {
    SY_RETURN_IF_ERROR(CheckMessage((*messages)[i], fmt::format("messages[{}]", i)));
  }
  return absl::OkStatus();
}

absl::Status CheckTools(const Json& tools) {
  if (!tools.is_array()) return ParamError("tools", "'tools' must be a list");
  SY_RETURN_IF_ERROR(CheckCount(tools, ChatFields::kMaxTools, "tools"));
  for (size_t i = 0; i < tools.size(); ++i) {
    const Json& tool = tools[i];
    const Json* type = FindString(tool, "type");
    const Json* function = tool.is_object() ? FindField(tool, "function") : nullptr;
    if (type == nullptr || *type != "function" || function == nullptr ||
        FindString(*function, "name") == nullptr) {
      const std::string where = fmt::format("tools[{}]", i);
      return ParamError(where, fmt::format("'{}' must be a function with a name", where));
    }
    SY_RETURN_IF_ERROR(CheckFunction({*function, fmt::format("tools[{}].function", i)}));
  }
  return absl::OkStatus();
}

absl::Status CheckTemplateKwargs(const Json& kwargs) {
  constexpr const char* kParam = "chat_template_kwargs";
  if (!kwargs.is_object()) return ParamError(kParam, "'chat_template_kwargs' must be an object");
  SY_RETURN_IF_ERROR(CheckCount(kwargs, ChatFields::kMaxTemplateKwargs, kParam));
  for (const auto& [name, value] : kwargs.items()) {
    if (text::ChatTemplate::IsReserved(name) || name == "continue_final_message") {
      return ParamError(kParam, fmt::format("'chat_template_kwargs' may not set '{}'", name));
    }
  }
  return absl::OkStatus();
}

// How the prompt ends: unless it says otherwise with the beginning of a new answer.
absl::Status ReadPromptEnd(const RequestFields& request, ChatFields* chat) {
  constexpr const char* kContinue = "continue_final_message";
  SY_RETURN_IF_ERROR(ReadBool(request, kContinue, &chat->continue_final_message));
  chat->add_generation_prompt = !chat->continue_final_message;
  SY_RETURN_IF_ERROR(ReadBool(request, "add_generation_prompt", &chat->add_generation_prompt));
  if (!chat->continue_final_message || !chat->add_generation_prompt) return absl::OkStatus();
  return ParamError(kContinue,
                    "'continue_final_message' and 'add_generation_prompt' contradict each other: "
                    "an answer goes on with the last message, or begins");
}

absl::Status ReadChat(const RequestFields& request, ChatFields* chat) {
  const Json* tools = FindField(request, "tools");
  if (tools != nullptr) SY_RETURN_IF_ERROR(CheckTools(*tools));
  // With the choice "none" the model shall not call: it is not told of the tools.
  const Json* choice = FindField(request, "tool_choice");
  if (tools != nullptr && (choice == nullptr || *choice != "none")) chat->tools = *tools;
  chat->template_kwargs = Json::object();
  if (const Json* kwargs = FindField(request, "chat_template_kwargs")) {
    chat->template_kwargs = *kwargs;
  }
  SY_RETURN_IF_ERROR(CheckTemplateKwargs(chat->template_kwargs));
  if (const Json* effort = FindField(request, "reasoning_effort")) {
    (IsNoEffort(*effort) ? chat->no_thoughts_field : chat->effort_field) = "reasoning_effort";
    SY_RETURN_IF_ERROR(AddReasoningEffort(*effort, &chat->template_kwargs));
  }
  SY_RETURN_IF_ERROR(ReadPromptEnd(request, chat));
  return ReadMessages(request, &chat->messages);
}

// A text, or a list of token ids that is not empty; `where` is the param of errors.
absl::StatusOr<TextPrompt> ReadOnePrompt(const Json& prompt, const std::string& where) {
  if (prompt.is_string()) return prompt.get<std::string>();
  if (!prompt.is_array() || prompt.empty()) {
    return ParamError(
        where, fmt::format("'{}' must be a string or a list of token ids, not empty", where));
  }
  std::vector<int32_t> tokens;
  SY_RETURN_IF_ERROR(ReadInt32Array(prompt, where.c_str(), &tokens));
  return tokens;
}

// One prompt or a list of them: a list of numbers is one prompt.
absl::Status ReadPrompts(const RequestFields& request, std::vector<TextPrompt>* prompts) {
  const Json* given = FindField(request, "prompt");
  if (given == nullptr) return ParamError("prompt", "'prompt' is missing");
  const bool is_list = given->is_array() && !given->empty() &&
                       (given->front().is_string() || given->front().is_array());
  if (!is_list) {
    SY_ASSIGN_OR_RETURN(prompts->emplace_back(), ReadOnePrompt(*given, "prompt"));
    return absl::OkStatus();
  }
  SY_RETURN_IF_ERROR(CheckCount(*given, GenerationFields::kMaxAnswers, "prompt"));
  for (size_t i = 0; i < given->size(); ++i) {
    SY_ASSIGN_OR_RETURN(prompts->emplace_back(),
                        ReadOnePrompt((*given)[i], fmt::format("prompt[{}]", i)));
  }
  return absl::OkStatus();
}

// REQUIRES: each number alone is within its bounds.
absl::Status CheckNumAnswers(const CompletionRequest& request) {
  const int64_t num_prompts = std::ssize(request.prompts);
  const int64_t num_answers = num_prompts * request.generation.best_of;
  if (num_answers <= GenerationFields::kMaxAnswers) return absl::OkStatus();
  const bool chooses = request.generation.best_of > request.generation.n;
  return ParamError(
      chooses ? "best_of" : "n",
      fmt::format("{} prompts with {} answers each are {}; one request takes {}", num_prompts,
                  request.generation.best_of, num_answers, GenerationFields::kMaxAnswers));
}

absl::Status CheckLogprobs(std::string_view name, const std::optional<int32_t>& likeliest) {
  if (!likeliest || *likeliest == core::kFullVocabulary ||
      (*likeliest >= 0 && *likeliest <= LogprobFields::kMax)) {
    return absl::OkStatus();
  }
  return ParamError(
      name, fmt::format("'{}' must be between 0 and {} tokens, or -1 for the whole vocabulary",
                        name, LogprobFields::kMax));
}

}  // namespace

absl::Status CheckGeneration(const GenerationFields& fields) {
  const int32_t least = fields.echo ? 0 : 1;
  if (fields.max_tokens && *fields.max_tokens < least) {
    return ParamError(fields.max_tokens_field,
                      fmt::format("'{}' must be at least {}", fields.max_tokens_field, least));
  }
  SY_RETURN_IF_ERROR(CheckSampling(fields.sampling));
  SY_RETURN_IF_ERROR(CheckLogprobs(fields.logprobs.answer_field, fields.logprobs.answer));
  SY_RETURN_IF_ERROR(CheckLogprobs("prompt_logprobs", fields.logprobs.prompt));
  if (fields.n < 1 || fields.n > GenerationFields::kMaxAnswers) {
    return ParamError("n",
                      fmt::format("'n' must be between 1 and {}", GenerationFields::kMaxAnswers));
  }
  if (fields.best_of < fields.n || fields.best_of > GenerationFields::kMaxAnswers) {
    return ParamError("best_of", fmt::format("'best_of' must be between 'n' = {} and {}", fields.n,
                                             GenerationFields::kMaxAnswers));
  }
  // The matcher that will serve the request knows its own limits.
  const auto matcher = text::StopMatcher::Create(fields.stop);
  if (!matcher.ok()) {
    return ParamError("stop", fmt::format("'stop': {}", Message(matcher.status())));
  }
  return absl::OkStatus();
}

absl::StatusOr<ChatFields> ParseChatFields(const RequestFields& request) {
  ChatFields chat;
  SY_RETURN_IF_ERROR(ReadChat(request, &chat));
  return chat;
}

absl::StatusOr<ChatCompletionRequest> ParseChatCompletionRequest(std::string_view body) {
  SY_ASSIGN_OR_RETURN(const Json json, ParseObject(body));
  const RequestFields fields(json);
  SY_ASSIGN_OR_RETURN(ChatCompletionRequest request, ReadChatCompletionRequest(fields));
  SY_RETURN_IF_ERROR(CheckIdleFields(fields));
  request.unknown_fields = fields.Unread();
  return request;
}

absl::StatusOr<ChatCompletionRequest> ReadChatCompletionRequest(const RequestFields& fields) {
  SY_RETURN_IF_ERROR(RefuseUnsupportedFields(fields));
  ChatCompletionRequest request;
  request.generation.prompt_field = "messages";
  SY_RETURN_IF_ERROR(ReadChatLogprobs(fields, &request.generation.logprobs));
  SY_RETURN_IF_ERROR(ReadGeneration(fields, &request.generation));
  SY_RETURN_IF_ERROR(ReadDelivery(fields, &request.delivery));
  SY_RETURN_IF_ERROR(CheckDelivery(request.delivery, request.generation));
  SY_RETURN_IF_ERROR(ReadChat(fields, &request.chat));
  request.generation.begins_turn = request.chat.add_generation_prompt;
  SY_ASSIGN_OR_RETURN(request.options, ReadChatOptions(fields));
  return request;
}

absl::StatusOr<CompletionRequest> ParseCompletionRequest(std::string_view body) {
  SY_ASSIGN_OR_RETURN(const Json json, ParseObject(body));
  return ReadCompletionRequest(json);
}

absl::StatusOr<CompletionRequest> ReadCompletionRequest(const RequestFields& fields) {
  SY_RETURN_IF_ERROR(RefuseUnsupportedFields(fields));
  CompletionRequest request;
  SY_RETURN_IF_ERROR(ReadInt32(fields, "logprobs", &request.generation.logprobs.answer));
  SY_RETURN_IF_ERROR(ReadBool(fields, "echo", &request.generation.echo));
  SY_RETURN_IF_ERROR(ReadGeneration(fields, &request.generation));
  SY_RETURN_IF_ERROR(ReadDelivery(fields, &request.delivery));
  SY_RETURN_IF_ERROR(CheckDelivery(request.delivery, request.generation));
  SY_RETURN_IF_ERROR(ReadPrompts(fields, &request.prompts));
  SY_RETURN_IF_ERROR(CheckNumAnswers(request));
  SY_RETURN_IF_ERROR(CheckIdleFields(fields));
  request.unknown_fields = fields.Unread();
  return request;
}

}  // namespace switchyard::gateway
