// Model + wishes -> ShardPlan: how one epoch of the cluster lays the model over its ranks. Every
// worker obeys the same plan.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_SHARDING_PLANNER_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_SHARDING_PLANNER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "coordinator/core/plan/packed_linear.h"
#include "proto/cluster.pb.h"
#include "proto/model.pb.h"

namespace switchyard::core {

// From so many tokens of a group on, a step pays for being cut: what halves of it lose by reading
// the experts' weights twice is about what their rows' way takes over NVLink, and less than that
// over a network. A bound from EP_AND_KERNELS' figures, not measured on a GPU.
inline constexpr int32_t kMicroBatchTokens = 256;

struct PlanRequest {
  int32_t data_parallel = 1;
  int32_t tensor_parallel = 1;
  BackendKind backend = BackendKind::kCpu;  // of all ranks: what packs the weights
  int64_t redundant_experts = 0;            // MemoryOptions has it
  v1::ComputeMode compute = v1::COMPUTE_MODE_BF16;
  v1::WeightForm weights = v1::WEIGHT_FORM_STORED;
  int32_t max_batched_tokens = 2048;  // per group and step
  int32_t max_running = 256;          // per group and step; at most max_batched_tokens
  // StepLimits has it; none: kMicroBatchTokens where ranks exchange rows between GPUs and steps
  // have twice as many tokens, else 0.
  std::optional<int32_t> micro_batch_tokens;
  v1::DraftPlan drafts;  // see plan_check.h
  int32_t kv_block_tokens = 16;
  bool one_kv_kind = false;  // layers with a window share the blocks of the others: for who hands
                             // out blocks without a scheduler
  // Size of the cache, by the first of these three that is not 0. At least one must be.
  int32_t kv_num_blocks = 0;          // blocks per group, taken as it is
  int64_t kv_bytes_per_rank = 0;      // bytes for the cache alone
  int64_t memory_bytes_per_rank = 0;  // bytes that a worker may allocate: the cache gets what all
                                      // else (RankMemory::Fixed) leaves on the fullest rank
  // Bytes of each rank for keys and values of prompts in progress (KvPlan.expanded_tokens);
  // kSixteenth: so much of what the cache gets, or would.
  static constexpr int64_t kSixteenth = -1;
  int64_t expanded_bytes_per_rank = kSixteenth;
  uint64_t epoch = 1;
};

// Who drafts by `name`: auto (the model's own block where it has one), off, mtp or ngram, `tokens`
// of one sequence in one step; but for off, what a grammar forces is drafted, too.
// INVALID_ARGUMENT: another name.
absl::StatusOr<v1::DraftPlan> ParseDrafts(std::string_view name, int32_t tokens,
                                          const v1::ModelSpec& model);

// The plan, whole and hashed. When bytes size the cache, it never gets more blocks than max_running
// sequences of full length fill. No more of prompts is kept expanded than two of full length.
//
// INVALID_ARGUMENT: a layout that the model cannot have (the message lists the nearest that it
// can), numbers out of range. RESOURCE_EXHAUSTED: the memory does not hold weights, activations and
// one block; the message says what each takes.
absl::StatusOr<v1::ShardPlan> MakeShardPlan(const v1::ModelSpec& model, const PlanRequest& request);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_SHARDING_PLANNER_H_
