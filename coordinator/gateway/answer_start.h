// From a checked request to the completions that answer it, over HTTP or gRPC.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_

#include <memory>

#include "coordinator/gateway/answer_sinks.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/openai_types.h"

namespace switchyard::gateway {

// What the choices hold beside their text.
void SetLogprobs(const GenerationFields& fields, const CompletionSpec& spec, AnswerHead* head);

// Starts as many completions as the request asks for. The first that cannot start ends the answer.
void StartAnswer(CompletionContext& context, const GenerationFields& fields,
                 const CompletionSpec& spec, const std::shared_ptr<Answer>& answer);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_
