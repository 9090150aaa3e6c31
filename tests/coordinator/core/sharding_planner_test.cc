#include "coordinator/core/plan/sharding_planner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/units.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/plan_check.h"
#include "coordinator/core/plan/rank_memory.h"
#include "coordinator/core/plan/topology.h"
#include "coordinator/core/plan/weight_form.h"
#include "tests/coordinator/core/deepseek_v3_config.h"

namespace switchyard::core {
namespace {

using ::testing::HasSubstr;

v1::ModelSpec DeepseekV3() { return *ParseHfConfig(kDeepseekV3Config); }

v1::ModelSpec TinyR1() {
  return *ParseHfConfig(*ReadFile(SWITCHYARD_SOURCE_DIR "/models/tiny-r1/config.json", 1 << 20));
}

std::string RefusalOf(const v1::ModelSpec& model, const PlanRequest& request) {
  auto plan = MakeShardPlan(model, request);
  EXPECT_FALSE(plan.ok());
  return plan.ok() ? "" : std::string(Message(plan.status()));
}

TEST(ShardingPlanner, PlansTheBundledModelInEveryPromisedLayout) {
  for (const auto& [dp, tp] :
       std::vector<std::pair<int, int>>{{1, 1}, {2, 1}, {4, 1}, {1, 2}, {1, 4}, {2, 2}}) {
    auto plan =
        MakeShardPlan(TinyR1(), {.data_parallel = dp, .tensor_parallel = tp, .kv_num_blocks = 64});
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_TRUE(CheckShardPlan(*plan).ok()) << CheckShardPlan(*plan);
    EXPECT_EQ(plan->layout().data_parallel(), dp);
    EXPECT_EQ(plan->layout().tensor_parallel(), tp);
    EXPECT_EQ(plan->layout().virtual_shards(), 4) << "must not depend on the layout";
    EXPECT_EQ(plan->kv().num_blocks(), 64);
    EXPECT_EQ(plan->kv().block_tokens(), 16);
  }
}

TEST(ShardingPlanner, VirtualShardsFollowHeadsAndEvenColumns) {
  EXPECT_EQ(VirtualShards(DeepseekV3()), 8);
  v1::ModelSpec model = DeepseekV3();
  model.set_num_heads(12);
  EXPECT_EQ(VirtualShards(model), 4);
  model.set_num_heads(128);
  model.set_intermediate_size(24);  // shards of 12 and 6 columns are even, of 3 odd
  EXPECT_EQ(VirtualShards(model), 4);
  model.set_intermediate_size(18432);
  model.set_num_heads(7);
  EXPECT_EQ(VirtualShards(model), 1);
}

v1::ModelSpec Dense(int32_t heads, int32_t kv_heads) {
  v1::ModelSpec model;
  model.set_model_type("llama");
  model.set_vocab_size(1000);
  model.set_hidden_size(64 * heads);
  model.set_num_layers(2);
  model.set_num_heads(heads);
  model.set_intermediate_size(1536);
  model.set_max_position_embeddings(2048);
  model.mutable_gqa()->set_num_kv_heads(kv_heads);
  model.mutable_gqa()->set_head_dim(64);
  return model;
}

// Key-value heads are split over the ranks, or each rank has one that it shares with others.
TEST(ShardingPlanner, SplitsOrSharesKeyValueHeads) {
  struct Case {
    int32_t heads, kv_heads;
    std::vector<int32_t> legal;
  };
  const Case cases[] = {{32, 8, {1, 2, 4, 8}}, {8, 2, {1, 2, 4, 8}}, {8, 1, {1, 2, 4, 8}},
                        {24, 6, {1, 2}},       {24, 3, {1}},         {9, 3, {1}},
                        {14, 2, {1, 2}},       {7, 7, {1}}};
  for (const Case& c : cases) {
    std::vector<int32_t> legal;
    for (int32_t tp = 1; tp <= 16; ++tp) {
      if (CheckLayout(Dense(c.heads, c.kv_heads), 1, tp).ok()) legal.push_back(tp);
    }
    EXPECT_EQ(legal, c.legal) << c.heads << " heads, " << c.kv_heads;
  }
  EXPECT_EQ(Message(CheckLayout(Dense(24, 6), 1, 4)),
            "layout 1x4: the tensor-parallel size must be one of 1, 2 (num_attention_heads = 24, "
            "num_key_value_heads = 6, intermediate_size = 1536 in even shards); layouts that work: "
            "4x1, 2x2");
}

TEST(ShardingPlanner, PlansAModelThatExpandsNothing) {
  const auto plan = MakeShardPlan(Dense(32, 8), {.tensor_parallel = 4, .kv_bytes_per_rank = kMiB});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->kv().expanded_tokens(), 0);
  // 2 layers x (keys, values) x 2 heads of the rank x 64 x BF16, in blocks of 16 tokens.
  EXPECT_EQ(plan->kv().num_blocks(), kMiB / (16 * 2 * 2 * 2 * 64 * 2));
  EXPECT_EQ(plan->layout().virtual_shards(), 8);
}

TEST(ShardingPlanner, SpreadsExpertsContiguouslyAndEvenly) {
  for (const int world : {1, 3, 4, 5, 7, 32}) {
    const v1::ExpertPlacement placement = PlaceExperts(32, world);
    std::map<int, int> experts_of_rank;
    int previous = 0;
    for (const int rank : placement.rank_of_expert()) {
      EXPECT_GE(rank, previous);
      previous = rank;
      ++experts_of_rank[rank];
    }
    EXPECT_EQ(int(experts_of_rank.size()), world) << "each rank holds an expert";
    for (const auto& [rank, count] : experts_of_rank) {
      EXPECT_GE(count, 32 / world) << "rank " << rank << " of " << world;
      EXPECT_LE(count, (32 + world - 1) / world) << "rank " << rank << " of " << world;
    }
  }
}

TEST(ShardingPlanner, HashNamesThePlan) {
  const PlanRequest request{.data_parallel = 2, .kv_num_blocks = 64};
  const v1::ShardPlan plan = *MakeShardPlan(TinyR1(), request);
  EXPECT_EQ(MakeShardPlan(TinyR1(), request)->hash(), plan.hash());
  PlanRequest next_epoch = request;
  next_epoch.epoch = 2;
  EXPECT_NE(MakeShardPlan(TinyR1(), next_epoch)->hash(), plan.hash());
}

TEST(ShardingPlanner, RefusesTensorSizesThatDoNotCutTheModel) {
  EXPECT_EQ(RefusalOf(TinyR1(), {.data_parallel = 1, .tensor_parallel = 3, .kv_num_blocks = 64}),
            "layout 1x3: the tensor-parallel size must be one of 1, 2, 4 (num_attention_heads = 4, "
            "intermediate_size = "
            "640 in even shards); layouts that work: 3x1, 1x2, 1x4");
  EXPECT_THAT(RefusalOf(TinyR1(), {.data_parallel = 1, .tensor_parallel = 8, .kv_num_blocks = 64}),
              HasSubstr("layouts that work: 8x1, 4x2, 2x4"));
}

TEST(ShardingPlanner, RefusesMoreRanksThanExperts) {
  EXPECT_EQ(RefusalOf(TinyR1(), {.data_parallel = 20, .tensor_parallel = 2, .kv_num_blocks = 64}),
            "layout 20x2: 40 are more ranks than the plan allows, at most 32 (each rank needs a "
            "routed expert); "
            "layouts that work: 32x1, 16x2, 8x4");
  v1::ModelSpec dense = TinyR1();
  dense.clear_moe();
  EXPECT_TRUE(
      MakeShardPlan(dense, {.data_parallel = 20, .tensor_parallel = 2, .kv_num_blocks = 64}).ok());
  EXPECT_FALSE(
      MakeShardPlan(dense,
                    {.data_parallel = 1 << 20, .tensor_parallel = 1 << 20, .kv_num_blocks = 64})
          .ok());
}

TEST(ShardingPlanner, RefusesNumbersOutOfRange) {
  EXPECT_THAT(RefusalOf(TinyR1(), {.data_parallel = 0, .kv_num_blocks = 1}),
              HasSubstr("at least 1"));
  EXPECT_THAT(RefusalOf(TinyR1(), {}), HasSubstr("the KV cache has no size"));
  const std::string message = RefusalOf(TinyR1(), {.max_batched_tokens = 0,
                                                   .max_running = 1,
                                                   .kv_block_tokens = -1,
                                                   .kv_num_blocks = 1 << 25,
                                                   .epoch = 0});
  EXPECT_THAT(message, HasSubstr("epoch = 0: must be at least 1"));
  EXPECT_THAT(message, HasSubstr("max_batched_tokens = 0: must be from 1 to 65536"));
  EXPECT_THAT(message, HasSubstr("max_running = 1: must be at most max_batched_tokens = 0"));
  EXPECT_THAT(message, HasSubstr("block_tokens = -1: must be from 1 to 1024"));
  EXPECT_THAT(message, HasSubstr("num_blocks = 33554432: must be from 1 to 16777216"));
}

TEST(ShardingPlanner, QuantisedComputeNeedsQuantisedWeights) {
  v1::ModelSpec model = TinyR1();
  const PlanRequest request{.compute = v1::COMPUTE_MODE_W8A8, .kv_num_blocks = 1};
  EXPECT_TRUE(MakeShardPlan(model, request).ok());
  model.clear_fp8();
  EXPECT_THAT(RefusalOf(model, request),
              HasSubstr("compute = w8a8: needs a checkpoint with FP8 weights"));
}

TEST(ShardingPlanner, FormsOfWeightsNeedBf16AndWeightsThatHaveThem) {
  v1::ModelSpec model = TinyR1();
  PlanRequest request{.weights = v1::WEIGHT_FORM_Q4, .kv_num_blocks = 64};
  const auto plan = MakeShardPlan(model, request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->weights(), v1::WEIGHT_FORM_Q4);
  request.compute = v1::COMPUTE_MODE_F32;
  EXPECT_THAT(RefusalOf(model, request), HasSubstr("weights = q4: needs compute = bf16"));
  request.compute = v1::COMPUTE_MODE_BF16;
  request.weights = v1::WEIGHT_FORM_Q8;
  model.clear_fp8();
  model.mutable_groups()->set_columns(128);
  EXPECT_THAT(RefusalOf(model, request),
              HasSubstr("weights = q8: the checkpoint's weights have 4 bits, use q4 or stored"));
}

TEST(ShardingPlanner, FormsOfWeightsHaveNames) {
  for (const v1::WeightForm form :
       {v1::WEIGHT_FORM_STORED, v1::WEIGHT_FORM_Q8, v1::WEIGHT_FORM_Q4}) {
    EXPECT_EQ(*ParseWeightForm(WeightFormName(form)), form);
  }
  EXPECT_THAT(std::string(ParseWeightForm("q5").status().message()),
              HasSubstr("--weights is \"q5\"; it must be stored, q8 or q4"));
  EXPECT_EQ(DescribeWeights(TinyR1(), v1::WEIGHT_FORM_STORED), "fp8");
  EXPECT_EQ(DescribeWeights(TinyR1(), v1::WEIGHT_FORM_Q8), "q8");
  v1::ModelSpec experts;
  experts.set_dtype(v1::DATA_TYPE_BF16);
  EXPECT_EQ(DescribeWeights(experts, v1::WEIGHT_FORM_STORED), "bf16");
  experts.mutable_moe()->set_mxfp4(true);
  EXPECT_EQ(DescribeWeights(experts, v1::WEIGHT_FORM_STORED), "mxfp4");
}

TEST(ShardingPlanner, DraftsNeedAMethodThatTheModelHas) {
  v1::ModelSpec model = TinyR1();
  PlanRequest request{.kv_num_blocks = 1};
  request.drafts.set_method(v1::DRAFT_METHOD_MTP);
  EXPECT_THAT(RefusalOf(model, request), HasSubstr("draft_tokens = 0: must be from 1 to 8"));
  request.drafts.set_max_tokens(2);
  EXPECT_TRUE(MakeShardPlan(model, request).ok());
  model.set_num_mtp_layers(0);
  EXPECT_THAT(RefusalOf(model, request), HasSubstr("drafts = mtp: the model has no block for it"));
  request.drafts.set_method(v1::DRAFT_METHOD_NGRAM);
  EXPECT_TRUE(MakeShardPlan(model, request).ok());
  request.drafts.set_method(v1::DRAFT_METHOD_NONE);
  EXPECT_THAT(RefusalOf(model, request), HasSubstr("draft tokens without a method"));
}

TEST(ShardingPlanner, SizesTheCacheByItsBytes) {
  const int64_t block_bytes = 16 * KvBytesPerToken(*MakeShardPlan(TinyR1(), {.kv_num_blocks = 1}));
  auto plan = MakeShardPlan(TinyR1(), {.kv_bytes_per_rank = 100 * block_bytes + 1});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->kv().num_blocks(), 100);
  EXPECT_TRUE(CheckShardPlan(*plan).ok());
  EXPECT_THAT(RefusalOf(TinyR1(), {.kv_bytes_per_rank = block_bytes - 1}),
              HasSubstr("do not hold one block"));
}

TEST(ShardingPlanner, KeepsASixteenthForPromptsInProgress) {
  const auto one = MakeShardPlan(TinyR1(), {.kv_num_blocks = 1});
  ASSERT_TRUE(one.ok()) << one.status();
  const int64_t token_bytes = ExpandedBytesPerToken(*one);
  // As each backend's products read them: rows that share the rotated key, or panels of each head.
  EXPECT_EQ(token_bytes, 4 * 4 * (64 + 32 + 64) * 2) << "layers, heads, BF16";
  EXPECT_EQ(ExpandedBytesPerToken(*one, BackendKind::kCuda), 4 * (4 * (64 + 64) + 32) * 2);
  const auto f32 = MakeShardPlan(TinyR1(), {.compute = v1::COMPUTE_MODE_F32, .kv_num_blocks = 1});
  EXPECT_EQ(ExpandedBytesPerToken(*f32), 2 * token_bytes);
  const auto expanded = [&](const PlanRequest& request) {
    const auto plan = MakeShardPlan(TinyR1(), request);
    EXPECT_TRUE(plan.ok()) << plan.status();
    EXPECT_TRUE(CheckShardPlan(*plan).ok());
    return plan->kv().expanded_tokens();
  };
  EXPECT_EQ(expanded({.kv_bytes_per_rank = 16 * 300 * token_bytes}), 300);
  EXPECT_EQ(expanded({.kv_bytes_per_rank = 16 * 300 * token_bytes, .expanded_bytes_per_rank = 0}),
            0);
  EXPECT_EQ(expanded({.kv_num_blocks = 1, .expanded_bytes_per_rank = 77 * token_bytes + 1}), 77);
  EXPECT_EQ(expanded({.kv_num_blocks = 1, .expanded_bytes_per_rank = kGiB}), 2 * 4096)
      << "two prompts of full length";

  // It comes out of the memory that weights leave.
  PlanRequest request{.data_parallel = 4,
                      .tensor_parallel = 8,
                      .memory_bytes_per_rank = 80 * kGiB,
                      .expanded_bytes_per_rank = 0};
  const auto without = MakeShardPlan(DeepseekV3(), request);
  request.expanded_bytes_per_rank = PlanRequest::kSixteenth;
  const auto with = MakeShardPlan(DeepseekV3(), request);
  ASSERT_TRUE(without.ok() && with.ok());
  EXPECT_EQ(without->kv().expanded_tokens(), 0);
  const int64_t given = without->kv().num_blocks() - with->kv().num_blocks();
  const int64_t taken = with->kv().expanded_tokens() * ExpandedBytesPerToken(*with);
  EXPECT_GT(taken, kGiB);
  EXPECT_NEAR(double(given * 16 * KvBytesPerToken(*with)), double(taken), 1e7);
  EXPECT_THAT(RefusalOf(TinyR1(), {.kv_num_blocks = 1, .expanded_bytes_per_rank = -2}),
              HasSubstr("-2 bytes for prompts in progress: must be at least 0"));
}

TEST(ShardingPlanner, GivesTheCacheWhatWeightsLeave) {
  const PlanRequest request{
      .max_batched_tokens = 256, .max_running = 4, .memory_bytes_per_rank = 512 * kMiB};
  auto plan = MakeShardPlan(TinyR1(), request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->kv().num_blocks(), 4 * 4096 / 16) << "no more than four full contexts fill";

  auto v3 = MakeShardPlan(
      DeepseekV3(), {.data_parallel = 4, .tensor_parallel = 8, .memory_bytes_per_rank = 80 * kGiB});
  ASSERT_TRUE(v3.ok()) << v3.status();
  const int64_t cache = int64_t{v3->kv().num_blocks()} * 16 * KvBytesPerToken(*v3);
  const RankMemory memory = MemoryOfRank(*v3, FullestRank(*v3), {});
  EXPECT_EQ(memory.kv_blocks, cache);
  EXPECT_LE(memory.Fixed() + memory.Cache(), 80 * kGiB);
  // Expanded keys and values come in tiles of 256 tokens.
  const int64_t cut_off = 16 * KvBytesPerToken(*v3) + 256 * ExpandedBytesPerToken(*v3);
  EXPECT_GT(memory.Fixed() + memory.Cache(), 80 * kGiB - cut_off);
}

TEST(ShardingPlanner, SaysWhatDoesNotFit) {
  auto plan = MakeShardPlan(
      DeepseekV3(), {.data_parallel = 1, .tensor_parallel = 8, .memory_bytes_per_rank = 80 * kGiB});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(Message(plan.status())),
              HasSubstr("80.00 GiB of memory per rank are too little: rank 0 needs "));
}

TEST(PlanCheck, FindsWhatWasTamperedWith) {
  const v1::ShardPlan good =
      *MakeShardPlan(TinyR1(), {.data_parallel = 2, .tensor_parallel = 2, .kv_num_blocks = 64});
  const auto faults_after = [&](auto&& tamper) {
    v1::ShardPlan plan = good;
    tamper(plan);
    plan.set_hash(PlanHash(plan));
    return std::string(Message(CheckShardPlan(plan)));
  };
  EXPECT_THAT(faults_after([](auto& plan) { plan.mutable_layout()->set_virtual_shards(2); }),
              HasSubstr("virtual_shards = 2: must be the model's 4"));
  EXPECT_THAT(faults_after([](auto& plan) { plan.mutable_placement()->set_rank_of_expert(7, 4); }),
              HasSubstr("placement puts expert 7 on rank 4: must be from 0 to 3"));
  EXPECT_THAT(faults_after([](auto& plan) { plan.mutable_placement()->add_rank_of_expert(0); }),
              HasSubstr("placement has 33 experts: must have the model's 32"));
  EXPECT_THAT(faults_after([](auto& plan) { plan.clear_compute(); }),
              HasSubstr("compute is unspecified"));

  v1::ShardPlan renamed = good;
  renamed.mutable_model()->set_hidden_size(512);
  EXPECT_THAT(std::string(Message(CheckShardPlan(renamed))), HasSubstr("hash = "));
}

}  // namespace
}  // namespace switchyard::core
