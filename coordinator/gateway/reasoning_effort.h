// How much a model shall think, as its chat template takes it.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_REASONING_EFFORT_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_REASONING_EFFORT_H_

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/served_model.h"

namespace switchyard::gateway {

// Sets what templates know of it in their `kwargs` (an object), unless it is set there:
// `reasoning_effort` is the word, but for none, and `enable_thinking` whether there is any.
// INVALID_ARGUMENT (param reasoning_effort) unless `effort` is none, minimal, low, medium, high,
// xhigh or max.
absl::Status AddReasoningEffort(const Json& effort, Json* kwargs);

// The word that asks for no thoughts.
bool IsNoEffort(const Json& effort);

// The model's template knows at least one of both.
bool KnowsReasoningEffort(const ServedModel& model);
// The model can be told to have no thoughts, which takes `enable_thinking`, or has none anyway.
bool CanLeaveOutThoughts(const ServedModel& model);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_REASONING_EFFORT_H_
