#include "emulator/ptx/permutation.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace emu {
namespace {

TEST(Permutation, TakesEveryNumberOnce) {
  for (uint64_t count = 1; count < 400; ++count) {
    const Permutation order(count, count * 7);
    std::set<uint64_t> seen;
    for (uint64_t i = 0; i < count; ++i) {
      EXPECT_LT(order.At(i), count);
      seen.insert(order.At(i));
    }
    ASSERT_EQ(seen.size(), count);
  }
}

TEST(Permutation, SeedsReachEveryOrderOfAFew) {
  std::set<std::vector<uint64_t>> orders;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const Permutation order(4, seed);
    orders.insert({order.At(0), order.At(1), order.At(2), order.At(3)});
    EXPECT_EQ(Permutation(4, seed).At(2), order.At(2)) << "the same seed, the same order";
  }
  EXPECT_EQ(orders.size(), 24u);
}

// Of a shuffle, about one number in `count` stays at its place, and neighbours part.
TEST(Permutation, MixesLargeCounts) {
  for (const uint64_t count : {uint64_t{1} << 40, (uint64_t{0x7fffffff} * 65535) * 65535}) {
    const Permutation order(count, 3);
    std::set<uint64_t> seen;
    int rises = 0;
    for (uint64_t i = 0; i < 1000; ++i) {
      ASSERT_LT(order.At(i), count);
      EXPECT_NE(order.At(i), i);
      seen.insert(order.At(i));
      rises += order.At(i + 1) > order.At(i);
    }
    EXPECT_EQ(seen.size(), 1000u);
    EXPECT_NEAR(rises, 500, 60);
  }
}

}  // namespace
}  // namespace emu
