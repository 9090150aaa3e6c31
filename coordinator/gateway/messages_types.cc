#include "coordinator/gateway/messages_types.h"

#include <array>
#include <cctype>
#include <string>
#include <utility>

#include "coordinator/gateway/content_text.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/field_names.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/reasoning_effort.h"
#include "coordinator/gateway/sse_writer.h"
#include "coordinator/gateway/structured_fields.h"

namespace switchyard::gateway {
namespace {

constexpr std::string_view kTexts[] = {"text"};
constexpr const char* kEffortField = "output_config.effort";
constexpr const char* kSwitch = "enable_thinking";

absl::StatusOr<std::string> BlockType(const Json& block, const std::string& where) {
  const Json* type = FindString(block, "type");
  if (type == nullptr) {
    return ParamError(where, fmt::format("'{}' must be an object with a type", where));
  }
  return type->get<std::string>();
}

absl::StatusOr<Json> ToToolCall(const Json& block, const std::string& where) {
  const Json* id = FindString(block, "id");
  const Json* name = FindString(block, "name");
  const Json* input = FindField(block, "input");
  if (id == nullptr || name == nullptr || input == nullptr || !input->is_object()) {
    return ParamError(where, fmt::format("'{}' must have id, name and input", where));
  }
  return Json{{"id", *id},
              {"type", "function"},
              {"function", {{"name", *name}, {"arguments", DumpJson(*input)}}}};
}

absl::StatusOr<Json> ToToolMessage(const Json& block, const std::string& where) {
  const Json* id = FindString(block, "tool_use_id");
  if (id == nullptr) return ParamError(where, fmt::format("'{}' must have tool_use_id", where));
  std::string text;
  if (const Json* content = FindField(block, "content")) {
    SY_ASSIGN_OR_RETURN(text, ContentText(*content, where + ".content", kTexts));
  }
  bool is_error = false;
  SY_RETURN_IF_ERROR(ReadBool({block, where}, "is_error", &is_error));
  // Templates know of no failure: the text is all that a model learns.
  if (is_error) text = text.empty() ? "Error" : "Error: " + text;
  return Json{{"role", "tool"}, {"tool_call_id", *id}, {"content", std::move(text)}};
}

// Results of tools stand before a message's own text: they answer the turn before it.
absl::Status AddUserMessage(const Json& content, const std::string& where, Json* messages) {
  std::string text;
  bool has_text = false;
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    SY_ASSIGN_OR_RETURN(const std::string type, BlockType(content[i], at));
    if (type == "tool_result") {
      SY_ASSIGN_OR_RETURN(Json message, ToToolMessage(content[i], at));
      messages->push_back(std::move(message));
      continue;
    }
    SY_ASSIGN_OR_RETURN(const std::string piece, PartText(content[i], at, kTexts));
    text += piece;
    has_text = true;
  }
  if (has_text || content.empty()) messages->push_back({{"role", "user"}, {"content", text}});
  return absl::OkStatus();
}

absl::Status AddAssistantMessage(const Json& content, const std::string& where, Json* messages) {
  Json message = {{"role", "assistant"}};
  std::string text;
  Json calls = Json::array();
  for (size_t i = 0; i < content.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", where, i);
    SY_ASSIGN_OR_RETURN(const std::string type, BlockType(content[i], at));
    if (type == "redacted_thinking") continue;  // nobody here can read it
    if (type == "thinking") {
      const Json* thoughts = FindString(content[i], "thinking");
      if (thoughts == nullptr) return ParamError(at, fmt::format("'{}' must have thinking", at));
      AddThoughts(*thoughts, &message);
      continue;
    }
    if (type == "tool_use") {
      SY_ASSIGN_OR_RETURN(Json call, ToToolCall(content[i], at));
      calls.push_back(std::move(call));
      continue;
    }
    SY_ASSIGN_OR_RETURN(const std::string piece, PartText(content[i], at, kTexts));
    text += piece;
  }
  message["content"] = text;
  if (!calls.empty()) {
    if (text.empty()) message["content"] = nullptr;  // as chats have it: templates test for it
    message["tool_calls"] = std::move(calls);
  }
  messages->push_back(std::move(message));
  return absl::OkStatus();
}

absl::StatusOr<Json> ToMessages(const RequestFields& request) {
  Json messages = Json::array();
  if (const Json* system = FindField(request, "system")) {
    SY_ASSIGN_OR_RETURN(std::string text, ContentText(*system, "system", kTexts));
    messages.push_back({{"role", "system"}, {"content", std::move(text)}});
  }
  const Json* given = FindField(request, "messages");
  if (given == nullptr || !given->is_array() || given->empty()) {
    return ParamError("messages", "'messages' must be a list with at least one message");
  }
  for (size_t i = 0; i < given->size(); ++i) {
    const std::string where = fmt::format("messages[{}]", i);
    const Json* role = FindString((*given)[i], "role");
    const Json* content = role != nullptr ? FindField((*given)[i], "content") : nullptr;
    if (role == nullptr || (*role != "user" && *role != "assistant")) {
      return ParamError(where + ".role", fmt::format("'{}.role' must be user or assistant", where));
    }
    if (content == nullptr || !(content->is_string() || content->is_array())) {
      return ParamError(where + ".content",
                        fmt::format("'{}.content' must be a string or a list of blocks", where));
    }
    if (content->is_string()) {
      messages.push_back({{"role", *role}, {"content", *content}});
      continue;
    }
    const auto add = *role == "user" ? AddUserMessage : AddAssistantMessage;
    SY_RETURN_IF_ERROR(add(*content, where + ".content", &messages));
  }
  return messages;
}

// A last message of the assistant is the beginning of the answer, unless it is empty or calls.
absl::Status TranslatePrefill(const std::string& where, Json* request) {
  Json& messages = (*request)["messages"];
  const Json& last = messages.back();
  if (last["role"] != "assistant" || last.contains("tool_calls")) return absl::OkStatus();
  const std::string& text = last["content"].get_ref<const std::string&>();
  if (text.empty()) {
    messages.erase(messages.size() - 1);
    return absl::OkStatus();
  }
  if (std::isspace(static_cast<unsigned char>(text.back())) != 0) {
    return ParamError(where,
                      fmt::format("'{}' begins the answer, and must not end with white space: an "
                                  "answer that goes on behind it would not be the model's own",
                                  where));
  }
  (*request)["continue_final_message"] = true;
  return absl::OkStatus();
}

absl::StatusOr<Json> ToTools(const Json& given) {
  if (!given.is_array()) return ParamError("tools", "'tools' must be a list");
  Json tools = Json::array();
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const Json* name = FindString(given[i], "name");
    const Json* type = FindString(given[i], "type");
    if (type != nullptr && *type != "custom") {
      return ParamError(
          where,
          fmt::format("'{}' has the type {}, which is not supported here", where, DumpJson(*type)),
          kUnsupportedParameter);
    }
    const Json* schema = name != nullptr ? FindField(given[i], "input_schema") : nullptr;
    if (schema == nullptr || !schema->is_object()) {
      return ParamError(where, fmt::format("'{}' must have a name and an input_schema", where));
    }
    SY_RETURN_IF_ERROR(CheckFunction({given[i], where}, "input_schema"));
    Json function = {{"name", *name}};
    if (const Json* text = FindString(given[i], "description")) function["description"] = *text;
    function["parameters"] = *schema;
    if (const Json* strict = FindField(given[i], "strict")) function["strict"] = *strict;
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return tools;
}

// {type: auto | any | tool | none, name, disable_parallel_tool_use} -> OpenAI's fields.
absl::Status TranslateToolChoice(const Json& choice, Json* request) {
  const Json* type = FindString(choice, "type");
  if (type == nullptr) return ParamError("tool_choice", "'tool_choice' must have a type");
  bool one_at_a_time = false;
  SY_RETURN_IF_ERROR(
      ReadBool({choice, "tool_choice"}, "disable_parallel_tool_use", &one_at_a_time));
  if (one_at_a_time) (*request)["parallel_tool_calls"] = false;
  if (*type == "auto" || *type == "none") {
    (*request)["tool_choice"] = *type;
  } else if (*type == "any") {
    (*request)["tool_choice"] = "required";
  } else if (const Json* name = FindString(choice, "name"); *type == "tool" && name != nullptr) {
    (*request)["tool_choice"] = {{"type", "function"}, {"function", {{"name", *name}}}};
  } else {
    return ParamError("tool_choice",
                      "'tool_choice' must be auto, any, none, or a tool by its name");
  }
  return absl::OkStatus();
}

absl::Status TranslateThinking(const Json& thinking, Json* request) {
  const Json* type = FindString(thinking, "type");
  const bool enabled = type != nullptr && (*type == "enabled" || *type == "adaptive");
  if (!enabled && (type == nullptr || *type != "disabled")) {
    return ParamError("thinking", "'thinking' must have the type enabled, adaptive or disabled");
  }
  (*request)["chat_template_kwargs"] = {{kSwitch, enabled}};
  std::optional<int32_t> budget;
  SY_RETURN_IF_ERROR(ReadInt32({thinking, "thinking"}, "budget_tokens", &budget));
  if (budget && *budget < 1) {
    return ParamError("thinking.budget_tokens", "'thinking.budget_tokens' must be at least 1");
  }
  if (budget && enabled) (*request)["max_thinking_tokens"] = *budget;
  return absl::OkStatus();
}

// {type: json_schema, schema, ...} -> response_format
absl::Status TranslateFormat(const Json& format, const std::string& where, Json* request) {
  const Json* type = FindString(format, "type");
  const Json* schema = format.is_object() ? FindField(format, "schema") : nullptr;
  if (type == nullptr || *type != "json_schema" || schema == nullptr) {
    return ParamError(where,
                      fmt::format("'{}' must have the type json_schema and a schema", where));
  }
  if (request->contains("continue_final_message")) {
    return ParamError(where, fmt::format("'{}' is the form of a whole answer, and the last message "
                                         "of the assistant has begun this one: leave one of both "
                                         "out",
                                         where));
  }
  (*request)["response_format"] = ToResponseFormat(format);
  return absl::OkStatus();
}

// Whether there are thoughts `thinking` says, or else the template, unless the effort is none.
absl::Status TranslateEffort(const Json& effort, Json* request) {
  Json& kwargs = (*request)["chat_template_kwargs"];
  const bool is_said = kwargs.contains(kSwitch);
  SY_RETURN_IF_ERROR(AddReasoningEffort(effort, &kwargs));
  if (!is_said && !IsNoEffort(effort)) kwargs.erase(kSwitch);
  return absl::OkStatus();
}

// `output_format` is the older name of `output_config.format`.
absl::Status TranslateOutput(const RequestFields& given, Json* request) {
  const Json* older = FindField(given, "output_format");
  const Json* config = FindField(given, "output_config");
  if (older != nullptr) SY_RETURN_IF_ERROR(TranslateFormat(*older, "output_format", request));
  if (config == nullptr) return absl::OkStatus();
  if (!config->is_object()) return ParamError("output_config", "'output_config' must be an object");
  for (const auto& [name, value] : config->items()) {
    const std::string where = "output_config." + name.substr(0, 100);
    if (value.is_null()) continue;
    if (name == "effort") {
      SY_RETURN_IF_ERROR(TranslateEffort(value, request));
      continue;
    }
    if (name != "format") {
      return ParamError(where, fmt::format("'{}' is not supported", where), kUnsupportedParameter);
    }
    if (older != nullptr && *older != value) {
      return ParamError(where,
                        fmt::format("'{}' and 'output_format' contradict each other", where));
    }
    SY_RETURN_IF_ERROR(TranslateFormat(value, where, request));
  }
  return absl::OkStatus();
}

// What these requests call fields of a chat request.
std::array<FieldName, 4> NamesOf(const RequestFields& given) {
  const bool has_older = FindField(given, "output_format") != nullptr;
  const char* format = has_older ? "output_format" : "output_config.format";
  return {{{"stop", "stop_sequences"},
           {"reasoning_effort", kEffortField},
           {"response_format.json_schema", format},
           {"response_format", format}}};
}

// The chat request that means the same; the checks of its fields are those of chat requests.
absl::StatusOr<Json> ToChatRequest(const RequestFields& given) {
  Json request = Json::object();
  SY_ASSIGN_OR_RETURN(request["messages"], ToMessages(given));
  const size_t last = FindField(given, "messages")->size() - 1;
  SY_RETURN_IF_ERROR(TranslatePrefill(fmt::format("messages[{}].content", last), &request));
  for (const char* name : {"model", "max_tokens", "temperature", "top_p", "top_k", "stream",
                           "priority", "cache_salt", "timeout", "drafts"}) {
    if (const Json* value = FindField(given, name)) request[name] = *value;
  }
  if (const Json* stops = FindField(given, "stop_sequences")) {
    if (!stops->is_array()) return ParamError("stop_sequences", "'stop_sequences' must be a list");
    request["stop"] = *stops;
  }
  if (const Json* tools = FindField(given, "tools")) {
    SY_ASSIGN_OR_RETURN(request["tools"], ToTools(*tools));
  }
  if (const Json* choice = FindField(given, "tool_choice")) {
    SY_RETURN_IF_ERROR(TranslateToolChoice(*choice, &request));
  }
  if (const Json* thinking = FindField(given, "thinking")) {
    SY_RETURN_IF_ERROR(TranslateThinking(*thinking, &request));
  }
  SY_RETURN_IF_ERROR(TranslateOutput(given, &request));
  return request;
}

// REQUIRES: both fields are right.
void NameEffort(const RequestFields& given, ChatFields* chat) {
  const Json* config = FindField(given, "output_config");
  const Json* effort = config != nullptr ? FindField(*config, "effort") : nullptr;
  const Json* thinking = FindField(given, "thinking");
  if (effort != nullptr) {
    (IsNoEffort(*effort) ? chat->no_thoughts_field : chat->effort_field) = kEffortField;
  }
  const bool is_disabled = thinking != nullptr && thinking->at("type") == "disabled";
  if (is_disabled) chat->no_thoughts_field = "thinking";
}

// What changes nothing here, and is of the right type all the same.
absl::Status CheckIdle(const RequestFields& fields) {
  std::string text;
  SY_RETURN_IF_ERROR(ReadString(fields, "service_tier", &text));
  const Json* given = nullptr;
  SY_RETURN_IF_ERROR(ReadObject(fields, "metadata", &given));
  if (given == nullptr) return absl::OkStatus();
  const RequestFields metadata(*given, "metadata");
  SY_RETURN_IF_ERROR(ReadString(metadata, "user_id", &text));
  fields.IgnoreUnread(metadata);
  return absl::OkStatus();
}

absl::StatusOr<ChatCompletionRequest> Parse(std::string_view body, bool needs_max_tokens) {
  SY_ASSIGN_OR_RETURN(const Json given, ParseObject(body));
  const RequestFields fields(given);
  if (needs_max_tokens && FindField(fields, "max_tokens") == nullptr) {
    return ParamError("max_tokens", "'max_tokens' is missing");
  }
  SY_RETURN_IF_ERROR(CheckIdle(fields));
  const std::array<FieldName, 4> names = NamesOf(fields);
  const absl::StatusOr<Json> chat = ToChatRequest(fields);
  if (!chat.ok()) return InWordsOf(names, chat.status());
  const RequestFields chat_fields(*chat);
  absl::StatusOr<ChatCompletionRequest> request = ReadChatCompletionRequest(chat_fields);
  if (!request.ok()) return InWordsOf(names, request.status());
  NameEffort(fields, &request->chat);
  request->unknown_fields = fields.Unread();
  for (const std::string& name : chat_fields.Unread()) {
    request->unknown_fields.push_back(InWordsOf(names, name));
  }
  return request;
}

}  // namespace

absl::StatusOr<ChatCompletionRequest> ParseMessagesRequest(std::string_view body) {
  return Parse(body, /*needs_max_tokens=*/true);
}

absl::StatusOr<ChatCompletionRequest> ParseCountTokensRequest(std::string_view body) {
  return Parse(body, /*needs_max_tokens=*/false);
}

}  // namespace switchyard::gateway
