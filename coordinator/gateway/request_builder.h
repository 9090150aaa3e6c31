// Checked fields of a request -> the tokens and limits that the engine gets. Shared by HTTP and
// gRPC.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_REQUEST_BUILDER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_REQUEST_BUILDER_H_

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/served_model.h"

namespace switchyard::gateway {

inline constexpr int32_t kAnyNumber = std::numeric_limits<int32_t>::max();  // of tokens

// NOT_FOUND (model_not_found) unless `name` is empty or the served model's.
absl::Status CheckModelName(const ServedModel& model, std::string_view name);

// The prompt's ids. Takes as long as its text is long: not for I/O threads. A text that has more
// bytes than `max_tokens` tokens can stand for is refused first (context_length_exceeded).
//   chat: the model's template, whose own text alone may spell special tokens; INVALID_ARGUMENT if
//   it refuses the messages. text: raw text; the writer of a raw prompt may spell special tokens,
//   and the model's start token is added. tokens: taken as they are; INVALID_ARGUMENT for one
//   outside the vocabulary.
absl::StatusOr<std::vector<int32_t>> EncodeChat(const ServedModel& model, const ChatFields& chat,
                                                int32_t max_tokens = kAnyNumber);
absl::StatusOr<std::vector<int32_t>> EncodeText(const ServedModel& model, std::string_view text,
                                                int32_t max_tokens);
absl::Status CheckTokens(const ServedModel& model, const std::vector<int32_t>& tokens);

// Tokens that prompt and answer can have: the model's context, or less where the engine's cache
// holds less.
int32_t ContextLength(const ServedModel& model, const core::Engine& engine);

// INVALID_ARGUMENT if the prompt is empty, or (context_length_exceeded, with the numbers) if prompt
// and max_tokens do not fit the context, or for more likeliest tokens than the server gives; with
// the field that is to be changed. REQUIRES: `fields` passed CheckGeneration.
absl::StatusOr<CompletionSpec> BuildSpec(const ServedModel& model, int32_t context_length,
                                         const GenerationFields& fields,
                                         std::vector<int32_t> prompt_tokens);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_REQUEST_BUILDER_H_
