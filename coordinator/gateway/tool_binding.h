// Holds answers to tool calls by a grammar, where a request demands a call or has strict tools.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_TOOL_BINDING_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_TOOL_BINDING_H_

#include "base/status.h"
#include "coordinator/gateway/chat_options.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/served_model.h"

namespace switchyard::gateway {

// Sets the grammar of `fields` if BindsToolCalls(options): to be called before BuildSpec. Where a
// call is demanded all arguments are held to their schemas, else those of strict tools; a named
// tool is called once. INVALID_ARGUMENT, with a param, for parameters that cannot be held to, and
// if the answer shall have another form, too. Takes as long as the grammar compiler's limits let
// it: not for I/O threads.
absl::Status BindToolCalls(const ServedModel& model, const ChatOptions& options,
                           GenerationFields* fields);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_TOOL_BINDING_H_
