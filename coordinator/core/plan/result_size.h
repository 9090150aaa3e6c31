// How large the result of a step can be (StepResult, proto/step.proto): it travels as one message,
// and one that is larger than its receiver takes ends the cluster.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_RESULT_SIZE_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_RESULT_SIZE_H_

#include <cstdint>

#include "base/units.h"

namespace switchyard::core {

// Of it, log probabilities of the whole vocabulary.
inline constexpr int64_t kFullLogprobBytes = 4 * kMiB;

// Bytes of one group's result at most, where `max_running` requests run and each may have the log
// probabilities of `max_likeliest` tokens reported beside each of its own.
int64_t MaxResultBytes(int64_t max_running, int64_t max_likeliest);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_RESULT_SIZE_H_
