#include "worker/sample/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

namespace switchyard::worker {
namespace {

v1::SamplingParams Params(float temperature, float top_p = 1, int top_k = 0, uint64_t seed = 7) {
  v1::SamplingParams params;
  params.set_temperature(temperature);
  params.set_top_p(top_p);
  params.set_top_k(top_k);
  params.set_seed(seed);
  return params;
}

// Draws at many positions and counts.
std::map<int32_t, int> Histogram(const std::vector<float>& logits, const v1::SamplingParams& params,
                                 int num_draws) {
  Sampler sampler(logits.size());
  std::map<int32_t, int> counts;
  for (int position = 0; position < num_draws; ++position) {
    ++counts[sampler.Choose(logits, params, position)->token];
  }
  return counts;
}

TEST(Sampler, GreedyTakesTheLikeliestAndTheLowerOfEqualIds) {
  Sampler sampler(4);
  const std::vector<float> logits = {1, 3, 3, 2};
  const Sample sample = *sampler.Choose(logits, Params(0), 5);
  EXPECT_EQ(sample.token, 1);
  const double sum = std::exp(-2.0) + 1 + 1 + std::exp(-1.0);
  EXPECT_NEAR(sample.logprob, -std::log(sum), 1e-6);
}

TEST(Sampler, FrequenciesFollowTheSoftmaxAtTemperature) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f)};
  const auto counts = Histogram(logits, Params(1), 80000);
  EXPECT_NEAR(counts.at(0), 10000, 400);
  EXPECT_NEAR(counts.at(1), 20000, 500);
  EXPECT_NEAR(counts.at(2), 50000, 600);
  const auto cold = Histogram(logits, Params(0.5), 30000);  // weights 1, 4, 25
  EXPECT_NEAR(cold.at(0), 1000, 130);
  EXPECT_NEAR(cold.at(1), 4000, 250);
}

TEST(Sampler, TopKAndTopPKeepTheLikeliest) {
  const std::vector<float> logits = {0, std::log(2.0f), std::log(5.0f), std::log(2.0f)};
  EXPECT_EQ(Histogram(logits, Params(1, 1, 1), 500).size(), 1u);
  const auto two = Histogram(logits, Params(1, 1, 2), 500);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_TRUE(two.contains(2) && two.contains(1)) << "the lower of equal ids stays";
  EXPECT_EQ(Histogram(logits, Params(1, 0.5), 500).size(), 1u);  // 5/10 reaches one half
  EXPECT_EQ(Histogram(logits, Params(1, 0.51), 500).size(), 2u);
  EXPECT_EQ(Histogram(logits, Params(1, 1e-6f), 500).size(), 1u);
}

TEST(Sampler, DependsOnSeedAndPositionAlone) {
  const std::vector<float> logits(100, 0.0f);
  Sampler one(100), other(100);
  int differ = 0;
  for (int position = 0; position < 50; ++position) {
    const int32_t token = one.Choose(logits, Params(1), position)->token;
    EXPECT_EQ(other.Choose(logits, Params(1), position)->token, token);
    differ += one.Choose(logits, Params(1, 1, 0, 8), position)->token != token;
  }
  EXPECT_GT(differ, 40);
}

TEST(Sampler, BrokenLogitsAreAnErrorAndNoToken) {
  Sampler sampler(3);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& logits :
       {std::vector<float>{1, nan, 2}, {-infinity, -infinity, -infinity}, {1, infinity, 2}}) {
    EXPECT_EQ(sampler.Choose(logits, Params(0), 9).status().code(), absl::StatusCode::kInternal);
  }
  EXPECT_TRUE(sampler.Choose(std::vector<float>{1, -infinity, 2}, Params(1), 9).ok());
}

}  // namespace
}  // namespace switchyard::worker
