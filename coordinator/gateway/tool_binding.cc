#include "coordinator/gateway/tool_binding.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/structured_fields.h"
#include "coordinator/text/grammar/either.h"
#include "coordinator/text/grammar/tool_grammar.h"
#include "coordinator/text/tool_call_layout.h"

namespace switchyard::gateway {

namespace {

using ToolChoice = ChatOptions::ToolChoice;

absl::StatusOr<v1::Grammar> CompileCalls(const ServedModel& model, const ChatOptions& options,
                                         bool must_call) {
  const bool is_named = options.tool_choice == ToolChoice::kNamed;
  text::grammar::ToolCallRules rules = {.format = *model.tool_format,
                                        .must_call = must_call,
                                        .may_repeat = options.parallel_tool_calls && !is_named &&
                                                      text::LayoutOf(*model.tool_format).may_repeat,
                                        .reasoning = model.reasoning};
  for (size_t i = 0; i < options.tools.size(); ++i) {
    const ChatOptions::Tool& tool = options.tools[i];
    if (is_named && tool.name != options.named_tool) continue;
    rules.tools.push_back(
        {.name = tool.name,
         .parameters = options.demands_call() || tool.strict ? tool.parameters : Json(),
         .where = fmt::format("tools[{}]", i)});
  }
  return text::grammar::CompileToolCalls(rules, *model.tokenizer);
}

}  // namespace

absl::StatusOr<bool> BindToolCalls(const ServedModel& model, const ChatOptions& options,
                                   GenerationFields* fields) {
  // Without a form of calls ApplyChatOptions refuses the tools.
  if (options.tool_choice == ToolChoice::kNone || !model.tool_format) return false;
  const bool may_choose = options.tool_choice == ToolChoice::kAuto;
  const bool has_other_form = may_choose && fields->grammar != nullptr;
  const bool is_strict = std::any_of(options.tools.begin(), options.tools.end(),
                                     [](const auto& tool) { return tool.strict; });
  if (may_choose && !has_other_form && !is_strict) return false;
  if (may_choose && !text::LayoutOf(*model.tool_format).may_be_free) {
    if (!has_other_form) return false;  // calls are read as the model writes them
    return WithParam(absl::InvalidArgumentError(
                         "this model's answers cannot be held to a form and call tools: leave one "
                         "of both out, or demand a call by 'tool_choice'"),
                     "tools", kUnsupportedParameter);
  }
  absl::StatusOr<v1::Grammar> grammar =
      CompileCalls(model, options, /*must_call=*/!may_choose || has_other_form);
  if (grammar.ok() && has_other_form) grammar = text::grammar::Either(*grammar, *fields->grammar);
  if (!grammar.ok()) return WithParam(grammar.status(), "tools");
  SY_RETURN_IF_ERROR(CheckGrammarSize(*grammar, "tools"));
  fields->grammar = std::make_shared<const v1::Grammar>(*std::move(grammar));
  return true;
}

}  // namespace switchyard::gateway
