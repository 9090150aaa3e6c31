// From a request to continue one or several texts, over HTTP or gRPC, to generations that are ready
// for the engine.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_TEXT_SPEC_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_TEXT_SPEC_H_

#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/scheduling_fields.h"

namespace switchyard::gateway {

// One for each prompt, in their order: encoded and checked, the model's name, the tokens, the room
// that the context leaves. Errors as of ReadOrigin and request_builder; of several prompts they say
// which ("prompt[2]"). Takes as long as the prompts are long: not for I/O threads.
absl::StatusOr<std::vector<CompletionSpec>> BuildTextSpecs(const CompletionContext& context,
                                                           const CompletionRequest& request,
                                                           const RequestOrigin& origin);

// Each prompt's text, where the request has it echoed; else empty. `specs` are the request's.
std::vector<std::string> EchoesOf(const ServedModel& model, const CompletionRequest& request,
                                  const std::vector<CompletionSpec>& specs);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_TEXT_SPEC_H_
