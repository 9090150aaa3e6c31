// Where experts live and how many rows they have computed, in the device's memory: what all
// exchanges of a rank share.
#ifndef SWITCHYARD_WORKER_PARALLEL_EXPERT_TABLES_H_
#define SWITCHYARD_WORKER_PARALLEL_EXPERT_TABLES_H_

#include <cstdint>
#include <span>

#include "kernels/device.h"
#include "kernels/tensor_view.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

// Symbols: E experts, L of this rank. Owner: the ExchangeSet. Thread: that of the steps.
class ExpertTables {
 public:
  ExpertTables(const ParallelContext& context, kernels::Device& device);

  const kernels::TensorView& rank_of_expert() const { return rank_of_expert_; }         // i32 [E]
  const kernels::TensorView& local_index_of_expert() const { return local_index_of_; }  // i32 [E]
  // Rows since the last Take; ops add to it.
  const kernels::TensorView& expert_rows() const { return expert_rows_; }  // i32 [L]

  // Waits for the device, adds the counted rows to `expert_rows` [L] and begins anew.
  void Take(std::span<uint32_t> expert_rows);

  int64_t num_bytes() const { return memory_.num_bytes(); }

 private:
  kernels::Device& device_;
  const kernels::Buffer memory_;
  kernels::TensorView rank_of_expert_, local_index_of_, expert_rows_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_EXPERT_TABLES_H_
