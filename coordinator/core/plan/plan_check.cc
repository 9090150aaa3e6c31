#include "coordinator/core/plan/plan_check.h"

#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "coordinator/core/plan/topology.h"
#include "coordinator/core/plan/weight_form.h"

namespace switchyard::core {
namespace {

// FNV-1a, 64 bits (Fowler, Noll, Vo; RFC draft-eastlake-fnv).
uint64_t Fnv1a64(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char byte : bytes) hash = (hash ^ static_cast<uint8_t>(byte)) * 0x100000001b3u;
  return hash;
}

void CheckRange(std::string_view name, int64_t value, int64_t max,
                std::vector<std::string>& faults) {
  if (value < 1 || value > max)
    faults.push_back(fmt::format("{} = {}: must be from 1 to {}", name, value, max));
}

void CheckPlacement(const v1::ShardPlan& plan, std::vector<std::string>& faults) {
  const auto& ranks = plan.placement().rank_of_expert();
  const int32_t num_experts = plan.model().has_moe() ? plan.model().moe().num_routed_experts() : 0;
  if (ranks.size() != num_experts) {
    faults.push_back(fmt::format("placement has {} experts: must have the model's {}", ranks.size(),
                                 num_experts));
    return;
  }
  for (int expert = 0; expert < ranks.size(); ++expert) {
    if (ranks[expert] < 0 || ranks[expert] >= World(plan.layout())) {
      faults.push_back(fmt::format("placement puts expert {} on rank {}: must be from 0 to {}",
                                   expert, ranks[expert], World(plan.layout()) - 1));
    }
  }
}

void CheckDrafts(const v1::ShardPlan& plan, std::vector<std::string>& faults) {
  const v1::DraftPlan& drafts = plan.drafts();
  if (drafts.max_forced() < 0 || drafts.max_forced() > kMaxDraftTokens) {
    faults.push_back(fmt::format("forced_tokens = {}: must be from 0 to {}", drafts.max_forced(),
                                 kMaxDraftTokens));
  }
  if (drafts.method() == v1::DRAFT_METHOD_NONE) {
    if (drafts.max_tokens() != 0) faults.push_back("draft tokens without a method to draft them");
    return;
  }
  CheckRange("draft_tokens", drafts.max_tokens(), kMaxDraftTokens, faults);
  if (drafts.method() == v1::DRAFT_METHOD_MTP && plan.model().num_mtp_layers() == 0) {
    faults.push_back("drafts = mtp: the model has no block for it, use ngram");
  }
}

void CheckWeights(const v1::ShardPlan& plan, std::vector<std::string>& faults) {
  if (plan.weights() == v1::WEIGHT_FORM_STORED) return;
  const std::string_view form = WeightFormName(plan.weights());
  if (plan.compute() != v1::COMPUTE_MODE_BF16) {
    faults.push_back(fmt::format("weights = {}: needs compute = bf16", form));
  }
  if (plan.model().has_groups() && plan.weights() == v1::WEIGHT_FORM_Q8) {
    faults.push_back("weights = q8: the checkpoint's weights have 4 bits, use q4 or stored");
  }
}

}  // namespace

uint64_t PlanHash(const v1::ShardPlan& plan) {
  v1::ShardPlan unsigned_plan = plan;
  unsigned_plan.set_hash(0);
  return Fnv1a64(unsigned_plan.SerializeAsString());
}

absl::Status CheckShardPlan(const v1::ShardPlan& plan) {
  std::vector<std::string> faults;
  if (plan.epoch() == 0) faults.push_back("epoch = 0: must be at least 1");
  const v1::Layout& layout = plan.layout();
  const absl::Status legal =
      CheckLayout(plan.model(), layout.data_parallel(), layout.tensor_parallel());
  if (!legal.ok()) {
    faults.emplace_back(Message(legal));
  } else {
    CheckPlacement(plan, faults);
  }
  if (layout.virtual_shards() != VirtualShards(plan.model())) {
    faults.push_back(fmt::format("virtual_shards = {}: must be the model's {}",
                                 layout.virtual_shards(), VirtualShards(plan.model())));
  }
  if (plan.compute() == v1::COMPUTE_MODE_UNSPECIFIED) faults.push_back("compute is unspecified");
  if (plan.compute() == v1::COMPUTE_MODE_W8A8 && !plan.model().has_fp8()) {
    faults.push_back("compute = w8a8: needs a checkpoint with FP8 weights, use bf16 or f32");
  }
  CheckWeights(plan, faults);
  CheckRange("max_batched_tokens", plan.limits().max_batched_tokens(), kMaxBatchedTokens, faults);
  CheckRange("max_running", plan.limits().max_running(), kMaxRunning, faults);
  if (plan.limits().max_running() > plan.limits().max_batched_tokens()) {
    faults.push_back(
        fmt::format("max_running = {}: must be at most max_batched_tokens = {}, a step gives each "
                    "running sequence a token",
                    plan.limits().max_running(), plan.limits().max_batched_tokens()));
  }
  if (plan.limits().micro_batch_tokens() < 0) {
    faults.push_back(fmt::format("micro_batch_tokens = {}: must be at least 0",
                                 plan.limits().micro_batch_tokens()));
  }
  if (plan.limits().max_full_logprobs() < 0 || plan.limits().max_full_logprobs() == 1) {
    faults.push_back(fmt::format("max_full_logprobs = {}: must be 0 or at least 2",
                                 plan.limits().max_full_logprobs()));
  }
  CheckDrafts(plan, faults);
  CheckRange("block_tokens", plan.kv().block_tokens(), kMaxBlockTokens, faults);
  CheckRange("num_blocks", plan.kv().num_blocks(), kMaxKvBlocks, faults);
  const bool has_windows = plan.kv().num_window_blocks() > 0 && plan.kv().window() > 0;
  if (plan.kv().num_window_blocks() != 0 &&
      (!has_windows || plan.kv().num_window_blocks() > plan.kv().num_blocks())) {
    faults.push_back(
        fmt::format("num_window_blocks = {}, window = {}: both must be over 0, and the "
                    "blocks at most num_blocks = {}",
                    plan.kv().num_window_blocks(), plan.kv().window(), plan.kv().num_blocks()));
  }
  if (plan.kv().expanded_tokens() < 0 || plan.kv().expanded_tokens() > kMaxExpandedTokens) {
    faults.push_back(fmt::format("expanded_tokens = {}: must be from 0 to {}",
                                 plan.kv().expanded_tokens(), kMaxExpandedTokens));
  }
  if (plan.hash() != PlanHash(plan)) {
    faults.push_back(
        fmt::format("hash = {:016x}: the plan's content has {:016x}", plan.hash(), PlanHash(plan)));
  }
  if (faults.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("shard plan: {}", fmt::join(faults, "; ")));
}

}  // namespace switchyard::core
