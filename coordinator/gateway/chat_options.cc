#include "coordinator/gateway/chat_options.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/sse_writer.h"
#include "coordinator/text/tool_call_json.h"
#include "coordinator/text/tool_call_layout.h"

namespace switchyard::gateway {
namespace {

using ToolChoice = ChatOptions::ToolChoice;

absl::Status ReadTools(const Json& given, std::vector<ChatOptions::Tool>* tools) {
  std::unordered_set<std::string> names;
  for (size_t i = 0; i < given.size(); ++i) {
    const Json& function = given[i].at("function");
    const std::string where = fmt::format("tools[{}]", i);
    ChatOptions::Tool tool = {.name = function.at("name").get<std::string>()};
    if (!text::IsToolName(tool.name)) {
      return ParamError(where, fmt::format("the name of '{}' must have 1 to 128 letters, digits "
                                           "and marks of \"_-.:/\"",
                                           where));
    }
    if (!names.insert(tool.name).second) {
      return ParamError(where, fmt::format("'{}' has the name of a tool before it", where));
    }
    SY_RETURN_IF_ERROR(ReadBool(function, "strict", &tool.strict));
    if (const Json* parameters = FindField(function, "parameters")) tool.parameters = *parameters;
    tools->push_back(std::move(tool));
  }
  return absl::OkStatus();
}

// {"type": "function", "function": {"name": ...}}
absl::Status ReadNamedChoice(const Json& choice, ChatOptions* options) {
  const Json* function = choice.is_object() ? FindField(choice, "function") : nullptr;
  const Json* name = function != nullptr ? FindString(*function, "name") : nullptr;
  if (name == nullptr) {
    return ParamError("tool_choice",
                      "'tool_choice' must be none, auto, required, or a function by its name");
  }
  options->tool_choice = ToolChoice::kNamed;
  options->named_tool = name->get<std::string>();
  const bool is_there =
      std::any_of(options->tools.begin(), options->tools.end(),
                  [&](const auto& tool) { return tool.name == options->named_tool; });
  if (is_there) return absl::OkStatus();
  return ParamError("tool_choice", "'tool_choice' names a function that is not in 'tools'");
}

absl::Status ReadToolChoice(const RequestFields& request, ChatOptions* options) {
  options->tool_choice = options->tools.empty() ? ToolChoice::kNone : ToolChoice::kAuto;
  const Json* choice = FindField(request, "tool_choice");
  if (choice == nullptr || *choice == "auto") return absl::OkStatus();
  if (*choice == "none") {
    options->tool_choice = ToolChoice::kNone;
  } else if (*choice != "required") {
    return ReadNamedChoice(*choice, options);
  } else if (options->tools.empty()) {
    return ParamError("tool_choice", "'tool_choice' is required, and 'tools' has none");
  } else {
    options->tool_choice = ToolChoice::kRequired;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckFunction(const RequestFields& function, const char* parameters) {
  std::string description;
  bool strict = false;
  const Json* schema = nullptr;
  SY_RETURN_IF_ERROR(ReadString(function, "description", &description));
  SY_RETURN_IF_ERROR(ReadBool(function, "strict", &strict));
  return ReadObject(function, parameters, &schema);
}

absl::StatusOr<ChatOptions> ReadChatOptions(const RequestFields& request) {
  ChatOptions options;
  SY_RETURN_IF_ERROR(ReadBool(request, "include_reasoning", &options.include_reasoning));
  SY_RETURN_IF_ERROR(ReadBool(request, "parallel_tool_calls", &options.parallel_tool_calls));
  if (const Json* tools = FindField(request, "tools")) {
    SY_RETURN_IF_ERROR(ReadTools(*tools, &options.tools));
  }
  SY_RETURN_IF_ERROR(ReadToolChoice(request, &options));
  return options;
}

absl::Status ApplyChatOptions(const ServedModel& model, const ChatOptions& options,
                              std::span<const int32_t> prompt, text::AnswerForm* form) {
  form->harmony = model.harmony;
  form->reasoning = model.reasoning;
  form->reasoning_opened =
      model.reasoning && text::ThoughtsAtEnd(*model.tokenizer, *model.reasoning, prompt) ==
                             text::PromptThoughts::kOpened;
  form->include_reasoning = options.include_reasoning;
  if (options.tool_choice == ToolChoice::kNone) return absl::OkStatus();
  if (!model.tool_format) {
    return WithParam(
        absl::FailedPreconditionError("this model's template writes tool calls in no known form; "
                                      "the server's --tool-parser can name one"),
        "tools", kUnsupportedParameter);
  }
  form->tools = model.tool_format;
  for (const ChatOptions::Tool& tool : options.tools) form->tool_names.push_back(tool.name);
  form->parallel_tool_calls = options.parallel_tool_calls;
  return absl::OkStatus();
}

absl::StatusOr<Json> ReadArguments(const Json& given) {
  const bool is_none = given.is_null() || given == "";
  if (is_none) return Json::object();
  if (!given.is_string()) return given;
  return text::ParseArguments(given.get_ref<const std::string&>());
}

bool TakesArgumentsAsValues(const ServedModel& model) {
  return model.tool_format && !text::TakesArgumentsAsText(*model.tool_format);
}

absl::Status PrepareToolCalls(const ServedModel& model, Json* messages) {
  if (!model.tool_format) return absl::OkStatus();
  for (size_t i = 0; i < messages->size(); ++i) {
    Json& message = (*messages)[i];
    if (FindField(message, "tool_calls") == nullptr) continue;
    for (Json& call : message["tool_calls"]) {
      Json& arguments = call["function"]["arguments"];
      const bool is_text = arguments.is_string() && arguments != "";
      if (is_text && !TakesArgumentsAsValues(model)) continue;  // though an answer's end has cut it
      absl::StatusOr<Json> value = ReadArguments(arguments);
      if (!value.ok()) {
        return ParamError(fmt::format("messages[{}].tool_calls", i),
                          fmt::format("the arguments of a call in 'messages[{}].tool_calls' are no "
                                      "JSON: {}",
                                      i, Message(value.status())));
      }
      arguments = TakesArgumentsAsValues(model) ? *std::move(value) : Json(DumpJson(*value));
    }
  }
  return absl::OkStatus();
}

Json PrepareTools(const ServedModel& model, const Json& tools) {
  if (model.tool_format != text::ToolFormat::kHarmony) return tools;
  Json prepared = tools;
  for (Json& tool : prepared) {
    Json& function = tool["function"];
    if (FindField(function, "description") == nullptr) function["description"] = "";
  }
  return prepared;
}

}  // namespace switchyard::gateway
