#include "coordinator/core/plan/sharding_planner.h"

#include <algorithm>
#include <string>

#include "base/units.h"
#include "coordinator/core/plan/kv_kinds.h"
#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/plan_check.h"
#include "coordinator/core/plan/rank_memory.h"
#include "coordinator/core/plan/result_size.h"
#include "coordinator/core/plan/topology.h"

namespace switchyard::core {
namespace {

constexpr int kForcedTokens = 6;  // in one step, of text that a grammar leaves no choice about

// Log probabilities of the whole vocabulary that a group's step may report: an answer's and a
// prompt's at least, or none.
int32_t MaxFullLogprobs(const v1::ModelSpec& model, int32_t max_running) {
  constexpr int64_t kLeast = 2;
  const int64_t fitting = kFullLogprobBytes / (int64_t{model.vocab_size()} * sizeof(float));
  const int64_t useful = kLeast * max_running;
  return fitting < kLeast ? 0 : static_cast<int32_t>(std::min(fitting, useful));
}

// Blocks that `bytes` hold, at most what the limits can fill.
int32_t BlocksIn(const v1::ShardPlan& plan, const PlanRequest& request, int64_t bytes) {
  const int64_t block_bytes = plan.kv().block_tokens() * KvBytesPerToken(plan, request.backend);
  const int64_t fitting =
      request.one_kv_kind ? bytes / block_bytes : KvBlocksIn(plan, bytes, request.backend);
  const int64_t longest = CeilDiv(plan.model().max_position_embeddings(), plan.kv().block_tokens());
  return static_cast<int32_t>(
      std::min({fitting, longest * plan.limits().max_running(), int64_t{kMaxKvBlocks}}));
}

// Tokens whose keys and values `bytes` hold expanded.
int32_t ExpandedIn(const v1::ShardPlan& plan, BackendKind backend, int64_t bytes) {
  if (ExpandedBytesPerToken(plan, backend) == 0) return 0;
  const int64_t longest = 2 * int64_t{plan.model().max_position_embeddings()};
  return static_cast<int32_t>(std::min(
      {bytes / ExpandedBytesPerToken(plan, backend), longest, int64_t{kMaxExpandedTokens}}));
}

// How bytes are shared between what the rank caches and what it keeps expanded.
struct CacheShare {
  int64_t cache = 0;
  int64_t expanded = 0;
};

// `wanted` as PlanRequest has it. What the expanded part cannot use is the cache's.
CacheShare ShareOf(const v1::ShardPlan& plan, BackendKind backend, int64_t bytes, int64_t wanted) {
  const int64_t share =
      wanted == PlanRequest::kSixteenth ? std::max<int64_t>(bytes, 0) / 16 : wanted;
  const int64_t used = ExpandedIn(plan, backend, share) * ExpandedBytesPerToken(plan, backend);
  return {.cache = bytes - used, .expanded = used};
}

// REQUIRES: every other number of `plan` is checked.
absl::Status SizeCache(const PlanRequest& request, v1::ShardPlan* plan) {
  const BackendKind backend = request.backend;
  const int64_t block_bytes = plan->kv().block_tokens() * KvBytesPerToken(*plan, backend);
  const int64_t wanted = request.expanded_bytes_per_rank;
  const auto set = [&](int32_t num_blocks, const CacheShare& share) {
    plan->mutable_kv()->set_num_blocks(num_blocks);
    if (!request.one_kv_kind) SetKvKinds(plan);
    plan->mutable_kv()->set_expanded_tokens(ExpandedIn(*plan, backend, share.expanded));
    return absl::OkStatus();
  };
  if (request.kv_num_blocks > 0) {
    return set(request.kv_num_blocks,
               ShareOf(*plan, backend, request.kv_num_blocks * block_bytes, wanted));
  }
  if (request.kv_bytes_per_rank > 0) {
    const int32_t num_blocks = BlocksIn(*plan, request, request.kv_bytes_per_rank);
    if (num_blocks > 0)
      return set(num_blocks, ShareOf(*plan, backend, request.kv_bytes_per_rank, wanted));
    return absl::ResourceExhaustedError(
        fmt::format("{} per rank for the KV cache do not hold one block of {} tokens ({})",
                    FormatBytes(request.kv_bytes_per_rank), plan->kv().block_tokens(),
                    FormatBytes(block_bytes)));
  }
  const int32_t fullest = FullestRank(*plan);
  const RankMemory memory = MemoryOfRank(
      *plan, fullest, {.backend = backend, .redundant_experts = request.redundant_experts});
  const CacheShare share =
      ShareOf(*plan, backend, request.memory_bytes_per_rank - memory.Fixed(), wanted);
  const int32_t num_blocks = share.cache > 0 ? BlocksIn(*plan, request, share.cache) : 0;
  if (num_blocks > 0) return set(num_blocks, share);
  const int64_t step_bytes = memory.Fixed() - memory.weights.Total() - memory.exchange;
  return absl::ResourceExhaustedError(fmt::format(
      "{} of memory per rank are too little: rank {} needs {} for weights, {} for activations, {} "
      "for tokens on their way to experts, {} for prompts in progress and {} for each block of the "
      "KV cache; use more ranks, a smaller max_batched_tokens, or more memory",
      FormatBytes(request.memory_bytes_per_rank), fullest, FormatBytes(memory.weights.Total()),
      FormatBytes(step_bytes), FormatBytes(memory.exchange), FormatBytes(share.expanded),
      FormatBytes(block_bytes)));
}

}  // namespace

absl::StatusOr<v1::DraftPlan> ParseDrafts(std::string_view name, int32_t tokens,
                                          const v1::ModelSpec& model) {
  v1::DraftPlan drafts;
  if (name == "mtp" || (name == "auto" && model.num_mtp_layers() > 0)) {
    drafts.set_method(v1::DRAFT_METHOD_MTP);
  } else if (name == "ngram") {
    drafts.set_method(v1::DRAFT_METHOD_NGRAM);
  } else if (name != "off" && name != "auto") {
    return absl::InvalidArgumentError(
        fmt::format("--drafts is \"{}\"; it must be auto, off, mtp or ngram", name));
  }
  if (drafts.method() != v1::DRAFT_METHOD_NONE) drafts.set_max_tokens(tokens);
  if (name != "off") drafts.set_max_forced(kForcedTokens);
  return drafts;
}

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
  if (request.expanded_bytes_per_rank < PlanRequest::kSixteenth) {
    return absl::InvalidArgumentError(fmt::format(
        "{} bytes for prompts in progress: must be at least 0", request.expanded_bytes_per_rank));
  }
  v1::ShardPlan plan;
  plan.set_epoch(request.epoch);
  *plan.mutable_model() = model;
  plan.mutable_layout()->set_data_parallel(request.data_parallel);
  plan.mutable_layout()->set_tensor_parallel(request.tensor_parallel);
  plan.mutable_layout()->set_virtual_shards(VirtualShards(model));
  plan.set_compute(request.compute);
  plan.set_weights(request.weights);
  if (model.has_moe())
    *plan.mutable_placement() =
        PlaceExperts(model.moe().num_routed_experts(), World(plan.layout()));
  plan.mutable_limits()->set_max_batched_tokens(request.max_batched_tokens);
  plan.mutable_limits()->set_max_running(request.max_running);
  // Two halves take the memory of one whole, if no step that is whole is longer than they are.
  const bool overlaps = request.backend == BackendKind::kCuda && model.has_moe() &&
                        World(plan.layout()) > 1 &&
                        request.max_batched_tokens >= 2 * kMicroBatchTokens;
  plan.mutable_limits()->set_micro_batch_tokens(
      request.micro_batch_tokens.value_or(overlaps ? kMicroBatchTokens : 0));
  plan.mutable_limits()->set_max_full_logprobs(MaxFullLogprobs(model, request.max_running));
  *plan.mutable_drafts() = request.drafts;
  plan.mutable_kv()->set_block_tokens(request.kv_block_tokens);
  // Every number is checked before it sizes the cache; 1 stands for the number that is still to be
  // found.
  plan.mutable_kv()->set_num_blocks(std::max(request.kv_num_blocks, 1));
  plan.set_hash(PlanHash(plan));
  SY_RETURN_IF_ERROR(CheckShardPlan(plan));
  SY_RETURN_IF_ERROR(SizeCache(request, &plan));
  plan.set_hash(PlanHash(plan));
  return plan;
}

}  // namespace switchyard::core
