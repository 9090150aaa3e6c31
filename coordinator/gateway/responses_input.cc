#include "coordinator/gateway/responses_input.h"

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "coordinator/gateway/chat_options.h"
#include "coordinator/gateway/content_text.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/random_id.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

std::string TypeOf(const Json& object) {
  const Json* type = FindString(object, "type");
  return type != nullptr ? type->get<std::string>() : "";
}

// What a user, a tool or the model itself wrote.
constexpr std::string_view kTexts[] = {"input_text", "output_text", "text", "refusal"};
constexpr std::string_view kThoughts[] = {"reasoning_text", "text"};

absl::Status AddMessage(const Json& item, const std::string& where, Json* messages) {
  const Json* role = FindString(item, "role");
  const Json* given = FindField(item, "content");
  const bool is_empty = given == nullptr && role != nullptr && *role == "assistant";
  const Json content = given != nullptr ? *given : Json("");
  if (role == nullptr || (given == nullptr && !is_empty)) {
    return ParamError(where, fmt::format("'{}' must have a role and a content", where));
  }
  const bool is_known =
      *role == "user" || *role == "assistant" || *role == "system" || *role == "developer";
  if (!is_known) {
    return ParamError(where + ".role",
                      fmt::format("'{}.role' must be user, assistant, system or developer", where));
  }
  SY_ASSIGN_OR_RETURN(std::string text, ContentText(content, where + ".content", kTexts));
  messages->push_back({{"role", *role}, {"content", std::move(text)}});
  return absl::OkStatus();
}

// Joins the assistant's message before it, if there is one.
absl::Status AddCall(const Json& item, const std::string& where, Json* messages) {
  const Json* id = FindString(item, "call_id");
  const Json* name = FindString(item, "name");
  const Json* arguments = FindField(item, "arguments");  // none: an empty object
  const bool is_right = arguments == nullptr || arguments->is_string();
  if (id == nullptr || name == nullptr || !is_right) {
    return ParamError(where, fmt::format("'{}' must have call_id, name and arguments", where));
  }
  if (messages->empty() || messages->back()["role"] != "assistant") {
    messages->push_back({{"role", "assistant"}, {"content", ""}});
  }
  Json& message = messages->back();
  if (message["content"] == "") message["content"] = nullptr;  // as chats have it beside calls
  if (!message.contains("tool_calls")) message["tool_calls"] = Json::array();
  message["tool_calls"].push_back(
      {{"id", *id},
       {"type", "function"},
       {"function",
        {{"name", *name}, {"arguments", arguments != nullptr ? *arguments : Json("")}}}});
  return absl::OkStatus();
}

absl::Status AddOutput(const Json& item, const std::string& where, Json* messages) {
  const Json* id = FindString(item, "call_id");
  const Json* output = FindField(item, "output");
  if (id == nullptr || output == nullptr) {
    return ParamError(where, fmt::format("'{}' must have call_id and output", where));
  }
  SY_ASSIGN_OR_RETURN(std::string text, ContentText(*output, where + ".output", kTexts));
  messages->push_back({{"role", "tool"}, {"tool_call_id", *id}, {"content", std::move(text)}});
  return absl::OkStatus();
}

// A summary is not what the model thought, and what is encrypted nobody here can read.
absl::StatusOr<std::string> ReadThoughts(const Json& item, const std::string& where) {
  const Json* content = FindField(item, "content");
  if (content == nullptr) return std::string();
  return ContentText(*content, where + ".content", kThoughts);
}

// Clients read a list of parts, in whichever form the message was sent.
void PutInParts(Json& message) {
  if (message["type"] != "message" || FindString(message, "content") == nullptr) return;
  const bool is_answer = message.contains("role") && message["role"] == "assistant";
  Json part = {{"type", is_answer ? "output_text" : "input_text"},
               {"text", std::move(message["content"])}};
  if (is_answer) part["annotations"] = Json::array();
  message["content"] = Json::array({std::move(part)});
}

const char* IdPrefix(const std::string& type) {
  if (type == "function_call") return "fc";
  if (type == "function_call_output") return "fco";
  return type == "reasoning" ? "rs" : "msg";
}

}  // namespace

absl::StatusOr<Json> ReadInputItems(const Json& input) {
  Json items = Json::array();
  if (input.is_string()) {
    items.push_back({{"type", "message"}, {"role", "user"}, {"content", input}});
  } else if (input.is_array()) {
    items = input;
  } else {
    return ParamError("input", "'input' must be a string or a list of items");
  }
  SY_RETURN_IF_ERROR(CheckCount(items, ChatFields::kMaxMessages, "input"));
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_object()) {
      return ParamError("input", fmt::format("'input[{}]' must be an object", i));
    }
    if (FindField(items[i], "type") == nullptr) items[i]["type"] = "message";
    PutInParts(items[i]);
    if (FindString(items[i], "id") == nullptr) {
      items[i]["id"] = RandomName(IdPrefix(TypeOf(items[i])));
    }
  }
  return items;
}

absl::Status AddMessages(const Json& items, Json* messages) {
  std::vector<std::string> thoughts;  // of the message that comes next
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string where = fmt::format("input[{}]", i);
    const std::string type = TypeOf(items[i]);
    if (type == "reasoning") {
      SY_ASSIGN_OR_RETURN(thoughts.emplace_back(), ReadThoughts(items[i], where));
      continue;
    }
    if (type == "message") {
      SY_RETURN_IF_ERROR(AddMessage(items[i], where, messages));
    } else if (type == "function_call") {
      SY_RETURN_IF_ERROR(AddCall(items[i], where, messages));
    } else if (type == "function_call_output") {
      SY_RETURN_IF_ERROR(AddOutput(items[i], where, messages));
    } else {
      return ParamError(
          where,
          fmt::format("'{}' has the type {}, which is not supported", where, DumpJson(Json(type))),
          kUnsupportedParameter);
    }
    Json& message = messages->back();  // which the item has become, or joined
    if (message["role"] == "assistant") {
      for (const std::string& text : thoughts) AddThoughts(text, &message);
    }
    thoughts.clear();
  }
  return absl::OkStatus();
}

absl::Status CheckCallArguments(const Json& items) {
  for (size_t i = 0; i < items.size(); ++i) {
    if (TypeOf(items[i]) != "function_call") continue;
    const Json* arguments = FindField(items[i], "arguments");
    const auto value = ReadArguments(arguments != nullptr ? *arguments : Json());
    if (value.ok()) continue;
    const std::string where = fmt::format("input[{}].arguments", i);
    return ParamError(where, fmt::format("'{}' is no JSON: {}", where, Message(value.status())));
  }
  return absl::OkStatus();
}

}  // namespace switchyard::gateway
