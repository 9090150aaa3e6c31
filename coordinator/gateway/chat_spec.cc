#include "coordinator/gateway/chat_spec.h"

#include <utility>
#include <vector>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/reasoning_effort.h"
#include "coordinator/gateway/request_builder.h"
#include "coordinator/gateway/tool_binding.h"

namespace switchyard::gateway {

absl::StatusOr<CompletionSpec> BuildChatSpec(const CompletionContext& context,
                                             const ChatCompletionRequest& request,
                                             const RequestOrigin& origin) {
  const ServedModel& model = *context.model;
  GenerationFields generation = request.generation;
  SY_RETURN_IF_ERROR(CheckModelName(model, generation.model));
  SY_RETURN_IF_ERROR(ReadOrigin(origin, &generation.scheduling));
  SY_ASSIGN_OR_RETURN(const bool calls_are_bound,
                      BindToolCalls(model, request.options, &generation));
  const int32_t context_length = ContextLength(model, *context.engine);
  SY_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, EncodeChat(model, request.chat, context_length));
  const bool is_bound = model.harmony && generation.grammar != nullptr;
  const bool is_continued = model.harmony && request.chat.continue_final_message;
  if (is_continued && calls_are_bound) {
    return ParamError("tool_choice",
                      "this model cannot call a tool within the message that it goes on with",
                      kUnsupportedParameter);
  }
  if (is_bound && !calls_are_bound &&
      !is_continued) {  // the form is that of the final channel's message
    SY_ASSIGN_OR_RETURN(const std::vector<int32_t> head,
                        text::ChannelHead(*model.tokenizer, *model.harmony, text::kFinalChannel));
    tokens.insert(tokens.end(), head.begin(), head.end());
  }
  SY_ASSIGN_OR_RETURN(CompletionSpec spec,
                      BuildSpec(model, context_length, generation, std::move(tokens)));
  SY_RETURN_IF_ERROR(ApplyChatOptions(model, request.options, spec.prompt_tokens, &spec.form));
  spec.form.calls_are_bound = calls_are_bound;
  spec.form.calls_are_demanded = calls_are_bound && request.options.demands_call();
  if (is_bound || is_continued) spec.form.harmony.reset();  // one message, whose head is known
  if (is_continued) spec.form.tools.reset();                // calls are messages of their own
  return spec;
}

std::vector<std::string> IgnoredFields(const ServedModel& model,
                                       const ChatCompletionRequest& request) {
  std::vector<std::string> names = request.unknown_fields;
  const std::string& effort = request.chat.effort_field;
  if (!effort.empty() && !KnowsReasoningEffort(model)) names.push_back(effort);
  const std::string& no_thoughts = request.chat.no_thoughts_field;
  if (!no_thoughts.empty() && !CanLeaveOutThoughts(model)) names.push_back(no_thoughts);
  return names;
}

}  // namespace switchyard::gateway
