// What a rank's weights take as its backend packs them.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_WEIGHT_MEMORY_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_WEIGHT_MEMORY_H_

#include <cstdint>

#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/packed_linear.h"
#include "proto/cluster.pb.h"

namespace switchyard::core {

// `num_experts` routed experts in every layer that has them. REQUIRES: a plan that CheckShardPlan
// accepts, up to `kv` and `hash`; rank in the world.
WeightBytes PackedWeightBytes(const v1::ShardPlan& plan, int32_t rank, int64_t num_experts,
                              BackendKind backend);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_WEIGHT_MEMORY_H_
