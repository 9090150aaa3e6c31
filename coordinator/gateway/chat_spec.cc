#include "coordinator/gateway/chat_spec.h"

#include <utility>
#include <vector>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/reasoning_effort.h"
#include "coordinator/gateway/request_builder.h"
#include "coordinator/gateway/tool_binding.h"

namespace switchyard::gateway {
namespace {

bool IsBound(const ServedModel& model, const GenerationFields& generation) {
  return model.harmony && generation.grammar != nullptr;
}
bool IsContinued(const ServedModel& model, const ChatCompletionRequest& request) {
  return model.harmony && request.chat.continue_final_message;
}

// The prompt of a request whose calls are bound or not, as of EncodeChat.
absl::StatusOr<std::vector<int32_t>> EncodePrompt(const ServedModel& model,
                                                  const ChatCompletionRequest& request,
                                                  const GenerationFields& generation,
                                                  bool calls_are_bound, int32_t max_tokens) {
  SY_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, EncodeChat(model, request.chat, max_tokens));
  const bool is_continued = IsContinued(model, request);
  if (is_continued && calls_are_bound) {
    return ParamError("tool_choice",
                      "this model cannot call a tool within the message that it goes on with",
                      kUnsupportedParameter);
  }
  if (!IsBound(model, generation) || calls_are_bound || is_continued) return tokens;
  // The form is that of the final channel's message.
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> head,
                      text::ChannelHead(*model.tokenizer, *model.harmony, text::kFinalChannel));
  tokens.insert(tokens.end(), head.begin(), head.end());
  return tokens;
}

}  // namespace

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
  SY_ASSIGN_OR_RETURN(std::vector<int32_t> tokens,
                      EncodePrompt(model, request, generation, calls_are_bound, context_length));
  SY_ASSIGN_OR_RETURN(CompletionSpec spec,
                      BuildSpec(model, context_length, generation, std::move(tokens)));
  SY_RETURN_IF_ERROR(ApplyChatOptions(model, request.options, spec.prompt_tokens, &spec.form));
  spec.form.calls_are_bound = calls_are_bound;
  spec.form.calls_are_demanded = calls_are_bound && request.options.demands_call();
  const bool is_continued = IsContinued(model, request);
  // One message, whose head is known.
  if (IsBound(model, generation) || is_continued) spec.form.harmony.reset();
  if (is_continued) spec.form.tools.reset();  // calls are messages of their own
  return spec;
}

absl::StatusOr<std::vector<int32_t>> EncodeChatPrompt(const ServedModel& model,
                                                      const ChatCompletionRequest& request) {
  GenerationFields generation = request.generation;
  SY_RETURN_IF_ERROR(CheckModelName(model, generation.model));
  SY_ASSIGN_OR_RETURN(const bool calls_are_bound,
                      BindToolCalls(model, request.options, &generation));
  return EncodePrompt(model, request, generation, calls_are_bound, kAnyNumber);
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
