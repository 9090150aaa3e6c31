#include "coordinator/gateway/answer_start.h"

#include <utility>

namespace switchyard::gateway {

void SetLogprobs(const GenerationFields& fields, const CompletionSpec& spec, AnswerHead* head) {
  head->with_logprobs = fields.logprobs.answer.has_value();
  head->with_prompt_logprobs = fields.logprobs.prompt.has_value();
  if (spec.sampling.has_prompt_logprobs()) head->prompt_tokens = spec.prompt_tokens;
}

void StartAnswer(CompletionContext& context, const GenerationFields& fields,
                 const CompletionSpec& spec, const std::shared_ptr<Answer>& answer) {
  for (int i = 0; i < fields.best_of; ++i) {
    CompletionSpec choice = spec;
    choice.sampling.set_choice(i);
    const auto completion = Completion::Start(context, std::move(choice), answer->SinkOf(i));
    if (!completion.ok()) return answer->Fail(completion.status());
    answer->Add(*completion);
  }
}

}  // namespace switchyard::gateway
