// The exchanges of one rank, and which of them a step takes: all ranks choose alike, because the
// choice is a function of the step plan and of the shard plan.
#ifndef SWITCHYARD_WORKER_PARALLEL_EXCHANGE_SET_H_
#define SWITCHYARD_WORKER_PARALLEL_EXCHANGE_SET_H_

#include <memory>
#include <span>

#include "kernels/ops.h"
#include "proto/cluster.pb.h"
#include "proto/step.pb.h"
#include "worker/parallel/counted_exchange.h"
#include "worker/parallel/fixed_exchange.h"

namespace switchyard::worker {

// Owner: the executor. Thread: that of the steps.
class ExchangeSet {
 public:
  // All outlive it; `world` spans all ranks. Errors: those of the exchanges. REQUIRES: the plan's
  // model has experts.
  static absl::StatusOr<std::unique_ptr<ExchangeSet>> Create(const v1::ShardPlan& plan,
                                                             const ParallelContext& context,
                                                             kernels::Ops& ops, Collectives& world);

  // Before a step's first layer, on all ranks.
  void BeginStep(const v1::StepPlan& plan);

  // Of the step: 1, or 2 whose rows travel while the other computes.
  int num_micro_batches() const { return num_micro_batches_; }
  ExpertExchange& of(int micro_batch) const;

  // Whether the step's sizes are known beforehand, and what they depend on: the tokens that a slice
  // may have (FixedExchange::step_places).
  bool is_fixed() const { return fixed_ != nullptr && fixed_->TakesStep(); }
  int64_t step_places() const { return fixed_ == nullptr ? 0 : fixed_->step_places(); }

  // After a step: waits for the device, and adds the rows that each local expert computed since the
  // last call. Errors: those of Collectives, for this is where a step that was aborted under way
  // comes to light.
  absl::Status TakeExpertRows(std::span<uint32_t> expert_rows);

  // Device memory.
  int64_t num_bytes() const;

 private:
  ExchangeSet(const v1::ShardPlan& plan, const ParallelContext& context, kernels::Ops& ops,
              Collectives& world);
  absl::Status MakeFixed(const v1::ShardPlan& plan);
  absl::Status MakeCounted(const v1::ShardPlan& plan, kernels::DType wire);

  const v1::StepLimits limits_;
  const ParallelContext& context_;
  kernels::Ops& ops_;
  Collectives& world_;
  ExpertTables tables_;
  std::unique_ptr<FixedExchange> fixed_;         // null: no step goes this way
  std::unique_ptr<CountedExchange> counted_[2];  // of each micro-batch; null where none does
  int num_micro_batches_ = 1;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_EXCHANGE_SET_H_
