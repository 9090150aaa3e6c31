// How many places a token's experts are spread over: what the exchange between them must carry.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_EXPERT_SPREAD_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_EXPERT_SPREAD_H_

#include <cstdint>

#include "proto/model.pb.h"

namespace switchyard::core {

// Experts spread contiguously and evenly over `parts` (hosts, or ranks); every choice of groups,
// and of experts in them, is as likely as any other. The expected number of parts that hold one of
// a token's experts at least. REQUIRES: 0 < parts.
double ExpectedParts(const v1::MoeSpec& moe, int64_t parts);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_EXPERT_SPREAD_H_
