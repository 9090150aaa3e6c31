#include "coordinator/core/plan/model_memory.h"

#include <gtest/gtest.h>

#include "coordinator/core/plan/hf_config.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "tests/coordinator/core/deepseek_v3_config.h"

namespace switchyard::core {
namespace {

v1::ModelSpec DeepseekV3() { return *ParseHfConfig(kDeepseekV3Config); }

v1::ShardPlan PlanOf(int32_t dp, int32_t tp, v1::ComputeMode compute = v1::COMPUTE_MODE_BF16) {
  return *MakeShardPlan(
      DeepseekV3(),
      {.data_parallel = dp, .tensor_parallel = tp, .compute = compute, .kv_num_blocks = 1});
}

// The published checkpoint, as a header-only inspection of its files counts it (MODEL_SPECS 1.2).
TEST(ModelMemory, CountsThePublishedCheckpointToTheByte) {
  const WeightBytes bytes = CheckpointBytes(DeepseekV3());
  EXPECT_EQ(bytes.Total(), 688'574'839'360);
  EXPECT_EQ(bytes.routed_experts, int64_t{59} * 256 * (44'040'192 + 10'752));
  EXPECT_EQ(bytes.attention + (bytes.norms - 7168 * 2 - 3 * 7168 * 2 - 62 * 2 * 7168 * 2),
            62 * int64_t{187'155'168});
  EXPECT_EQ(bytes.absorbed, 0);
}

TEST(ModelMemory, CountsTheParametersOfThePublishedModel) {
  EXPECT_EQ(NumParameters(DeepseekV3()), 671'026'419'200);
}

TEST(ModelMemory, UnquantisedWeightsTakeTwoBytesEach) {
  v1::ModelSpec model = DeepseekV3();
  model.clear_fp8();
  EXPECT_EQ(CheckpointBytes(model).routed_experts, int64_t{59} * 256 * 44'040'192 * 2);
}

TEST(ModelMemory, TiedEmbeddingsHaveNoHead) {
  v1::ModelSpec model = DeepseekV3();
  model.set_tie_word_embeddings(true);
  EXPECT_EQ(CheckpointBytes(model).head, 0);
}

TEST(ModelMemory, OneRankHoldsTheCheckpointAndTheAbsorbedForm) {
  const WeightBytes rank = RankWeightBytes(PlanOf(1, 1), 0);
  EXPECT_EQ(rank.absorbed, int64_t{62} * 33'554'432);
  EXPECT_EQ(rank.Total() - rank.absorbed, CheckpointBytes(DeepseekV3()).Total());
}

TEST(ModelMemory, ExpertsSpreadOverAllRanksAndHeadsOverTheGroup) {
  const v1::ShardPlan plan = PlanOf(4, 8);
  const WeightBytes whole = CheckpointBytes(DeepseekV3());
  int64_t experts = 0;
  for (int rank = 0; rank < 32; ++rank) experts += RankWeightBytes(plan, rank).routed_experts;
  EXPECT_EQ(experts, whole.routed_experts);

  const WeightBytes rank = RankWeightBytes(plan, 5);
  EXPECT_EQ(rank.routed_experts, whole.routed_experts / 32);
  EXPECT_EQ(rank.dense_mlp, whole.dense_mlp / 8);
  EXPECT_EQ(rank.embedding, whole.embedding / 8);
  EXPECT_EQ(rank.shared_experts, whole.shared_experts);
  EXPECT_EQ(rank.gate, whole.gate);
  EXPECT_LT(rank.attention, whole.attention / 4);
  EXPECT_GT(rank.attention, whole.attention / 8);
}

// 576 values a layer, 1,152 bytes in BF16 (MODEL_SPECS 1.5); the MTP block has a layer where it
// drafts.
TEST(ModelMemory, CacheOfOneToken) {
  v1::ShardPlan plan = PlanOf(1, 8);
  const auto bytes_in = [&](v1::ComputeMode compute) {
    plan.set_compute(compute);
    return KvBytesPerToken(plan);
  };
  EXPECT_EQ(bytes_in(v1::COMPUTE_MODE_BF16), 61 * 1152);
  EXPECT_EQ(bytes_in(v1::COMPUTE_MODE_F32), 61 * 2304);
  EXPECT_EQ(bytes_in(v1::COMPUTE_MODE_W8A8), 61 * 2304);
  plan.mutable_drafts()->set_method(v1::DRAFT_METHOD_NGRAM);
  EXPECT_EQ(bytes_in(v1::COMPUTE_MODE_BF16), 61 * 1152);
  plan.mutable_drafts()->set_method(v1::DRAFT_METHOD_MTP);
  EXPECT_EQ(bytes_in(v1::COMPUTE_MODE_BF16), 62 * 1152);
}

}  // namespace
}  // namespace switchyard::core
