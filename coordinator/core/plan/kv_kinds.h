// Which layers share a pool of cache blocks (docs/kv-kinds.md): all of them, or those with a window
// apart from the others, where that saves memory.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_KV_KINDS_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_KV_KINDS_H_

#include <cstdint>

#include "coordinator/core/plan/packed_linear.h"
#include "proto/cluster.pb.h"

namespace switchyard::core {

// Sets the windows' part of plan->kv() by its num_blocks: none where no layer has a window, or
// where as many blocks as there are others do not suffice for the most that running sequences can
// see. REQUIRES: model, drafts, limits and kv of the plan are set.
void SetKvKinds(v1::ShardPlan* plan);

// Bytes of one token in the layers of each kind, on every rank of a group.
struct KvTokenBytes {
  int64_t others = 0;    // of layers without a window; of all layers where they are one kind
  int64_t windowed = 0;  // of those with a window, where plan.kv() has blocks for them
};
KvTokenBytes KvTokenBytesOf(const v1::ShardPlan& plan, BackendKind backend);

// The cache of every rank of a group, both kinds, as plan.kv() has them.
int64_t KvBytes(const v1::ShardPlan& plan, BackendKind backend);
// And what it would take with so many blocks.
int64_t KvBytesOf(const v1::ShardPlan& plan, int64_t num_blocks, BackendKind backend);

// The most blocks that `bytes` hold, without another limit.
int64_t KvBlocksIn(const v1::ShardPlan& plan, int64_t bytes, BackendKind backend);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_KV_KINDS_H_
