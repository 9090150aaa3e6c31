#include "coordinator/gateway/tool_binding.h"

#include <memory>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/structured_fields.h"
#include "coordinator/text/grammar/tool_grammar.h"

namespace switchyard::gateway {

absl::Status BindToolCalls(const ServedModel& model, const ChatOptions& options,
                           GenerationFields* fields) {
  using ToolChoice = ChatOptions::ToolChoice;
  // Without a form of calls ApplyChatOptions refuses the tools.
  if (!BindsToolCalls(options) || !model.tool_format) return absl::OkStatus();
  if (fields->grammar != nullptr) {
    return ParamError("tool_choice",
                      "tool calls that a grammar holds (a 'tool_choice' that demands a call, or "
                      "strict tools) and another form of the answer exclude each other");
  }
  const bool is_named = options.tool_choice == ToolChoice::kNamed;
  text::grammar::ToolCallRules rules = {.format = *model.tool_format,
                                        .must_call = options.tool_choice != ToolChoice::kAuto,
                                        .may_repeat = options.parallel_tool_calls && !is_named,
                                        .reasoning = model.reasoning};
  for (size_t i = 0; i < options.tools.size(); ++i) {
    const ChatOptions::Tool& tool = options.tools[i];
    if (is_named && tool.name != options.named_tool) continue;
    const bool by_schema = rules.must_call || tool.strict;
    rules.tools.push_back({.name = tool.name,
                           .parameters = by_schema ? tool.parameters : Json(),
                           .where = fmt::format("tools[{}]", i)});
  }
  absl::StatusOr<v1::Grammar> grammar = text::grammar::CompileToolCalls(rules, *model.tokenizer);
  if (!grammar.ok()) return WithParam(grammar.status(), "tools");
  SY_RETURN_IF_ERROR(CheckGrammarSize(*grammar, "tools"));
  fields->grammar = std::make_shared<const v1::Grammar>(*std::move(grammar));
  return absl::OkStatus();
}

}  // namespace switchyard::gateway
