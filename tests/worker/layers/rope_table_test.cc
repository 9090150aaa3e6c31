// Rotary frequencies against the worked numbers of MODEL_SPECS 1.5 and 1.6.
#include "worker/layers/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/backend.h"

namespace switchyard::worker {
namespace {

// DeepSeek-V3's own.
v1::RopeSpec V3() {
  v1::RopeSpec spec;
  spec.set_theta(10000);
  v1::YarnScaling& yarn = *spec.mutable_yarn();
  yarn.set_factor(40);
  yarn.set_beta_fast(32);
  yarn.set_beta_slow(1);
  yarn.set_mscale(1);
  yarn.set_mscale_all_dim(1);
  yarn.set_original_max_position_embeddings(4096);
  yarn.set_truncate(true);
  return spec;
}

TEST(RopeFrequencies, OfDeepSeekV3) {
  const std::vector<double> f = RopeFrequencies(V3(), 64);
  ASSERT_EQ(f.size(), 32u);
  EXPECT_DOUBLE_EQ(f[0], 1);
  EXPECT_NEAR(f[10], 5.623413252e-2, 5e-12);  // unchanged
  EXPECT_NEAR(f[11], 3.900692657e-2, 5e-12);  // the ramp's first step
  EXPECT_NEAR(f[16], 5.5e-3, 5e-13);
  EXPECT_NEAR(f[22], 1.778279410e-4, 5e-14);
  EXPECT_NEAR(f[23], 3.333803580e-5, 5e-15);  // divided by 40
  EXPECT_NEAR(f[31], 3.333803580e-6, 5e-16);
}

TEST(RopeFrequencies, WithoutYarnAreAGeometricSeries) {
  v1::RopeSpec spec;
  spec.set_theta(10000);
  const std::vector<double> f = RopeFrequencies(spec, 16);
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(f[i], std::pow(10.0, -0.5 * i), 1e-15);
}

TEST(RopeFrequencies, ARampOfNoWidthIsAStep) {
  v1::RopeSpec spec = V3();
  spec.mutable_yarn()->set_original_max_position_embeddings(4);  // both bounds end at 0
  const std::vector<double> f = RopeFrequencies(spec, 8);
  EXPECT_DOUBLE_EQ(f[0], 1);
  for (int i = 1; i < 4; ++i) EXPECT_NEAR(f[i], std::pow(10.0, -i) / 40, 1e-15) << i;
}

TEST(RopeFrequencies, BoundsStayRealNumbersWithoutTruncation) {
  v1::RopeSpec spec = V3();
  spec.mutable_yarn()->set_truncate(false);
  const std::vector<double> f = RopeFrequencies(spec, 64);
  const double plain = std::pow(10000.0, -2.0 * 11 / 64);
  const double ramp = (11 - 10.472241) / (22.513441 - 10.472241);
  EXPECT_NEAR(f[11], plain / 40 * ramp + plain * (1 - ramp), 1e-8);
}

// MODEL_SPECS 7.
TEST(RopeFrequencies, OfLlama31) {
  v1::RopeSpec spec;
  spec.set_theta(500000);
  v1::Llama3Scaling& llama3 = *spec.mutable_llama3();
  llama3.set_factor(8);
  llama3.set_low_freq_factor(1);
  llama3.set_high_freq_factor(4);
  llama3.set_original_max_position_embeddings(8192);
  const std::vector<double> f = RopeFrequencies(spec, 128);
  EXPECT_NEAR(f[28], 3.211446e-3, 5e-10);  // unscaled
  EXPECT_NEAR(f[29], 2.166571e-3, 5e-10);
  EXPECT_NEAR(f[32], 5.248462e-4, 5e-11);
  EXPECT_NEAR(f[35], 9.556212e-5, 5e-12);  // divided by 8
  EXPECT_NEAR(f[63], 3.068926e-7, 5e-14);
  EXPECT_EQ(RopeAmplitude(spec), 1);
}

TEST(RopeFrequencies, LinearScalingDividesAll) {
  v1::RopeSpec spec;
  spec.set_theta(10000);
  spec.set_linear_factor(4);
  const std::vector<double> f = RopeFrequencies(spec, 16);
  for (int i = 0; i < 8; ++i) EXPECT_NEAR(f[i], std::pow(10.0, -0.5 * i) / 4, 1e-15);
  EXPECT_EQ(RopeAmplitude(spec), 1);
}

TEST(AttentionScale, OfDeepSeekV3) {
  EXPECT_NEAR(AttentionScale(V3(), 192), 0.1352337789, 5e-11);
  v1::RopeSpec without = V3();
  without.mutable_yarn()->set_mscale_all_dim(0);
  EXPECT_DOUBLE_EQ(AttentionScale(without, 192), 1 / std::sqrt(192.0));
  EXPECT_DOUBLE_EQ(AttentionScale(v1::RopeSpec(), 64), 0.125);
}

TEST(RopeAmplitude, IsTheRatioOfBothScalesOrWhatTheConfigSays) {
  v1::RopeSpec spec = V3();
  EXPECT_DOUBLE_EQ(RopeAmplitude(spec), 1);
  spec.mutable_yarn()->set_mscale(0.5);
  EXPECT_NEAR(RopeAmplitude(spec), (0.05 * std::log(40) + 1) / 1.3688879454, 1e-10);
  spec.mutable_yarn()->set_mscale(0);  // one of the two is absent
  EXPECT_NEAR(RopeAmplitude(spec), 1.3688879454, 1e-10);
  spec.mutable_yarn()->set_attention_factor(1.25);
  EXPECT_DOUBLE_EQ(RopeAmplitude(spec), 1.25);
  EXPECT_DOUBLE_EQ(RopeAmplitude(v1::RopeSpec()), 1);
}

TEST(RopeTable, HasCosineAndSineOfEachPairWhereThePairStands) {
  const auto ops = kernels::MakeCpuBackend({.num_threads = 1});
  ASSERT_TRUE(ops.ok());
  v1::RopeSpec spec = V3();
  spec.mutable_yarn()->set_attention_factor(2);
  const std::vector<double> f = RopeFrequencies(spec, 64);
  for (const bool halves : {false, true}) {
    const RopeTable table((*ops)->device(), spec, 64, 100, halves);
    ASSERT_EQ(table.view().rows(), 100);
    EXPECT_EQ(table.halves(), halves);
    for (int64_t position : {0, 1, 99}) {
      for (int64_t pair : {0, 11, 31}) {
        const float* row = table.view().row<const float>(position);
        EXPECT_FLOAT_EQ(row[halves ? pair : 2 * pair], 2 * std::cos(position * f[pair]));
        EXPECT_FLOAT_EQ(row[halves ? pair + 32 : 2 * pair + 1], 2 * std::sin(position * f[pair]));
      }
    }
  }
}

}  // namespace
}  // namespace switchyard::worker
