#include "coordinator/core/plan/topology.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/check.h"
#include "base/units.h"

namespace switchyard::core {
namespace {

// Every rank has whole key-value heads for its query heads: some of them, or one that it shares
// with other ranks.
bool IsLegalTensorSize(const v1::ModelSpec& model, int32_t tp) {
  if (!IsPowerOfTwo(tp) || tp > VirtualShards(model)) return false;
  if (!model.has_gqa()) return true;
  const int32_t kv_heads = model.gqa().num_kv_heads();
  return kv_heads % tp == 0 || tp % kv_heads == 0;
}

// What the legal sizes come from.
std::string HeadsOf(const v1::ModelSpec& model) {
  return model.has_gqa() ? fmt::format("num_attention_heads = {}, num_key_value_heads = {}",
                                       model.num_heads(), model.gqa().num_kv_heads())
                         : fmt::format("num_attention_heads = {}", model.num_heads());
}

std::string LegalTensorSizes(const v1::ModelSpec& model) {
  std::vector<int32_t> sizes;
  for (int32_t tp = 1; tp <= VirtualShards(model); tp *= 2) {
    if (IsLegalTensorSize(model, tp)) sizes.push_back(tp);
  }
  return fmt::format("{}", fmt::join(sizes, ", "));
}

}  // namespace

int32_t VirtualShards(const v1::ModelSpec& model) {
  int32_t shards = 1;
  while (shards < kMaxVirtualShards && model.num_heads() % (2 * shards) == 0 &&
         model.intermediate_size() % (4 * shards) == 0) {
    shards *= 2;
  }
  return shards;
}

int32_t MaxWorld(const v1::ModelSpec& model) {
  return model.has_moe() ? std::min(kMaxWorld, model.moe().num_routed_experts()) : kMaxWorld;
}

absl::Status CheckLayout(const v1::ModelSpec& model, int32_t dp, int32_t tp) {
  const int64_t world = int64_t{dp} * tp;
  std::string fault;
  if (dp < 1 || tp < 1) {
    fault = "both sizes must be at least 1";
  } else if (!IsLegalTensorSize(model, tp)) {
    fault = fmt::format(
        "the tensor-parallel size must be one of {} ({}, intermediate_size = {} in even shards)",
        LegalTensorSizes(model), HeadsOf(model), model.intermediate_size());
  } else if (world > MaxWorld(model)) {
    fault =
        fmt::format("{} are more ranks than the plan allows, at most {}{}", world, MaxWorld(model),
                    model.has_moe() ? " (each rank needs a routed expert)" : "");
  }
  if (fault.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("layout {}x{}: {}; layouts that work: {}", dp, tp,
                                                fault, NearestLayouts(model, world)));
}

std::string NearestLayouts(const v1::ModelSpec& model, int64_t world) {
  struct Candidate {
    int64_t distance;
    int64_t dp;
    int64_t tp;
  };
  std::vector<Candidate> candidates;
  for (int64_t tp = 1; tp <= std::min(VirtualShards(model), MaxWorld(model)); tp *= 2) {
    if (!IsLegalTensorSize(model, static_cast<int32_t>(tp))) continue;
    const int64_t dp = std::clamp<int64_t>(world / tp, 1, MaxWorld(model) / tp);
    candidates.push_back({.distance = std::abs(world - dp * tp), .dp = dp, .tp = tp});
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.distance < b.distance; });
  std::vector<std::string> names;
  for (const Candidate& candidate : candidates)
    names.push_back(fmt::format("{}x{}", candidate.dp, candidate.tp));
  return fmt::format("{}", fmt::join(names, ", "));
}

v1::ExpertPlacement PlaceExperts(int32_t num_experts, int32_t world) {
  SY_CHECK(world > 0 && world <= num_experts) << world << " ranks, " << num_experts << " experts";
  v1::ExpertPlacement placement;
  placement.set_version(1);
  for (int64_t expert = 0; expert < num_experts; ++expert) {
    placement.add_rank_of_expert(static_cast<int32_t>(expert * world / num_experts));
  }
  return placement;
}

}  // namespace switchyard::core
