// From a checked request to the completions that answer it, over HTTP or gRPC.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/gateway/answer_sinks.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/openai_types.h"

namespace switchyard::gateway {

// `specs` below are the request's, one for each prompt, at least one.

AnswerShape ShapeOf(const GenerationFields& fields, const std::vector<CompletionSpec>& specs);

// What the choices hold beside their text. `echoes`: each prompt's text, or empty.
void SetShown(const GenerationFields& fields, const std::vector<CompletionSpec>& specs,
              std::vector<std::string> echoes, AnswerHead* head);

// The memory that the request's log probabilities of whole vocabularies take, for all of its
// choices; none for a request that does not ask for them. Errors as of LogprobMemory.
absl::StatusOr<LogprobLease> LeaseLogprobs(CompletionContext& context,
                                           const GenerationFields& fields,
                                           const std::vector<CompletionSpec>& specs,
                                           int64_t bytes_per_logprob);

// What the log probabilities of likeliest tokens beside those of prompts take of the answer's
// stream, about, at so many bytes each: all at once, so that so much more may pile up there. A
// message of gRPC names their tokens, too.
inline constexpr int64_t kMessageBytesPerLikeliest = 16;
int64_t PromptLikeliestBytes(const GenerationFields& fields,
                             const std::vector<CompletionSpec>& specs, int64_t bytes_each);

// Prompts of so many tokens are computed once for all choices.
inline constexpr int32_t kMinSharedPromptTokens = 256;

// Starts as many completions as `answer` has sinks for; the first that cannot start ends the
// answer. Where there is one prompt, and it is long, the first goes alone until its first token
// comes: the others then find their prompt in the prefix cache.
void StartAnswer(CompletionContext& context, AnswerShape shape, std::vector<CompletionSpec> specs,
                 const std::shared_ptr<Answer>& answer);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_
