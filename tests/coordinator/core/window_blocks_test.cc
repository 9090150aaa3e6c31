// Blocks of layers with a window (docs/kv-kinds.md): blocks of four tokens, windows of four.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "coordinator/core/kv/block_manager.h"

namespace switchyard::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class WindowTest : public ::testing::Test {
 protected:
  static std::vector<int32_t> Tokens(int32_t first, int32_t count) {
    std::vector<int32_t> tokens(count);
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
  }
  static TokenChain Chain(const std::vector<int32_t>& tokens) {
    return {.prompt_length = 1000, .tokens = tokens};
  }
  size_t NumFound(const std::vector<int32_t>& tokens) const {
    return manager_.FindPrefix(Chain(tokens), std::ssize(tokens)).size();
  }
  // A sequence that computes the tokens, of which nothing is found, and goes on.
  void Compute(SequenceId id, const std::vector<int32_t>& tokens) {
    manager_.Begin(id, std::ssize(tokens), {});
    manager_.CoverWindow(id, std::ssize(tokens));
    manager_.Publish(id, Chain(tokens));
    manager_.SlideWindow(id, std::ssize(tokens));
    manager_.CheckIntegrity();
  }

  BlockManager manager_{20, 4, {.num_blocks = 4, .window = 4}};
};

TEST_F(WindowTest, ATableIsToldOnceAndGivesBackWhatLiesBehind) {
  manager_.Begin(1, 30, {});
  EXPECT_THAT(manager_.CoverWindow(1, 9), ElementsAre(0, 1, 2));
  EXPECT_THAT(manager_.CoverWindow(1, 12), IsEmpty()) << "the third block has room";
  EXPECT_EQ(manager_.num_window_free(), 1);
  manager_.SlideWindow(1, 6);
  EXPECT_EQ(manager_.num_window_free(), 1) << "a query at 6 sees position 3";
  manager_.SlideWindow(1, 7);
  EXPECT_EQ(manager_.num_window_free(), 2);
  manager_.SlideWindow(1, 12);
  EXPECT_EQ(manager_.num_window_free(), 3);
  EXPECT_THAT(manager_.CoverWindow(1, 13), ElementsAre(1)) << "the last one that was given back";
  manager_.CheckIntegrity();
  manager_.Release(1);
  EXPECT_EQ(manager_.num_window_free(), 4);
}

TEST_F(WindowTest, AHitNeedsTheLastWindowAlone) {
  const std::vector<int32_t> tokens = Tokens(10, 12);
  Compute(1, tokens);
  manager_.Release(1);
  Compute(2, Tokens(100, 8));  // in the block that nothing is found in, and the oldest that is kept
  manager_.Release(2);
  EXPECT_EQ(NumFound(tokens), 3);
  const auto prefix = manager_.FindPrefix(Chain(tokens), 8);
  ASSERT_THAT(prefix, SizeIs(2));
  manager_.Begin(3, 9, prefix);
  // The query at 8 sees positions 5 to 8: block 1, as it was found, and a new one.
  EXPECT_THAT(manager_.CoverWindow(3, 9), SizeIs(2));
  manager_.CheckIntegrity();
}

TEST_F(WindowTest, WithoutItsWindowABeginningIsNoHitUntilItIsComputedAnew) {
  const std::vector<int32_t> tokens = Tokens(10, 8);
  Compute(1, tokens);
  manager_.Release(1);
  EXPECT_EQ(NumFound(tokens), 2);
  manager_.Begin(2, 16, {});
  manager_.CoverWindow(2, 16);  // all four
  EXPECT_EQ(NumFound(tokens), 0);
  manager_.Release(2);
  Compute(3, tokens);
  EXPECT_EQ(NumFound(tokens), 2)
      << "its windows are the twins of the blocks that were there before";
  manager_.Release(3);
  manager_.CheckIntegrity();
}

TEST_F(WindowTest, AFullBlockThatGoesLeavesItsTwinBlank) {
  Compute(1, Tokens(10, 4));
  manager_.Release(1);
  manager_.Begin(2, 80, {});  // all full blocks
  manager_.CheckIntegrity();
  EXPECT_EQ(NumFound(Tokens(10, 4)), 0);
  EXPECT_EQ(manager_.num_window_free(), 4);
}

}  // namespace
}  // namespace switchyard::core
