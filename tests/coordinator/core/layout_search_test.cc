#include "coordinator/core/plan/layout_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/units.h"
#include "coordinator/core/plan/hf_config.h"
#include "tests/coordinator/core/deepseek_v3_config.h"

namespace switchyard::core {
namespace {

using ::testing::HasSubstr;

LayoutRequest Request(int32_t hosts, const DeviceFigures& device) {
  return {.model = *ParseHfConfig(kDeepseekV3Config),
          .cluster = {.hosts = hosts, .device = device},
          .compute = v1::COMPUTE_MODE_W8A8};
}

LayoutPlan Only(LayoutRequest request, int32_t dp, int32_t tp) {
  request.only = {.data_parallel = dp, .tensor_parallel = tp};
  const auto plans = SearchLayouts(request);
  EXPECT_TRUE(plans.ok()) << plans.status();
  EXPECT_EQ(plans->size(), 1u);
  return plans->front();
}

std::string RefusalOf(const LayoutRequest& request) {
  const auto plans = SearchLayouts(request);
  EXPECT_FALSE(plans.ok());
  EXPECT_EQ(plans.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(Message(plans.status()));
}

// What a rank of eight lacks, from the sizes of its tensors alone.
TEST(LayoutSearch, TheShortfallIsWhatWeightsAndOneRequestTakeTooMuch) {
  const LayoutPlan plan = Only(Request(1, kH100), 1, 8);
  EXPECT_FALSE(plan.fits());
  // 32 experts in 59 layers, one byte a weight, a scale of four for 64 rows (32 each of gate and
  // up) of a tile, a place of one byte for each row, and tables.
  const int64_t expert = 3 * 7168 * 2048;
  EXPECT_GT(plan.memory.weights.routed_experts, 59 * 32 * expert);
  EXPECT_LT(plan.memory.weights.routed_experts, 59 * 32 * expert / 1000 * 1002);
  const int64_t request = 4096 * int64_t{61} * 576 * 2;
  const int64_t needed = plan.memory.Fixed() + plan.memory.Beside() + (request * 16 + 14) / 15;
  EXPECT_EQ(plan.shortfall, needed - plan.memory_limit);
  EXPECT_EQ(plan.memory_limit, 80 * kGiB / 100 * 98 + 80 * kGiB % 100 * 98 / 100);
  EXPECT_TRUE(Only(Request(1, kH200), 1, 8).fits());
}

TEST(LayoutSearch, GivesTheCacheExactlyWhatIsLeft) {
  for (const auto& [dp, tp] : {std::pair(8, 1), std::pair(2, 4)}) {
    const LayoutPlan plan = Only(Request(1, kH200), dp, tp);
    ASSERT_TRUE(plan.fits());
    EXPECT_LE(plan.memory.Total(), plan.memory_limit);
    const int64_t block = 16 * KvBytesPerToken(plan.plan, BackendKind::kCuda);
    const int64_t tile = 256 * ExpandedBytesPerToken(plan.plan, BackendKind::kCuda);
    EXPECT_GT(plan.memory.Total() + block + tile, plan.memory_limit);
    // As many as the cache holds, and not one more.
    EXPECT_TRUE(plan.limited_by_cache);
    EXPECT_GE(plan.kv_tokens(), plan.running * 4096);
    EXPECT_LT(plan.kv_tokens(), (plan.running + 2) * 4096);
  }
}

TEST(LayoutSearch, ALoadThatFitsIsNotLimitedByTheCache) {
  LayoutRequest request = Request(1, kH200);
  request.load.running = 80;
  const LayoutPlan plan = Only(request, 8, 1);
  EXPECT_EQ(plan.running, 10);
  EXPECT_FALSE(plan.limited_by_cache);
  EXPECT_EQ(plan.DecodeLimit(), "HBM");
}

TEST(LayoutSearch, RanksEveryTensorSizeAndPutsTheFastestFirst) {
  const auto plans = SearchLayouts(Request(64, kH800));
  ASSERT_TRUE(plans.ok()) << plans.status();
  std::set<int32_t> tensor_sizes;
  for (size_t i = 0; i < plans->size(); ++i) {
    const LayoutPlan& plan = (*plans)[i];
    tensor_sizes.insert(plan.plan.layout().tensor_parallel());
    EXPECT_LE(plan.ranks(), 256) << "a rank for each expert";
    if (plan.ranks() > 8) {
      EXPECT_LE(plan.copies * ((plan.ranks() + 7) / 8), 64) << "whole hosts";
    }
    if (i == 0) continue;
    EXPECT_GE(plan.shortfall, (*plans)[i - 1].shortfall);
    if (plan.fits()) {
      EXPECT_LE(plan.decode_tokens_per_s, (*plans)[i - 1].decode_tokens_per_s);
    }
  }
  EXPECT_EQ(tensor_sizes, (std::set<int32_t>{1, 2, 4, 8}));
  EXPECT_TRUE(plans->front().fits());
  EXPECT_FALSE(plans->back().fits()) << "one rank for the whole model";
}

TEST(LayoutSearch, FindsTheFewestHostsThatHoldTheModel) {
  const auto fit = FindNearestFit(Request(1, kH100), 64);
  ASSERT_TRUE(fit.ok()) << fit.status();
  EXPECT_EQ(fit->hosts, 2);
  for (const LayoutPlan& plan : fit->layouts) EXPECT_TRUE(plan.fits());
  LayoutRequest long_requests = Request(1, kH100);
  long_requests.cluster.devices_per_host = 1;
  EXPECT_EQ(FindNearestFit(long_requests, 2).status().code(), absl::StatusCode::kNotFound);
}

TEST(LayoutSearch, RedundantExpertsTakeTheirPlace) {
  LayoutRequest request = Request(4, kH800);
  EXPECT_EQ(Only(request, 32, 1).decode_shape.experts_per_gpu, 8);
  const int64_t without = Only(request, 32, 1).memory.weights.routed_experts;
  request.redundant_experts = 32;
  EXPECT_EQ(Only(request, 32, 1).decode_shape.experts_per_gpu, 9);
  EXPECT_EQ(Only(request, 32, 1).memory.weights.routed_experts, without / 8 * 9);
}

TEST(LayoutSearch, SaysWhatIsWrongWithWhatWasAsked) {
  LayoutRequest request = Request(1, kH200);
  request.only = {.data_parallel = 4, .tensor_parallel = 4};
  EXPECT_THAT(RefusalOf(request), HasSubstr("layout 4x4 has 16 ranks, the cluster 8 devices"));
  request.only = {.data_parallel = 2, .tensor_parallel = 3};
  EXPECT_THAT(RefusalOf(request), HasSubstr("layouts that work: "));
  request.only = {.data_parallel = 2, .tensor_parallel = 4, .expert_parallel = 4};
  EXPECT_THAT(RefusalOf(request), HasSubstr("ep = 4: experts are spread over all ranks"));
  request.only = {.expert_parallel = 9};
  EXPECT_THAT(RefusalOf(request), HasSubstr("no layout of the model on 8 devices is as asked"));
  request.only = {};
  request.load.context = 163841;
  EXPECT_THAT(RefusalOf(request), HasSubstr("context = 163841: must be from 1 to 163840"));
}

}  // namespace
}  // namespace switchyard::core
