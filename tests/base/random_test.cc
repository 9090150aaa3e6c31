#include "base/random.h"

#include <gtest/gtest.h>

#include <bit>
#include <set>

namespace switchyard {
namespace {

TEST(RandomTest, NumbersAreAFunctionOfKeyAndCounter) {
  static_assert(RandomBits(1, 2) == RandomBits(1, 2));
  // The first outputs of SplitMix64 from the states 0 and 1234567, as published with it.
  EXPECT_EQ(MixBits(0), 0xe220a8397b1dcdafu);
  EXPECT_EQ(MixBits(1234567), 6457827717110365317u);
  std::set<uint64_t> seen;
  for (uint64_t key = 0; key < 50; ++key) {
    for (uint64_t counter = 0; counter < 50; ++counter) seen.insert(RandomBits(key, counter));
  }
  EXPECT_EQ(seen.size(), 2500u);
}

TEST(RandomTest, EveryInputBitFlipsHalfOfTheOutputBits) {
  for (int bit = 0; bit < 64; ++bit) {
    int flipped = 0;
    for (uint64_t counter = 0; counter < 200; ++counter) {
      flipped += std::popcount(RandomBits(7, counter) ^ RandomBits(7, counter ^ (1ull << bit)));
    }
    EXPECT_NEAR(flipped / 200.0, 32, 2) << "bit " << bit;  // deviation of the mean: 0.28
  }
}

TEST(RandomTest, UnitIsUniformBelowOne) {
  constexpr int kDraws = 20000;
  int tenth[10] = {};
  for (uint64_t counter = 0; counter < kDraws; ++counter) {
    const double unit = RandomUnit(3, counter);
    ASSERT_GE(unit, 0);
    ASSERT_LT(unit, 1);
    ++tenth[static_cast<int>(unit * 10)];
  }
  for (const int count : tenth) EXPECT_NEAR(count, kDraws / 10, 250);  // deviation: 42
}

}  // namespace
}  // namespace switchyard
