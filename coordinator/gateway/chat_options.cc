#include "coordinator/gateway/chat_options.h"

#include <algorithm>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

using ToolChoice = ChatOptions::ToolChoice;

absl::Status ReadToolNames(const Json& tools, std::vector<std::string>* names) {
  for (size_t i = 0; i < tools.size(); ++i) {
    const Json& function = tools[i].at("function");
    const std::string where = fmt::format("tools[{}]", i);
    bool strict = false;
    SY_RETURN_IF_ERROR(ReadBool(function, "strict", &strict));
    if (strict) {
      return ParamError(where, fmt::format("'{}' is strict, which is not supported yet", where),
                        kUnsupportedParameter);
    }
    std::string name = function.at("name").get<std::string>();
    if (std::find(names->begin(), names->end(), name) != names->end()) {
      return ParamError(where, fmt::format("'{}' has the name of a tool before it", where));
    }
    names->push_back(std::move(name));
  }
  return absl::OkStatus();
}

// {"type": "function", "function": {"name": ...}}
absl::Status ReadNamedChoice(const Json& choice, ChatOptions* options) {
  const Json* function = choice.is_object() ? FindField(choice, "function") : nullptr;
  const Json* name =
      function != nullptr && function->is_object() ? FindField(*function, "name") : nullptr;
  if (name == nullptr || !name->is_string()) {
    return ParamError("tool_choice",
                      "'tool_choice' must be none, auto, required, or a function by its name");
  }
  options->tool_choice = ToolChoice::kNamed;
  options->named_tool = name->get<std::string>();
  const auto& names = options->tool_names;
  if (std::find(names.begin(), names.end(), options->named_tool) != names.end()) {
    return absl::OkStatus();
  }
  return ParamError("tool_choice", "'tool_choice' names a function that is not in 'tools'");
}

absl::Status ReadToolChoice(const Json& request, ChatOptions* options) {
  options->tool_choice = options->tool_names.empty() ? ToolChoice::kNone : ToolChoice::kAuto;
  const Json* choice = FindField(request, "tool_choice");
  if (choice == nullptr || *choice == "auto") return absl::OkStatus();
  if (*choice == "none") {
    options->tool_choice = ToolChoice::kNone;
  } else if (*choice != "required") {
    return ReadNamedChoice(*choice, options);
  } else if (options->tool_names.empty()) {
    return ParamError("tool_choice", "'tool_choice' is required, and 'tools' has none");
  } else {
    options->tool_choice = ToolChoice::kRequired;
  }
  return absl::OkStatus();
}

// Whoever must call a tool is held to it by a grammar over the model's form of calls. NOTE: this is
// the place to ask for that grammar; without one the choice is refused, since a model may do what
// it likes.
absl::Status RequireToolGrammar(const ChatOptions& options) {
  if (options.tool_choice != ToolChoice::kRequired && options.tool_choice != ToolChoice::kNamed) {
    return absl::OkStatus();
  }
  return ParamError("tool_choice", "this value of 'tool_choice' is not supported; use auto or none",
                    kUnsupportedParameter);
}

}  // namespace

absl::StatusOr<ChatOptions> ReadChatOptions(const Json& request) {
  ChatOptions options;
  SY_RETURN_IF_ERROR(ReadBool(request, "include_reasoning", &options.include_reasoning));
  SY_RETURN_IF_ERROR(ReadBool(request, "parallel_tool_calls", &options.parallel_tool_calls));
  if (const Json* tools = FindField(request, "tools")) {
    SY_RETURN_IF_ERROR(ReadToolNames(*tools, &options.tool_names));
  }
  SY_RETURN_IF_ERROR(ReadToolChoice(request, &options));
  SY_RETURN_IF_ERROR(RequireToolGrammar(options));
  return options;
}

absl::Status ApplyChatOptions(const ServedModel& model, const ChatOptions& options,
                              std::span<const int32_t> prompt, text::AnswerForm* form) {
  form->reasoning = model.reasoning;
  form->reasoning_opened =
      model.reasoning && text::OpensReasoning(*model.tokenizer, *model.reasoning, prompt);
  form->include_reasoning = options.include_reasoning;
  if (options.tool_choice == ToolChoice::kNone) return absl::OkStatus();
  if (!model.tool_format) {
    return WithParam(
        absl::FailedPreconditionError("this model's template writes tool calls in no known form; "
                                      "the server's --tool-parser can name one"),
        "tools", kUnsupportedParameter);
  }
  form->tools = model.tool_format;
  form->tool_names = options.tool_names;
  form->parallel_tool_calls = options.parallel_tool_calls;
  return absl::OkStatus();
}

absl::Status PrepareToolCalls(const ServedModel& model, Json* messages) {
  if (!model.tool_format) return absl::OkStatus();
  const bool as_text = text::TakesArgumentsAsText(*model.tool_format);
  for (size_t i = 0; i < messages->size(); ++i) {
    Json& message = (*messages)[i];
    if (FindField(message, "tool_calls") == nullptr) continue;
    for (Json& call : message["tool_calls"]) {
      Json& arguments = call["function"]["arguments"];
      if (as_text && !arguments.is_string()) arguments = DumpJson(arguments);
      if (as_text || !arguments.is_string()) continue;
      absl::StatusOr<Json> value = ParseJson(arguments.get_ref<const std::string&>());
      if (!value.ok()) {
        return ParamError(fmt::format("messages[{}].tool_calls", i),
                          fmt::format("the arguments of a call in 'messages[{}].tool_calls' are no "
                                      "JSON: {}",
                                      i, Message(value.status())));
      }
      arguments = *std::move(value);
    }
  }
  return absl::OkStatus();
}

}  // namespace switchyard::gateway
