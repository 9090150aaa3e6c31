#include "worker/parallel/exchange_set.h"

#include <algorithm>

#include "worker/parallel/step_sizes.h"

namespace switchyard::worker {

using kernels::DType;

absl::StatusOr<std::unique_ptr<ExchangeSet>> ExchangeSet::Create(const v1::ShardPlan& plan,
                                                                 const ParallelContext& context,
                                                                 kernels::Ops& ops,
                                                                 Collectives& world) {
  std::unique_ptr<ExchangeSet> set(new ExchangeSet(plan, context, ops, world));
  const DType act = ops.activation_dtype();
  // BF16 loses nothing on the way to products in BF16.
  const DType wire = plan.compute() == v1::COMPUTE_MODE_BF16 ? DType::kBf16 : act;
  // Where the host's memory is the device's, counts cost no wait.
  const bool fixed = wire == act && !ops.device().shares_host_memory();
  if (fixed) SY_RETURN_IF_ERROR(set->MakeFixed(plan));
  if (!fixed || world.size() > 1) SY_RETURN_IF_ERROR(set->MakeCounted(plan, wire));
  return set;
}

ExchangeSet::ExchangeSet(const v1::ShardPlan& plan, const ParallelContext& context,
                         kernels::Ops& ops, Collectives& world)
    : limits_(plan.limits()),
      context_(context),
      ops_(ops),
      world_(world),
      tables_(context, ops.device()) {}

absl::Status ExchangeSet::MakeFixed(const v1::ShardPlan& plan) {
  const int64_t drafts = std::max(plan.drafts().max_tokens(), plan.drafts().max_forced());
  const int64_t all = limits_.max_batched_tokens();
  const int64_t decoded = std::min(all, int64_t{limits_.max_running()} * (1 + drafts));
  SY_ASSIGN_OR_RETURN(
      fixed_, FixedExchange::Create(
                  context_,
                  {.hidden_size = plan.model().hidden_size(),
                   .experts_per_token = plan.model().moe().experts_per_token(),
                   .max_slice_tokens = context_.MaxTokenSlice(world_.size() == 1 ? all : decoded)},
                  tables_, ops_, world_));
  return absl::OkStatus();
}

absl::Status ExchangeSet::MakeCounted(const v1::ShardPlan& plan, DType wire) {
  const int count = CutsSteps(limits_) ? 2 : 1;
  for (int i = 0; i < count; ++i) {
    SY_ASSIGN_OR_RETURN(
        counted_[i], CountedExchange::Create(
                         context_,
                         {.hidden_size = plan.model().hidden_size(),
                          .experts_per_token = plan.model().moe().experts_per_token(),
                          .max_slice_tokens = context_.MaxTokenSlice(MostMicroBatchTokens(limits_)),
                          .dispatch_wire = wire,
                          .combine_wire = wire,
                          .place = i},
                         tables_, ops_, world_));
  }
  return absl::OkStatus();
}

void ExchangeSet::BeginStep(const v1::StepPlan& plan) {
  if (fixed_ != nullptr) {
    fixed_->BeginStep(MostSliceTokens(plan, context_), PaddedSliceTokens(plan, context_));
  }
  num_micro_batches_ = !is_fixed() && IsCut(plan, limits_) ? 2 : 1;
}

ExpertExchange& ExchangeSet::of(int micro_batch) const {
  if (is_fixed()) return *fixed_;
  return *counted_[micro_batch];
}

absl::Status ExchangeSet::TakeExpertRows(std::span<uint32_t> expert_rows) {
  tables_.Take(expert_rows);
  if (ops_.device().shares_host_memory()) return absl::OkStatus();
  // The wait ends, too, when somebody aborts: an exchange of nothing tells.
  return world_.AllGather(nullptr, nullptr, 0);
}

int64_t ExchangeSet::num_bytes() const {
  int64_t bytes = tables_.num_bytes() + (fixed_ ? fixed_->num_bytes() : 0);
  for (const auto& counted : counted_) bytes += counted ? counted->num_bytes() : 0;
  return bytes;
}

}  // namespace switchyard::worker
