// Whether a ShardPlan is whole and at one with itself: the coordinator's half of a check in pairs
// (a worker checks what it gets with its own code).
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_PLAN_CHECK_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_PLAN_CHECK_H_

#include <cstdint>

#include "base/status.h"
#include "proto/cluster.pb.h"

namespace switchyard::core {

// The bounds of a plan's numbers.
inline constexpr int32_t kMaxBatchedTokens = 1 << 16;
inline constexpr int32_t kMaxRunning = 1 << 14;
inline constexpr int32_t kMaxBlockTokens = 1024;
inline constexpr int32_t kMaxKvBlocks = 1 << 24;
inline constexpr int32_t kMaxExpandedTokens = 1 << 28;
inline constexpr int32_t kMaxDraftTokens = 8;

// FNV-1a 64 over the serialised plan with `hash` 0, whatever the plan's own says.
uint64_t PlanHash(const v1::ShardPlan& plan);

// INVALID_ARGUMENT with every fault, each with field, value and what is allowed.
absl::Status CheckShardPlan(const v1::ShardPlan& plan);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_PLAN_CHECK_H_
