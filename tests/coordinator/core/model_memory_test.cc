#include "coordinator/core/plan/model_memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
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

v1::ShardPlan DensePlan(int32_t tp, bool tied = false) {
  v1::ModelSpec model;
  model.set_vocab_size(100);
  model.set_hidden_size(32);
  model.set_num_layers(3);
  model.set_num_heads(8);
  model.set_intermediate_size(96);
  model.set_max_position_embeddings(64);
  model.set_dtype(v1::DATA_TYPE_BF16);
  model.set_tie_word_embeddings(tied);
  model.mutable_gqa()->set_num_kv_heads(2);
  model.mutable_gqa()->set_head_dim(6);
  model.mutable_gqa()->set_qkv_bias(true);
  return *MakeShardPlan(model, {.tensor_parallel = tp, .kv_num_blocks = 1});
}

TEST(ModelMemory, GroupedQueryAttention) {
  // Rows of q, k and v with a bias each, and o_proj.
  const auto attention = [](int64_t q, int64_t kv) {
    return 3 * 2 * ((q + 2 * kv) * (32 + 1) + 32 * q);
  };
  EXPECT_EQ(CheckpointBytes(DensePlan(1).model()).attention, attention(48, 12));
  EXPECT_EQ(RankWeightBytes(DensePlan(2), 1).attention, attention(24, 6));
  EXPECT_EQ(RankWeightBytes(DensePlan(8), 5).attention, attention(6, 6))
      << "a shared head is whole";
  EXPECT_EQ(CheckpointBytes(DensePlan(1).model()).norms, 2 * (3 * 2 * 32 + 32));
  EXPECT_EQ(KvBytesPerToken(DensePlan(1)), 3 * 2 * 12 * 2);
  EXPECT_EQ(KvBytesPerToken(DensePlan(2)), 3 * 2 * 6 * 2);
  EXPECT_EQ(KvBytesPerToken(DensePlan(8)), 3 * 2 * 6 * 2);
  EXPECT_EQ(ExpandedBytesPerToken(DensePlan(1)), 0);
  EXPECT_EQ(RankWeightBytes(DensePlan(1), 0).absorbed, 0);
}

// What files of weights hold behind their headers, to the byte.
TEST(ModelMemory, CountsTheBundledCheckpoints) {
  for (const char* name : {"tiny-llama", "tiny-qwen2", "tiny-qwen2-awq", "tiny-qwen3-moe"}) {
    const std::string folder = fmt::format("{}/models/{}", SWITCHYARD_SOURCE_DIR, name);
    int64_t stored = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      if (entry.path().extension() != ".safetensors") continue;
      std::ifstream file(entry.path(), std::ios::binary);
      uint64_t header = 0;
      ASSERT_TRUE(file.read(reinterpret_cast<char*>(&header), sizeof(header))) << name;
      stored += int64_t(entry.file_size()) - int64_t(header) - 8;
    }
    const auto config = ReadFile(folder + "/config.json", 1 << 20);
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(CheckpointBytes(*ParseHfConfig(*config)).Total(), stored) << name;
  }
}

TEST(ModelMemory, ARankPacksATiedEmbeddingOnceMore) {
  const v1::ShardPlan tied = DensePlan(1, /*tied=*/true);
  EXPECT_EQ(CheckpointBytes(tied.model()).head, 0);
  EXPECT_EQ(RankWeightBytes(tied, 0).head, 100 * 32 * 2);
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
