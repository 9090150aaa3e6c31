#include "cli/synth_values.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace switchyard::cli {
namespace {

std::vector<float> Values(const NormalValues& normal, int64_t first, size_t count) {
  std::vector<float> values(count);
  normal.Fill(first, values);
  return values;
}

TEST(NormalValues, AnElementDoesNotDependOnWhereFillingBegan) {
  const NormalValues normal{.key = SynthKey(3, "w")};
  const std::vector<float> all = Values(normal, 0, 1000);
  for (int64_t first : {1, 500, 999}) {
    EXPECT_EQ(Values(normal, first, 1000 - first),
              std::vector<float>(all.begin() + first, all.end()));
  }
}

TEST(NormalValues, SeedAndNameMakeOtherValues) {
  const std::vector<float> values = Values({.key = SynthKey(3, "w")}, 0, 100);
  EXPECT_NE(values, Values({.key = SynthKey(4, "w")}, 0, 100));
  EXPECT_NE(values, Values({.key = SynthKey(3, "v")}, 0, 100));
  EXPECT_EQ(values, Values({.key = SynthKey(3, "w")}, 0, 100));
}

// The very numbers, worked out by hand: a checkpoint made elsewhere or by a later version must be
// the same.
TEST(NormalValues, StayTheSame) {
  const std::vector<float> values = Values({.key = SynthKey(1, "model.norm.weight")}, 0, 3);
  EXPECT_FLOAT_EQ(values[0], 0.6155314f);
  EXPECT_FLOAT_EQ(values[1], -0.3073164f);
  EXPECT_FLOAT_EQ(values[2], 0.0844671f);
}

TEST(NormalValues, AreBellShapedAroundTheMean) {
  constexpr int kCount = 1'000'000;
  double sum = 0, squares = 0;
  int within_one = 0;
  for (float value :
       Values({.key = SynthKey(5, "w"), .mean = 3.0f, .deviation = 0.5f}, 0, kCount)) {
    sum += value;
    squares += (value - 3.0) * (value - 3.0);
    within_one += std::fabs(value - 3.0) < 0.5;
    ASSERT_LT(std::fabs(value - 3.0), 0.5 * 3.5);
  }
  EXPECT_NEAR(sum / kCount, 3.0, 0.003);
  EXPECT_NEAR(std::sqrt(squares / kCount), 0.5, 0.003);
  EXPECT_NEAR(double(within_one) / kCount, 0.67, 0.02);  // 0.683 for a normal distribution
}

}  // namespace
}  // namespace switchyard::cli
