// From a request to continue a text, over HTTP or gRPC, to a generation that is ready for the
// engine.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_TEXT_SPEC_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_TEXT_SPEC_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/openai_types.h"

namespace switchyard::gateway {

// Encodes and checks it: the model's name, the tokens, the room that the context leaves. Errors as
// of request_builder. Takes as long as the prompt is long: not for I/O threads.
absl::StatusOr<CompletionSpec> BuildTextSpec(const CompletionContext& context,
                                             const CompletionRequest& request,
                                             std::string_view tenant);

// The prompt's text, where the request has it echoed. `spec` is the request's.
std::optional<std::string> EchoOf(const ServedModel& model, const CompletionRequest& request,
                                  const CompletionSpec& spec);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_TEXT_SPEC_H_
