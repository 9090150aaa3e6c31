// How a chat request wants its answer read: thoughts apart, tool calls found.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_CHAT_OPTIONS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_CHAT_OPTIONS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/served_model.h"
#include "coordinator/text/answer_parser.h"

namespace switchyard::gateway {

struct ChatOptions {
  // What a request says about calling one of its tools (`tool_choice`).
  enum class ToolChoice {
    kNone,      // the model is not told of the tools
    kAuto,      // as the model likes
    kRequired,  // at least one call of any tool
    kNamed,     // one call of `named_tool`
  };

  struct Tool {
    std::string name;  // text::IsToolName; no two have the same
    Json parameters;   // null: any
    bool strict = false;
  };

  bool include_reasoning = true;
  std::vector<Tool> tools;
  ToolChoice tool_choice = ToolChoice::kNone;
  std::string named_tool;
  bool parallel_tool_calls = true;

  // Whether the answer must be calls.
  bool demands_call() const {
    return tool_choice == ToolChoice::kRequired || tool_choice == ToolChoice::kNamed;
  }
};

// What a tool says of its function, but for its name: types alone. `parameters` is what the dialect
// calls them.
absl::Status CheckFunction(const RequestFields& function, const char* parameters = "parameters");

// INVALID_ARGUMENT with the field as param. REQUIRES: `tools`, if there, is a list of functions
// that passed CheckFunction.
absl::StatusOr<ChatOptions> ReadChatOptions(const RequestFields& request);

// Sets what `form` says of thoughts and calls. FAILED_PRECONDITION if the model's calls cannot be
// read. `prompt` is the rendered one.
absl::Status ApplyChatOptions(const ServedModel& model, const ChatOptions& options,
                              std::span<const int32_t> prompt, text::AnswerForm* form);

// The value of a past call's arguments: text is JSON, and none (null, an empty text) an empty
// object.
absl::StatusOr<Json> ReadArguments(const Json& given);
// Whether the model's template takes them so; else as text, whatever it says.
bool TakesArgumentsAsValues(const ServedModel& model);

// The messages as the model's template takes them: arguments of past tool calls as text or as
// values, by the template's form of calls. INVALID_ARGUMENT if text is wanted as a value and is no
// JSON.
absl::Status PrepareToolCalls(const ServedModel& model, Json* messages);

// The tools as the model's template takes them: gpt-oss's adds each description to a text.
Json PrepareTools(const ServedModel& model, const Json& tools);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_CHAT_OPTIONS_H_
