#include "coordinator/gateway/responses_types.h"

#include <fmt/format.h>

#include <span>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/field_names.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/responses_input.h"
#include "coordinator/gateway/structured_fields.h"
#include "coordinator/gateway/unsupported_fields.h"

namespace switchyard::gateway {
namespace {

// Fields that mean the same in a chat request; those behind the first line are additions of
// inference servers.
// clang-format off
constexpr const char* kSharedFields[] = {
    "model", "temperature", "top_p", "stream", "parallel_tool_calls",
    "top_k", "min_p", "typical_p", "seed", "stop", "stop_token_ids", "ignore_eos", "min_tokens",
    "bad_words", "logit_bias", "presence_penalty", "frequency_penalty", "repetition_penalty",
    "max_thinking_tokens", "include_reasoning", "skip_special_tokens", "include_stop_str_in_output",
    "chat_template_kwargs", "priority", "cache_salt", "timeout", "drafts",
    "response_format", "guided_json", "guided_regex", "guided_choice", "guided_grammar",
    "guided_whitespace_pattern", "structured_outputs"};
// clang-format on

absl::Status ReadTruncation(const RequestFields& fields, bool* truncate) {
  std::string truncation = "disabled";
  SY_RETURN_IF_ERROR(ReadString(fields, "truncation", &truncation));
  *truncate = truncation == "auto";
  if (*truncate || truncation == "disabled") return absl::OkStatus();
  return ParamError("truncation", "'truncation' must be auto or disabled");
}

// Known, and asked for in vain.
absl::Status RefuseUnsupported(const RequestFields& fields) {
  for (const char* name : {"conversation", "prompt", "max_tool_calls", "context_management"}) {
    if (FindField(fields, name) == nullptr) continue;
    return ParamError(name, fmt::format("'{}' is not supported", name), kUnsupportedParameter);
  }
  // What an answer of this API has no place for, and the one value that asks for nothing, if any.
  constexpr std::pair<const char*, std::optional<int32_t>> kOfChat[] = {
      {"top_logprobs", 0}, {"prompt_logprobs", std::nullopt}, {"n", 1}, {"best_of", 1}};
  for (const auto& [name, harmless] : kOfChat) {
    std::optional<int32_t> value;
    SY_RETURN_IF_ERROR(ReadInt32(fields, name, &value));
    if (!value || value == harmless) continue;
    return ParamError(name,
                      fmt::format("'{}' is not supported here; chat completions have it", name),
                      kUnsupportedParameter);
  }
  const Json* include = FindField(fields, "include");
  if (include == nullptr || (include->is_array() && include->empty())) return absl::OkStatus();
  // Nothing is encrypted: reasoning comes as text.
  if (*include == Json::array({"reasoning.encrypted_content"})) return absl::OkStatus();
  return ParamError("include", "this value of 'include' is not supported", kUnsupportedParameter);
}

// {type, name, description, parameters, strict} -> {type, function: {...}}
absl::StatusOr<Json> ToTools(const Json& given) {
  if (!given.is_array()) return ParamError("tools", "'tools' must be a list");
  Json tools = Json::array();
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const Json* type = given[i].is_object() ? FindField(given[i], "type") : nullptr;
    if (type == nullptr || *type != "function") {
      return ParamError(where,
                        fmt::format("'{}' is no function: other tools are not supported", where));
    }
    SY_RETURN_IF_ERROR(CheckFunction({given[i], where}));
    Json function = Json::object();
    for (const char* name : {"name", "description", "parameters", "strict"}) {
      if (const Json* value = FindField(given[i], name)) function[name] = *value;
    }
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

absl::StatusOr<Json> ToToolChoice(const Json& given) {
  if (!given.is_object()) return given;
  const Json* type = FindField(given, "type");
  const Json* name = FindField(given, "name");
  if (type == nullptr || *type != "function" || name == nullptr) {
    return ParamError("tool_choice",
                      "'tool_choice' must be none, auto, required, or a function by its name");
  }
  return Json{{"type", "function"}, {"function", {{"name", *name}}}};
}

// {format: {type, name, schema, ...}} -> response_format
absl::Status AddFormat(const Json& text, Json* chat) {
  const Json* format = text.is_object() ? FindField(text, "format") : nullptr;
  if (!text.is_object()) return ParamError("text", "'text' must be an object");
  if (format == nullptr) return absl::OkStatus();
  const Json* type = format->is_object() ? FindField(*format, "type") : nullptr;
  const bool is_schema = type != nullptr && *type == "json_schema";
  if (type == nullptr || (!is_schema && *type != "text" && *type != "json_object")) {
    return ParamError("text.format",
                      "'text.format' must have the type text, json_object or json_schema");
  }
  if (chat->contains("response_format")) {
    return ParamError("text.format", "'text.format' and 'response_format' contradict each other");
  }
  if (is_schema && FindField(*format, "schema") == nullptr) {
    return ParamError("text.format", "'text.format' must have a schema");
  }
  (*chat)["response_format"] = ToResponseFormat(*format);
  return absl::OkStatus();
}

absl::Status AddReasoning(const Json& reasoning, Json* chat) {
  const Json* effort = reasoning.is_object() ? FindField(reasoning, "effort") : nullptr;
  if (!reasoning.is_object()) return ParamError("reasoning", "'reasoning' must be an object");
  if (effort != nullptr) (*chat)["reasoning_effort"] = *effort;
  return absl::OkStatus();
}

// A word that no template knows.
absl::Status IgnoreWord(const RequestFields& within, const char* name,
                        const RequestFields& fields) {
  std::string word;
  SY_RETURN_IF_ERROR(ReadString(within, name, &word));
  if (!word.empty()) fields.Ignore(within.PathOf(name));
  return absl::OkStatus();
}

// All but the messages.
absl::StatusOr<Json> ToChatFields(const RequestFields& fields) {
  Json chat = Json::object();
  for (const char* name : kSharedFields) {
    if (const Json* value = FindField(fields, name)) chat[name] = *value;
  }
  if (const Json* most = FindField(fields, "max_output_tokens")) chat["max_tokens"] = *most;
  if (const Json* tools = FindField(fields, "tools")) {
    SY_ASSIGN_OR_RETURN(chat["tools"], ToTools(*tools));
  }
  if (const Json* choice = FindField(fields, "tool_choice")) {
    SY_ASSIGN_OR_RETURN(chat["tool_choice"], ToToolChoice(*choice));
  }
  if (const Json* text = FindField(fields, "text")) {
    SY_RETURN_IF_ERROR(AddFormat(*text, &chat));
    SY_RETURN_IF_ERROR(IgnoreWord({*text, "text"}, "verbosity", fields));
  }
  if (const Json* reasoning = FindField(fields, "reasoning")) {
    SY_RETURN_IF_ERROR(AddReasoning(*reasoning, &chat));
    for (const char* name : {"summary", "generate_summary"}) {
      SY_RETURN_IF_ERROR(IgnoreWord({*reasoning, "reasoning"}, name, fields));
    }
  }
  return chat;
}

}  // namespace

absl::StatusOr<ResponsesRequest> ParseResponsesRequest(std::string_view body) {
  ResponsesRequest request;
  SY_ASSIGN_OR_RETURN(request.fields, ParseObject(body));
  const RequestFields fields(request.fields);
  const Json* input = FindField(fields, "input");
  if (input == nullptr) return ParamError("input", "'input' is missing");
  SY_ASSIGN_OR_RETURN(request.input, ReadInputItems(*input));
  SY_RETURN_IF_ERROR(ReadString(fields, "previous_response_id", &request.previous));
  SY_RETURN_IF_ERROR(ReadBool(fields, "store", &request.store));
  SY_RETURN_IF_ERROR(ReadBool(fields, "background", &request.background));
  SY_RETURN_IF_ERROR(ReadBool(fields, "stream", &request.stream));
  SY_RETURN_IF_ERROR(ReadTruncation(fields, &request.truncate));
  SY_RETURN_IF_ERROR(RefuseUnsupported(fields));
  if (request.background && !request.store) {
    return ParamError("background", "'background' needs 'store' to be true");
  }
  return request;
}

absl::StatusOr<ChatCompletionRequest> ToChatRequest(const ResponsesRequest& request,
                                                    const Json& context) {
  const RequestFields fields(request.fields);
  SY_RETURN_IF_ERROR(CheckIdleFields(fields));
  const Json* unused = nullptr;  // they have nothing to say here
  SY_RETURN_IF_ERROR(ReadObject(fields, "stream_options", &unused));
  std::string instructions;
  SY_RETURN_IF_ERROR(ReadString(fields, "instructions", &instructions));
  SY_ASSIGN_OR_RETURN(Json chat, ToChatFields(fields));
  Json messages = Json::array();
  if (!instructions.empty()) messages.push_back({{"role", "system"}, {"content", instructions}});
  SY_RETURN_IF_ERROR(AddMessages(context, &messages));
  SY_RETURN_IF_ERROR(AddMessages(request.input, &messages));
  if (messages.empty()) return ParamError("input", "'input' has no message");
  chat["messages"] = std::move(messages);
  const RequestFields chat_fields(chat);
  absl::StatusOr<ChatCompletionRequest> made = ReadChatCompletionRequest(chat_fields);
  static constexpr FieldName kFormat[] = {{"response_format.json_schema", "text.format"},
                                          {"response_format", "text.format"}};
  std::span<const FieldName> format = kFormat;
  if (FindField(fields, "response_format") != nullptr) format = {};  // is called so here, too
  if (!made.ok()) return InResponsesWords(InWordsOf(format, made.status()));
  for (const char* name : {"input", "previous_response_id", "store", "background", "truncation",
                           "include", "top_logprobs", "prompt_logprobs", "n", "best_of",
                           "max_tool_calls", "conversation", "prompt", "context_management"}) {
    fields.Find(name);  // ParseResponsesRequest has read them
  }
  made->unknown_fields = fields.Unread();
  for (const std::string& name : chat_fields.Unread()) {
    made->unknown_fields.push_back(InWordsOf(format, name));
  }
  for (std::string* name : {&made->chat.effort_field, &made->chat.no_thoughts_field}) {
    if (!name->empty()) *name = "reasoning.effort";
  }
  return made;
}

absl::Status InResponsesWords(const absl::Status& status) {
  constexpr FieldName kNames[] = {{"max_tokens", "max_output_tokens"},
                                  {"reasoning_effort", "reasoning.effort"},
                                  {"messages", "input"}};
  return InWordsOf(kNames, status);
}

Json EchoedFields(const ResponsesRequest& request) {
  const std::pair<const char*, Json> kDefaults[] = {
      {"instructions", nullptr},
      {"max_output_tokens", nullptr},
      {"metadata", Json::object()},
      {"parallel_tool_calls", true},
      {"previous_response_id", nullptr},
      {"reasoning", {{"effort", nullptr}, {"summary", nullptr}}},
      {"temperature", nullptr},
      {"text", {{"format", {{"type", "text"}}}}},
      {"tool_choice", "auto"},
      {"tools", Json::array()},
      {"top_p", nullptr},
      {"truncation", "disabled"},
      {"user", nullptr}};
  Json echoed = Json::object();
  for (const auto& [name, value] : kDefaults) {
    const Json* given = FindField(request.fields, name);
    echoed[name] = given != nullptr ? *given : value;
  }
  echoed["store"] = request.store;
  echoed["background"] = request.background;
  return echoed;
}

}  // namespace switchyard::gateway
