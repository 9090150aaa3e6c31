// Holds answers to tool calls by a grammar: where a request demands a call, has strict tools, or
// lets the answer be a call or of another form.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_TOOL_BINDING_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_TOOL_BINDING_H_

#include "base/status.h"
#include "coordinator/gateway/chat_options.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/served_model.h"

namespace switchyard::gateway {

// Sets the grammar of `fields` where one must hold the calls, and says whether: to be called before
// BuildSpec.
//   A call is demanded: the answer is calls, whatever form it should have otherwise; their
//   arguments satisfy their tools' schemas. A named tool is called once. It may call, and has
//   another form: the one or the other. It may call strict tools: text is free, calls are not.
// INVALID_ARGUMENT, with a param, for parameters that cannot be held to. Takes as long as the
// grammar compiler's limits let it: not for I/O threads.
absl::StatusOr<bool> BindToolCalls(const ServedModel& model, const ChatOptions& options,
                                   GenerationFields* fields);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_TOOL_BINDING_H_
