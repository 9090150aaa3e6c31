// Which layers share a pool of blocks, and how many bytes that takes (docs/kv-kinds.md).
#include "coordinator/core/plan/kv_kinds.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/units.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/plan_check.h"
#include "coordinator/core/plan/rank_memory.h"
#include "coordinator/core/plan/sharding_planner.h"

namespace switchyard::core {
namespace {

// Six of seven layers have a window of 16 tokens: 64 values of two bytes a token in each layer.
v1::ModelSpec Gemma() {
  return *ParseHfConfig(*ReadFile(SWITCHYARD_SOURCE_DIR "/models/tiny-gemma3/config.json", kMiB));
}
constexpr int64_t kBlockBytes = int64_t{16} * 64 * 2;  // of one layer

v1::ShardPlan PlanOf(const v1::ModelSpec& model, PlanRequest request) {
  request.max_batched_tokens = 64;
  request.max_running = 4;
  const auto plan = MakeShardPlan(model, request);
  EXPECT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(CheckShardPlan(*plan).ok()) << CheckShardPlan(*plan);
  return *plan;
}

TEST(KvKinds, LayersWithAWindowHaveAsManyBlocksAsRunningSequencesSee) {
  const v1::ShardPlan plan = PlanOf(Gemma(), {.kv_num_blocks = 100});
  // 15 tokens before a query lie in 3 blocks at most; a step's 64 tokens fill 4.
  EXPECT_EQ(plan.kv().num_window_blocks(), 4 * 3 + 4);
  EXPECT_EQ(plan.kv().window(), 16);
  EXPECT_EQ(KvBytes(plan, BackendKind::kCpu), kBlockBytes * (100 + 6 * 16));
  EXPECT_EQ(MemoryOfRank(plan, 0, {}).kv_blocks, kBlockBytes * (100 + 6 * 16));
  EXPECT_EQ(KvBytesOf(plan, 16, BackendKind::kCpu), kBlockBytes * 7 * 16);
  const KvTokenBytes token = KvTokenBytesOf(plan, BackendKind::kCpu);
  EXPECT_EQ(token.others, 64 * 2);
  EXPECT_EQ(token.windowed, 6 * 64 * 2);
  EXPECT_EQ(KvBytesOf(plan, 10, BackendKind::kCpu), kBlockBytes * 7 * 10) << "one kind";
}

TEST(KvKinds, WhatASequenceSeesIsItsWindowAndItsDrafts) {
  const auto num_window_blocks = [](const v1::ModelSpec& model, int32_t max_tokens,
                                    int32_t max_forced) {
    PlanRequest request{.kv_num_blocks = 100};
    if (max_tokens > 0) request.drafts.set_method(v1::DRAFT_METHOD_NGRAM);
    request.drafts.set_max_tokens(max_tokens);
    request.drafts.set_max_forced(max_forced);
    return PlanOf(model, request).kv().num_window_blocks();
  };
  v1::ModelSpec model = Gemma();
  EXPECT_EQ(num_window_blocks(model, 0, 0), 4 * 3 + 4);
  // Four plans' drafts may be under way or behind: 15 and 12 tokens fill two blocks.
  EXPECT_EQ(num_window_blocks(model, 3, 0), 4 * 4 + 4);
  EXPECT_EQ(num_window_blocks(model, 1, 5), 4 * 5 + 4) << "forced ones are more";
  // A query is the last of its window: 16 before it still fill one block, 17 do not.
  const auto widen = [&](int32_t window) {
    for (int32_t& of_layer : *model.mutable_gqa()->mutable_windows()) {
      if (of_layer > 0) of_layer = window;
    }
  };
  widen(17);
  EXPECT_EQ(num_window_blocks(model, 0, 0), 4 * 3 + 4);
  widen(18);
  EXPECT_EQ(num_window_blocks(model, 0, 0), 4 * 4 + 4);
}

TEST(KvKinds, ByTheLargestWindow) {
  v1::ModelSpec model = Gemma();
  model.mutable_gqa()->set_windows(1, 40);
  const v1::ShardPlan plan = PlanOf(model, {.kv_num_blocks = 100});
  EXPECT_EQ(plan.kv().window(), 40);
  EXPECT_EQ(plan.kv().num_window_blocks(), 4 * 5 + 4);
}

// The block that drafts has a cache, too, which is of no kind.
TEST(KvKinds, WithABlockThatDraftsThereIsOne) {
  v1::ShardPlan plan = PlanOf(Gemma(), {.kv_num_blocks = 100});
  ASSERT_GT(plan.kv().num_window_blocks(), 0);
  plan.mutable_drafts()->set_method(v1::DRAFT_METHOD_MTP);
  SetKvKinds(&plan);
  EXPECT_EQ(plan.kv().num_window_blocks(), 0);
  EXPECT_EQ(plan.kv().window(), 0);
}

TEST(KvKinds, WhatSavesNothingIsOneKind) {
  for (const bool one : {false, true}) {
    const v1::ShardPlan plan =
        PlanOf(Gemma(), {.one_kv_kind = one, .kv_num_blocks = one ? 100 : 16});
    EXPECT_EQ(plan.kv().num_window_blocks(), 0);
    EXPECT_EQ(plan.kv().window(), 0);
    EXPECT_EQ(KvBytes(plan, BackendKind::kCpu), kBlockBytes * 7 * (one ? 100 : 16));
    EXPECT_EQ(KvTokenBytesOf(plan, BackendKind::kCpu).others, 7 * 64 * 2);
    EXPECT_EQ(KvTokenBytesOf(plan, BackendKind::kCpu).windowed, 0);
  }
}

TEST(KvKinds, ABytesBudgetIsFilledAndNotPassed) {
  for (const int64_t bytes : {kBlockBytes * 7 * 5, kBlockBytes * 7 * 16, kBlockBytes * 7 * 16 + 1,
                              kBlockBytes * 300 + 77}) {
    const v1::ShardPlan plan = PlanOf(Gemma(), {.kv_bytes_per_rank = bytes});
    EXPECT_LE(KvBytes(plan, BackendKind::kCpu), bytes);
    EXPECT_GT(KvBytesOf(plan, plan.kv().num_blocks() + 1, BackendKind::kCpu), bytes);
  }
  const v1::ShardPlan alike =
      PlanOf(Gemma(), {.one_kv_kind = true, .kv_bytes_per_rank = kBlockBytes * 300});
  EXPECT_EQ(alike.kv().num_blocks(), 300 / 7);
}

TEST(KvKinds, WhereAllLayersHaveAWindowOnlyContextsBoundTheOthers) {
  v1::ModelSpec model = Gemma();
  for (int32_t& window : *model.mutable_gqa()->mutable_windows()) window = 16;
  const v1::ShardPlan plan = PlanOf(model, {.kv_bytes_per_rank = kBlockBytes * 7 * 20});
  EXPECT_EQ(plan.kv().num_window_blocks(), 16);
  EXPECT_EQ(plan.kv().num_blocks(), 4 * 2048 / 16) << "as many as the limits can fill";
  EXPECT_EQ(KvBytes(plan, BackendKind::kCpu), kBlockBytes * 7 * 16);
}

}  // namespace
}  // namespace switchyard::core
