// Which layouts a model can have, and who sits where in one. Pure arithmetic over ModelSpec; used
// by sharding_planner and plan_check.
//
// A layout is written "DPxTP": DP attention groups of TP tensor ranks each.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_TOPOLOGY_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_TOPOLOGY_H_

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/status.h"
#include "proto/cluster.pb.h"
#include "proto/model.pb.h"

namespace switchyard::core {

inline constexpr int32_t kMaxWorld = 4096;  // ranks of one cluster
inline constexpr int32_t kMaxVirtualShards = 8;

// Shards of every row-parallel sum: the largest power of two, at most kMaxVirtualShards, that
// divides the heads and cuts the dense MLP into shards of an even number of columns. Depends on the
// model alone, so that all its layouts sum in one order; no tensor-parallel size is larger.
int32_t VirtualShards(const v1::ModelSpec& model);

// The most ranks that a layout may have: each must hold a routed expert, if there are any.
int32_t MaxWorld(const v1::ModelSpec& model);

// OK if `model` can run as dp x tp. INVALID_ARGUMENT says what is wrong and which layouts near to
// it work.
absl::Status CheckLayout(const v1::ModelSpec& model, int32_t dp, int32_t tp);

// "8x1, 4x2, 2x4": for every legal tensor-parallel size the layout whose number of ranks is nearest
// to `world`; nearest first.
std::string NearestLayouts(const v1::ModelSpec& model, int64_t world);

// Spreads the experts contiguously and as evenly as they go: expert e on rank e * world /
// num_experts. REQUIRES: 0 < world <= num_experts.
v1::ExpertPlacement PlaceExperts(int32_t num_experts, int32_t world);

inline int32_t World(const v1::Layout& layout) {
  return layout.data_parallel() * layout.tensor_parallel();
}

// Key-value heads of a rank, which has whole ones, if only one that others have too. REQUIRES:
// grouped-query attention.
inline int32_t RankKvHeads(const v1::ModelSpec& model, int32_t tensor_parallel) {
  return std::max(1, model.gqa().num_kv_heads() / tensor_parallel);
}

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_TOPOLOGY_H_
