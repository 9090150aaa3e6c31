#include "worker/parallel/parallel_context.h"

#include "base/units.h"

namespace switchyard::worker {

absl::StatusOr<ParallelContext> ParallelContext::Create(const v1::ShardPlan& plan, int rank) {
  ParallelContext context;
  SY_RETURN_IF_ERROR(context.ReadLayout(plan, rank));
  SY_RETURN_IF_ERROR(context.ReadPlacement(plan));
  return context;
}

absl::Status ParallelContext::ReadLayout(const v1::ShardPlan& plan, int rank) {
  const v1::Layout& layout = plan.layout();
  const int64_t groups = layout.data_parallel();
  const int64_t tensor = layout.tensor_parallel();
  if (groups < 1 || tensor < 1 || groups * tensor > kMaxWorld) {
    return absl::InvalidArgumentError(
        fmt::format("layout of {} groups x {} tensor-parallel ranks: both must be positive, their "
                    "product at most {}",
                    groups, tensor, kMaxWorld));
  }
  if (rank < 0 || rank >= groups * tensor) {
    return absl::InvalidArgumentError(
        fmt::format("rank {} is outside of the layout's {} ranks", rank, groups * tensor));
  }
  const int64_t shards = layout.virtual_shards();
  if (!IsPowerOfTwo(shards) || shards % tensor != 0) {
    return absl::InvalidArgumentError(fmt::format(
        "layout.virtual_shards is {}: must be a power of two and a multiple of tensor_parallel {}",
        shards, tensor));
  }
  if (plan.model().vocab_size() < 1) {
    return absl::InvalidArgumentError(
        fmt::format("model.vocab_size is {}: must be positive", plan.model().vocab_size()));
  }
  rank_ = rank;
  num_groups_ = static_cast<int>(groups);
  tensor_parallel_ = static_cast<int>(tensor);
  virtual_shards_ = static_cast<int>(shards);
  vocab_size_ = plan.model().vocab_size();
  return absl::OkStatus();
}

absl::Status ParallelContext::ReadPlacement(const v1::ShardPlan& plan) {
  const int num_experts = plan.model().has_moe() ? plan.model().moe().num_routed_experts() : 0;
  const auto& placement = plan.placement().rank_of_expert();
  if (placement.size() != num_experts) {
    return absl::InvalidArgumentError(
        fmt::format("placement.rank_of_expert names {} experts, the model has {}", placement.size(),
                    num_experts));
  }
  placement_version_ = plan.placement().version();
  num_experts_on_rank_.assign(world(), 0);
  rank_of_expert_.reserve(num_experts);
  local_index_of_expert_.reserve(num_experts);
  for (int expert = 0; expert < num_experts; ++expert) {
    const int owner = placement[expert];
    if (owner < 0 || owner >= world()) {
      return absl::InvalidArgumentError(fmt::format(
          "placement.rank_of_expert[{}] is {}: the layout has {} ranks", expert, owner, world()));
    }
    rank_of_expert_.push_back(owner);
    local_index_of_expert_.push_back(num_experts_on_rank_[owner]++);
    if (owner == rank_) local_experts_.push_back(expert);
  }
  return absl::OkStatus();
}

}  // namespace switchyard::worker
