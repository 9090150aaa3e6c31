// From a checked request to the completions that answer it, over HTTP or gRPC.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_

#include <cstdint>
#include <memory>

#include "coordinator/gateway/answer_sinks.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/openai_types.h"

namespace switchyard::gateway {

// What the choices hold beside their text.
void SetLogprobs(const GenerationFields& fields, const CompletionSpec& spec, AnswerHead* head);

// Prompts of so many tokens are computed once for all choices.
inline constexpr int32_t kMinSharedPromptTokens = 256;

// Starts as many completions as the request asks for; the first that cannot start ends the answer.
// Where the prompt is long, the first goes alone until its first token comes: the others then find
// their prompt in the prefix cache.
void StartAnswer(CompletionContext& context, const GenerationFields& fields,
                 const CompletionSpec& spec, const std::shared_ptr<Answer>& answer);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_
