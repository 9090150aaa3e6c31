// From a checked request to the completions that answer it, over HTTP or gRPC.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/units.h"
#include "coordinator/gateway/answer_sinks.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/openai_types.h"

namespace switchyard::gateway {

// How an answer tells of log probabilities.
struct LogprobForm {
  int64_t bytes_each;           // of those of a whole vocabulary, about, until they are sent
  int64_t bytes_per_likeliest;  // likewise of one beside a token, and of the token's own
  bool prompt_once = false;     // the prompt's stand beside the choices, and are computed once
};
inline constexpr LogprobForm kChatLogprobs = {.bytes_each = kJsonBytesPerLogprob,
                                              .bytes_per_likeliest = kJsonBytesPerLogprob,
                                              .prompt_once = true};
inline constexpr LogprobForm kCompletionLogprobs = {.bytes_each = kJsonBytesPerLogprob,
                                                    .bytes_per_likeliest = kJsonBytesPerLogprob};
// A message of gRPC has an object for each of the likeliest.
inline constexpr LogprobForm kMessageLogprobs = {.bytes_each = kMessageBytesPerLogprob,
                                                 .bytes_per_likeliest = 64};

// `specs` below are the request's, one for each prompt, at least one.

AnswerShape ShapeOf(const GenerationFields& fields, const std::vector<CompletionSpec>& specs,
                    const LogprobForm& form);

// What the choices hold beside their text. `echoes`: each prompt's text, or empty.
void SetShown(const GenerationFields& fields, const std::vector<CompletionSpec>& specs,
              std::vector<std::string> echoes, AnswerHead* head);

// For log probabilities of whole vocabularies, which are much, and of likeliest tokens beside a
// prompt's, which come all at once.
struct LogprobRoom {
  int64_t num_bytes = 0;  // so much more may pile up of the answer's stream
  LogprobLease lease;     // the part of it that is taken from LogprobMemory
};

// So much for likeliest tokens beside prompts a request has without a lease: as much as may pile up
// of any answer.
inline constexpr int64_t kUnleasedLikeliestBytes = 4 * kMiB;

// For all of the request's choices. Errors as of LogprobMemory.
absl::StatusOr<LogprobRoom> TakeLogprobRoom(CompletionContext& context,
                                            const GenerationFields& fields,
                                            const std::vector<CompletionSpec>& specs,
                                            const LogprobForm& form);

// Prompts of so many tokens are computed once for all choices.
inline constexpr int32_t kMinSharedPromptTokens = 256;

// Starts as many completions as `answer` has sinks for; the first that cannot start ends the
// answer. Where there is one prompt, and it is long, the first goes alone until its first token
// comes: the others then find their prompt in the prefix cache.
void StartAnswer(CompletionContext& context, AnswerShape shape, std::vector<CompletionSpec> specs,
                 const std::shared_ptr<Answer>& answer);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_START_H_
