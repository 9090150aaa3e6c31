// Tokens, experts and where they lie, for the tests of the exchanges: experts are elementwise
// functions, so that what a token's rows must be is plain.
#ifndef SWITCHYARD_TESTS_WORKER_PARALLEL_MOE_LAYER_H_
#define SWITCHYARD_TESTS_WORKER_PARALLEL_MOE_LAYER_H_

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "base/random.h"
#include "kernels/dtype.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

inline constexpr int64_t kHidden = 37;  // odd: lists of experts follow rows at any alignment

struct Routing {
  int num_experts = 8;
  int64_t k = 3;
  std::vector<int32_t> ids;  // [tokens, k], ascending per token
  int64_t num_tokens() const { return std::ssize(ids) / k; }
};

struct Layout {
  std::vector<int> rank_of_expert;
  std::vector<int64_t> slices;  // tokens of each rank, in order
  kernels::DType dispatch_wire = kernels::DType::kBf16;
  kernels::DType combine_wire = kernels::DType::kBf16;
  int world() const { return static_cast<int>(slices.size()); }
};

inline Routing RandomRouting(int num_experts, int64_t k, int64_t num_tokens, uint64_t seed) {
  Routing routing{.num_experts = num_experts, .k = k, .ids = {}};
  for (int64_t t = 0; t < num_tokens; ++t) {
    std::vector<int32_t> experts(num_experts);
    std::iota(experts.begin(), experts.end(), 0);
    std::ranges::sort(experts, {}, [&](int32_t e) { return RandomBits(seed + t, e); });
    experts.resize(k);
    std::ranges::sort(experts);
    routing.ids.insert(routing.ids.end(), experts.begin(), experts.end());
  }
  return routing;
}

// Tokens, experts and their ranks, drawn from a seed; about every second rank is empty.
struct DrawnLayer {
  Routing routing;
  Layout layout;
};
inline DrawnLayer DrawLayer(uint64_t seed) {
  const auto pick = [&](int what, int64_t least, int64_t most) {
    return least + static_cast<int64_t>(RandomBits(seed, what) % (most - least + 1));
  };
  const int num_experts = static_cast<int>(pick(0, 1, 13));
  const int world = static_cast<int>(pick(1, 1, 6));
  const int64_t k = pick(2, 1, std::min(num_experts, 5));
  Layout layout;
  for (int r = 0; r < world; ++r) layout.slices.push_back(pick(10 + r, 0, 1) * pick(20 + r, 0, 9));
  for (int e = 0; e < num_experts; ++e) {
    layout.rank_of_expert.push_back(static_cast<int>(pick(30 + e, 0, world - 1)));
  }
  const int64_t num_tokens =
      std::accumulate(layout.slices.begin(), layout.slices.end(), int64_t{0});
  return {RandomRouting(num_experts, k, num_tokens, seed), layout};
}
inline std::string Describe(uint64_t seed, const DrawnLayer& layer) {
  return fmt::format("seed {}: {} experts, {} ranks, k {}, {} tokens", seed,
                     layer.routing.num_experts, layer.layout.world(), layer.routing.k,
                     layer.routing.num_tokens());
}

inline std::vector<int> RoundRobin(int num_experts, int world) {
  std::vector<int> ranks(num_experts);
  for (int e = 0; e < num_experts; ++e) ranks[e] = e % world;
  return ranks;
}

inline std::vector<int64_t> Balanced(int64_t num_tokens, int world) {
  std::vector<int64_t> slices;
  for (int r = 0; r < world; ++r) slices.push_back(BalancedSlice(num_tokens, world, r).size());
  return slices;
}

inline float Input(int64_t token, int64_t h) {
  return static_cast<float>(RandomUnit(77, token * kHidden + h) - 0.5);
}
inline float Weight(int64_t token, int64_t slot) {
  return static_cast<float>(RandomUnit(88, token * 64 + slot));
}
inline float Expert(int expert, float x) {
  return x * (1.0f + 0.37f * static_cast<float>(expert)) + 0.01f * static_cast<float>(expert);
}
inline ParallelContext ContextOf(const Routing& routing, const Layout& layout, int rank) {
  v1::ShardPlan plan;
  plan.mutable_layout()->set_data_parallel(layout.world());
  plan.mutable_layout()->set_tensor_parallel(1);
  plan.mutable_layout()->set_virtual_shards(1);
  plan.mutable_model()->set_vocab_size(1);
  plan.mutable_model()->mutable_moe()->set_num_routed_experts(routing.num_experts);
  for (int owner : layout.rank_of_expert) plan.mutable_placement()->add_rank_of_expert(owner);
  auto context = ParallelContext::Create(plan, rank);
  EXPECT_TRUE(context.ok()) << context.status();
  return *std::move(context);
}

}  // namespace switchyard::worker

#endif  // SWITCHYARD_TESTS_WORKER_PARALLEL_MOE_LAYER_H_
