#include "coordinator/core/plan/sharding_planner.h"

#include <algorithm>
#include <string>

#include "base/units.h"
#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/plan_check.h"
#include "coordinator/core/plan/topology.h"

namespace switchyard::core {
namespace {

// The rank that needs most beside its cache, and what it needs.
struct FullestRank {
  int32_t rank = 0;
  int64_t weight_bytes = 0;
  int64_t activation_bytes = 0;

  int64_t Total() const { return weight_bytes + activation_bytes; }
};

FullestRank FindFullestRank(const v1::ShardPlan& plan) {
  FullestRank fullest;
  for (int32_t rank = 0; rank < World(plan.layout()); ++rank) {
    const FullestRank candidate{.rank = rank,
                                .weight_bytes = RankWeightBytes(plan, rank).Total(),
                                .activation_bytes = ActivationBytes(plan, rank)};
    if (candidate.Total() > fullest.Total()) fullest = candidate;
  }
  return fullest;
}

// Blocks that `bytes` hold, at most what the limits can fill.
int32_t BlocksIn(const v1::ShardPlan& plan, int64_t bytes) {
  const int64_t block_bytes = plan.kv().block_tokens() * KvBytesPerToken(plan);
  const int64_t longest = CeilDiv(plan.model().max_position_embeddings(), plan.kv().block_tokens());
  return static_cast<int32_t>(std::min(
      {bytes / block_bytes, longest * plan.limits().max_running(), int64_t{kMaxKvBlocks}}));
}

// REQUIRES: every other number of `plan` is checked.
absl::StatusOr<int32_t> ChooseNumBlocks(const v1::ShardPlan& plan, const PlanRequest& request) {
  const std::string block = FormatBytes(plan.kv().block_tokens() * KvBytesPerToken(plan));
  if (request.kv_bytes_per_rank > 0) {
    const int32_t num_blocks = BlocksIn(plan, request.kv_bytes_per_rank);
    if (num_blocks > 0) return num_blocks;
    return absl::ResourceExhaustedError(
        fmt::format("{} per rank for the KV cache do not hold one block of {} tokens ({})",
                    FormatBytes(request.kv_bytes_per_rank), plan.kv().block_tokens(), block));
  }
  const FullestRank fullest = FindFullestRank(plan);
  const int64_t left = request.memory_bytes_per_rank - fullest.Total();
  const int32_t num_blocks = left > 0 ? BlocksIn(plan, left) : 0;
  if (num_blocks > 0) return num_blocks;
  return absl::ResourceExhaustedError(
      fmt::format("{} of memory per rank are too little: rank {} needs {} for weights, {} for "
                  "activations and {} for each block of the KV cache; "
                  "use more ranks, a smaller max_batched_tokens, or more memory",
                  FormatBytes(request.memory_bytes_per_rank), fullest.rank,
                  FormatBytes(fullest.weight_bytes), FormatBytes(fullest.activation_bytes), block));
}

}  // namespace

absl::StatusOr<v1::ShardPlan> MakeShardPlan(const v1::ModelSpec& model,
                                            const PlanRequest& request) {
  SY_RETURN_IF_ERROR(CheckLayout(model, request.data_parallel, request.tensor_parallel));
  if (request.kv_num_blocks < 0 || request.kv_bytes_per_rank < 0 ||
      request.memory_bytes_per_rank < 0 ||
      (request.kv_num_blocks == 0 && request.kv_bytes_per_rank == 0 &&
       request.memory_bytes_per_rank == 0)) {
    return absl::InvalidArgumentError(
        "the KV cache has no size: give blocks, bytes per rank, or the memory of a rank, none "
        "below 0");
  }
  v1::ShardPlan plan;
  plan.set_epoch(request.epoch);
  *plan.mutable_model() = model;
  plan.mutable_layout()->set_data_parallel(request.data_parallel);
  plan.mutable_layout()->set_tensor_parallel(request.tensor_parallel);
  plan.mutable_layout()->set_virtual_shards(VirtualShards(model));
  plan.set_compute(request.compute);
  if (model.has_moe())
    *plan.mutable_placement() =
        PlaceExperts(model.moe().num_routed_experts(), World(plan.layout()));
  plan.mutable_limits()->set_max_batched_tokens(request.max_batched_tokens);
  plan.mutable_limits()->set_max_running(request.max_running);
  *plan.mutable_drafts() = request.drafts;
  plan.mutable_kv()->set_block_tokens(request.kv_block_tokens);
  // Every number is checked before it sizes the cache; 1 stands for the number that is still to be
  // found.
  plan.mutable_kv()->set_num_blocks(std::max(request.kv_num_blocks, 1));
  plan.set_hash(PlanHash(plan));
  SY_RETURN_IF_ERROR(CheckShardPlan(plan));
  if (request.kv_num_blocks == 0) {
    SY_ASSIGN_OR_RETURN(const int32_t num_blocks, ChooseNumBlocks(plan, request));
    plan.mutable_kv()->set_num_blocks(num_blocks);
    plan.set_hash(PlanHash(plan));
  }
  return plan;
}

}  // namespace switchyard::core
