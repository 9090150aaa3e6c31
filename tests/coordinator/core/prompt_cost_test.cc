// What a piece of a prompt costs: dearer with every key before it, and what fits is what was asked.
#include "coordinator/core/sched/prompt_cost.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/coordinator/core/mla_plan.h"

namespace switchyard::core {
namespace {

TEST(PromptCost, ATokenAtTheBeginningIsTheUnit) {
  const PromptCost cost(MlaPlan(4096));
  EXPECT_NEAR(cost.Of(0, 1), 1, 0.01);
  EXPECT_EQ(cost.Of(100, 0), 0);
  EXPECT_EQ(PromptCost().Of(1000, 30), 30);
}

TEST(PromptCost, GrowsWithTheKeysBefore) {
  const PromptCost cost(MlaPlan(4096));
  EXPECT_GT(cost.Of(1000, 10), 1.5 * cost.Of(0, 10));
  EXPECT_GT(cost.Of(1000, 10) + cost.Of(1010, 10), cost.Of(1000, 20)) << "keys are fetched twice";
  EXPECT_LT(cost.Of(1000, 4), 2.5 * cost.Of(0, 4)) << "and not laid out again";
  EXPECT_GT(PromptCost(MlaPlan(0)).Of(1000, 10), 3 * cost.Of(1000, 10)) << "and expanded anew";
  EXPECT_EQ(PromptCost(MlaPlan(1000)).Of(1000, 10), cost.Of(1000, 10));
}

// Keys and values are cached as they are read: nothing is expanded.
TEST(PromptCost, OfGroupedQueries) {
  v1::ShardPlan plan = MlaPlan(0);
  plan.mutable_model()->mutable_gqa()->set_num_kv_heads(2);
  plan.mutable_model()->mutable_gqa()->set_head_dim(64);
  const PromptCost cost(plan);
  // A token: q and o of 4 heads, k and v of 2, and the MLP. A key: 4 heads twice.
  const double per_token = 256 * 64 * (2 * 4 + 2 * 2) + 3 * 256 * 640;
  const double per_key = 4 * 2 * 64 / per_token;
  EXPECT_NEAR(cost.Of(1000, 1), 1 + (1000.5 + 8 * 1000) * per_key, 1e-9);
}

TEST(PromptCost, FitsAsMuchAsCostsNoMore) {
  for (const PromptCost& cost :
       {PromptCost(), PromptCost(MlaPlan(4096)), PromptCost(MlaPlan(500))}) {
    for (const int32_t begin : {0, 1, 300, 2000}) {
      for (const double units : {0.5, 3.0, 40.0, 700.0, 1e5}) {
        const int32_t count = cost.Fit(begin, 1 << 20, units);
        EXPECT_LE(cost.Of(begin, count), units * (1 + 1e-9)) << begin << ' ' << units;
        if (count > 0) {
          EXPECT_GT(cost.Of(begin, count + 1), units);
        }
        EXPECT_LE(cost.Fit(begin, 5, units), 5);
      }
    }
    EXPECT_EQ(cost.Fit(100, 10, -1), 0);
    EXPECT_EQ(cost.Fit(100, 10, std::numeric_limits<double>::infinity()), 10);
  }
}

// However little a prompt may take of a step, no step is mostly spent reading the same keys again.
TEST(PromptCost, TakesAtLeastWhatIsWorthReadingFor) {
  EXPECT_EQ(PromptCost().LeastFrom(100'000), 1);
  EXPECT_EQ(PromptCost(MlaPlan(4096)).LeastFrom(0), 1);
  EXPECT_EQ(PromptCost(MlaPlan(4096)).LeastFrom(4000), 1) << "read once is no more than a token";
  for (const int32_t begin : {600, 2000, 4000}) {
    const PromptCost cost(MlaPlan(500));
    const int32_t least = cost.LeastFrom(begin);
    const auto price = [&](int32_t count) { return cost.Of(begin, count) / count; };
    EXPECT_GT(least, 4);
    EXPECT_LT(price(least), 2.2 * price(10 * least)) << begin;
    EXPECT_GT(price(least / 2), 2.2 * price(10 * least)) << begin << ": and no more than that";
  }
}

}  // namespace
}  // namespace switchyard::core
