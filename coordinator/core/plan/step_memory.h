// What a rank keeps for its steps: memory that the largest step decides, not the model's weights.
// Each function says what the worker's class of that name allocates.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_STEP_MEMORY_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_STEP_MEMORY_H_

#include <cstdint>

#include "coordinator/core/plan/packed_linear.h"
#include "proto/cluster.pb.h"

namespace switchyard::core {

// Of a prompt's keys and values, expanded at once.
inline constexpr int64_t kTileTokens = 256;

// Of one rank.
struct RankShape {
  BackendKind backend = BackendKind::kCpu;
  int64_t local_experts = 0;
  int64_t most_local_experts = 0;  // of any rank
  int64_t vocab_rows = 0;
};

// ActivationArena: Model::ArenaBytes and the logits.
int64_t ArenaBytes(const v1::ShardPlan& plan, const RankShape& rank);

// DeviceGather.
int64_t GatherBytes(const v1::ShardPlan& plan);

// CountedExchange and FixedExchange, where the model has experts.
int64_t ExchangeBytes(const v1::ShardPlan& plan, const RankShape& rank);

// Working memory of ops (CpuScratch, CudaScratch), if all tokens of all ranks come to this rank's
// experts in one step: an upper estimate.
int64_t WorkingBytes(const v1::ShardPlan& plan, const RankShape& rank);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_STEP_MEMORY_H_
