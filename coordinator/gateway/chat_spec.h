// From a chat request, in whichever dialect it came, to a generation that is ready for the engine.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_CHAT_SPEC_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_CHAT_SPEC_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/scheduling_fields.h"

namespace switchyard::gateway {

// Renders, encodes and checks it: the model's name, the room that the context leaves, thoughts and
// calls, the grammar that calls are held to. Errors as of ReadOrigin, request_builder and
// tool_binding. Takes as long as the prompt is long: not for I/O threads.
absl::StatusOr<CompletionSpec> BuildChatSpec(const CompletionContext& context,
                                             const ChatCompletionRequest& request,
                                             const RequestOrigin& origin);

// The tokens of its prompt alone, whatever the context leaves. Errors and time as above.
absl::StatusOr<std::vector<int32_t>> EncodeChatPrompt(const ServedModel& model,
                                                      const ChatCompletionRequest& request);

// The fields of the request that change nothing: unknown ones, an effort of reasoning where the
// model's template knows of none, and that there shall be no thoughts where it cannot be told so.
std::vector<std::string> IgnoredFields(const ServedModel& model,
                                       const ChatCompletionRequest& request);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_CHAT_SPEC_H_
