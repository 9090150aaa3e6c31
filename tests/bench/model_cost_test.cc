// What bench_engine divides by a step's time: the bytes that the packed weights take, but for those
// that a step of generated tokens does not read.
#include "bench/engine/model_cost.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/units.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/core/plan/rank_memory.h"
#include "coordinator/core/plan/sharding_planner.h"

namespace switchyard::bench {
namespace {

v1::ShardPlan PlanOf(const char* name, v1::WeightForm form) {
  const auto config =
      ReadFile(fmt::format("{}/models/{}/config.json", SWITCHYARD_SOURCE_DIR, name), kMiB);
  const auto plan =
      core::MakeShardPlan(*core::ParseHfConfig(*config), {.weights = form, .kv_num_blocks = 64});
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *plan;
}

core::WeightBytes Packed(const v1::ShardPlan& plan) {
  return core::MemoryOfRank(plan, 0, {.backend = core::BackendKind::kCpu}).weights;
}

TEST(ModelCost, ADenseModelReadsAllButTheEmbedding) {
  for (const auto form : {v1::WEIGHT_FORM_STORED, v1::WEIGHT_FORM_Q8, v1::WEIGHT_FORM_Q4}) {
    const v1::ShardPlan plan = PlanOf("tiny-qwen2", form);
    const core::WeightBytes held = Packed(plan);
    EXPECT_EQ(DecodeWeightBytes(plan, 0), double(held.Total() - held.embedding));
  }
}

TEST(ModelCost, FewerBitsAreFewerBytes) {
  const double stored = DecodeWeightBytes(PlanOf("tiny-qwen2", v1::WEIGHT_FORM_STORED), 0);
  const double q8 = DecodeWeightBytes(PlanOf("tiny-qwen2", v1::WEIGHT_FORM_Q8), 0);
  const double q4 = DecodeWeightBytes(PlanOf("tiny-qwen2", v1::WEIGHT_FORM_Q4), 0);
  EXPECT_NEAR(q8 / stored, 34.0 / 64, 0.02);
  EXPECT_LT(q4, 0.8 * q8);  // the head has 8 bits
}

TEST(ModelCost, ExpertsAreReadAsTheyAreUsed) {
  const v1::ShardPlan plan = PlanOf("tiny-r1", v1::WEIGHT_FORM_STORED);
  const v1::MoeSpec& moe = plan.model().moe();
  const int64_t all =
      (plan.model().num_layers() - moe.first_moe_layer()) * moe.num_routed_experts();
  const double none = DecodeWeightBytes(plan, 0);
  EXPECT_GT(none, 0);
  EXPECT_NEAR(DecodeWeightBytes(plan, all / 2) - none, (DecodeWeightBytes(plan, all) - none) / 2,
              1);
}

}  // namespace
}  // namespace switchyard::bench
