#include "coordinator/core/kv/block_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "coordinator/core/kv/block_pool.h"
#include "coordinator/core/kv/prefix_cache.h"

namespace switchyard::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(BlockPool, HandsOutEachBlockOnce) {
  BlockPool pool(3);
  EXPECT_EQ(pool.Take(), 0);
  EXPECT_EQ(pool.Take(), 1);
  EXPECT_EQ(pool.Take(), 2);
  EXPECT_EQ(pool.num_free(), 0);
  pool.Drop(1);
  EXPECT_EQ(pool.Take(), 1);
  pool.CheckIntegrity();
}

TEST(BlockPool, ABlockIsFreeWhenItsLastOwnerDropsIt) {
  BlockPool pool(2);
  const int block = pool.Take();
  pool.Share(block);
  pool.Drop(block);
  EXPECT_EQ(pool.num_free(), 1);
  EXPECT_EQ(pool.owners(block), 1);
  pool.Drop(block);
  EXPECT_EQ(pool.num_free(), 2);
  pool.CheckIntegrity();
}

TEST(BlockPoolDeathTest, RefusesToFreeTwice) {
  BlockPool pool(2);
  const int block = pool.Take();
  pool.Drop(block);
  EXPECT_DEATH(pool.Drop(block), "freed twice");
  EXPECT_DEATH(pool.Share(block), "is free");
}

TEST(BlockManager, TablesGrowBlockByBlock) {
  BlockManager manager(4, 16);
  EXPECT_THAT(manager.Allocate(7, 17), ElementsAre(0, 1));
  EXPECT_THAT(manager.Allocate(7, 32), IsEmpty()) << "the second block has room";
  EXPECT_THAT(manager.Allocate(9, 1), ElementsAre(2));
  EXPECT_THAT(manager.Allocate(7, 33), ElementsAre(3));
  EXPECT_THAT(manager.Table(7), ElementsAre(0, 1, 3));
  EXPECT_EQ(manager.num_free(), 0);
  manager.CheckIntegrity();
}

TEST(BlockManager, AsksBeforeItActs) {
  BlockManager manager(2, 16);
  EXPECT_TRUE(manager.CanAllocate(1, 32));
  EXPECT_FALSE(manager.CanAllocate(1, 33));
  EXPECT_FALSE(manager.CanAllocate(1, 32, 1)) << "one block must stay free";
  EXPECT_EQ(manager.num_free(), 2) << "asking takes nothing";
  manager.Allocate(1, 32);
  EXPECT_TRUE(manager.CanAllocate(1, 32)) << "what it has already it can have";
  EXPECT_FALSE(manager.CanAllocate(2, 1));
  EXPECT_DEATH(manager.Allocate(2, 1), "sequence 2, 1 tokens");
}

TEST(BlockManager, ReleasedBlocksServeTheNextInTheSameOrder) {
  BlockManager manager(4, 16);
  manager.Allocate(1, 48);
  manager.Release(1);
  manager.Release(1);  // a sequence without a table is no error
  EXPECT_EQ(manager.num_free(), 4);
  EXPECT_THAT(manager.Table(1), IsEmpty());
  EXPECT_THAT(manager.Allocate(2, 48), ElementsAre(0, 1, 2));
  manager.CheckIntegrity();
}

// Chains of blocks of four tokens; unless told, all of them are prompt.
class PrefixTest : public ::testing::Test {
 protected:
  static std::vector<int32_t> Tokens(int32_t first, int32_t count) {
    std::vector<int32_t> tokens(count);
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
  }
  static TokenChain Chain(const std::vector<int32_t>& tokens, int32_t prompt_length = 1000,
                          std::string_view salt = "") {
    return {.salt = salt, .prompt_length = prompt_length, .tokens = tokens};
  }
  // A sequence that computes the chain and ends.
  void Compute(SequenceId id, const TokenChain& chain) {
    const int64_t count = std::ssize(chain.tokens);
    manager_.Begin(id, count, manager_.FindPrefix(chain, count));
    manager_.Publish(id, chain);
    manager_.Release(id);
    manager_.CheckIntegrity();
  }
  std::vector<int32_t> Find(const TokenChain& chain, int64_t max_tokens = 1000) const {
    return manager_.FindPrefix(chain, max_tokens);
  }

  BlockManager manager_{6, 4};
};

TEST_F(PrefixTest, FullBlocksAreFoundAndStayFree) {
  const std::vector<int32_t> tokens = Tokens(10, 11);
  Compute(1, Chain(tokens));
  EXPECT_EQ(manager_.num_free(), 6);
  EXPECT_THAT(Find(Chain(tokens)), ElementsAre(0, 1));
  EXPECT_THAT(Find(Chain(tokens), 7), ElementsAre(0)) << "no more than asked";
  EXPECT_THAT(Find(Chain(Tokens(10, 4))), ElementsAre(0));
  EXPECT_THAT(Find(Chain(Tokens(14, 4))), IsEmpty()) << "the same tokens, after others";
}

TEST_F(PrefixTest, TheFormOfEveryTokenBelongsToTheContent) {
  const std::vector<int32_t> tokens = Tokens(10, 12);
  Compute(1, Chain(tokens, /*prompt_length=*/6));
  EXPECT_THAT(Find(Chain(tokens, 6)), ElementsAre(0, 1, 2));
  EXPECT_THAT(Find(Chain(tokens, 12)), ElementsAre(0)) << "its answer as another's prompt";
  EXPECT_THAT(Find(Chain(tokens, 7)), ElementsAre(0));
  EXPECT_THAT(Find(Chain(tokens, 2)), IsEmpty());
}

TEST_F(PrefixTest, SaltsShareNothing) {
  const std::vector<int32_t> tokens = Tokens(10, 8);
  Compute(1, Chain(tokens, 1000, "a"));
  EXPECT_THAT(Find(Chain(tokens, 1000, "b")), IsEmpty());
  EXPECT_THAT(Find(Chain(tokens, 1000, "a")), ElementsAre(0, 1));
}

TEST_F(PrefixTest, OwnersShareABlock) {
  const std::vector<int32_t> tokens = Tokens(10, 9);
  Compute(1, Chain(tokens));
  const std::vector<int32_t> prefix = Find(Chain(tokens));
  EXPECT_EQ(manager_.NumFreeNeeded(9, prefix), 3) << "free ones count, wherever they come from";
  EXPECT_THAT(manager_.Begin(2, 9, prefix), ElementsAre(0, 1, 2));
  EXPECT_EQ(manager_.NumFreeNeeded(9, prefix), 1);
  EXPECT_THAT(manager_.Begin(3, 9, prefix), ElementsAre(0, 1, 3));
  EXPECT_EQ(manager_.num_used(), 4);
  manager_.CheckIntegrity();
  manager_.Release(2);
  EXPECT_EQ(manager_.num_used(), 3);
  manager_.CheckIntegrity();
}

TEST_F(PrefixTest, EndsOfChainsGoFirstAndTheLongestFreeChainBeforeOthers) {
  const std::vector<int32_t> older = Tokens(10, 8);
  const std::vector<int32_t> newer = Tokens(50, 8);
  Compute(1, Chain(older));
  Compute(2, Chain(newer));
  manager_.Allocate(3, 12);  // the two blank ones and one that was kept
  EXPECT_THAT(Find(Chain(older)), ElementsAre(0));
  EXPECT_THAT(Find(Chain(newer)), ElementsAre(2, 3));
  manager_.CheckIntegrity();
  manager_.Release(3);
  Compute(4, Chain(older));  // used just now: the other is the older one
  manager_.Allocate(5, 12);
  EXPECT_EQ(Find(Chain(older)).size(), 2u);
  EXPECT_THAT(Find(Chain(newer)), ElementsAre(2));
  manager_.Allocate(5, 16);
  EXPECT_EQ(Find(Chain(older)).size(), 2u);
  EXPECT_THAT(Find(Chain(newer)), IsEmpty());
  manager_.CheckIntegrity();
}

TEST_F(PrefixTest, OfTwoThatComputeTheSameOneIsFound) {
  const std::vector<int32_t> tokens = Tokens(10, 8);
  manager_.Begin(1, 8, {});
  manager_.Begin(2, 8, {});
  manager_.Publish(1, Chain(tokens));
  manager_.Publish(2, Chain(tokens));
  EXPECT_EQ(manager_.num_published(), 2);
  EXPECT_THAT(Find(Chain(tokens)), ElementsAre(0, 1));
  manager_.Release(1);
  manager_.CheckIntegrity();
  manager_.Release(2);
  manager_.CheckIntegrity();
  EXPECT_EQ(manager_.num_free(), 6);
}

TEST(PrefixCache, AHashThatLeadsElsewhereIsNoHit) {
  PrefixCache cache(2, 2);
  const std::vector<int32_t> tokens = {1, 2, 3, 4};
  const std::vector<int32_t> table = {0, 1};
  EXPECT_FALSE(cache.Publish({.prompt_length = 4, .tokens = tokens}, 1, table))
      << "nothing leads to it";
  EXPECT_TRUE(cache.Publish({.prompt_length = 4, .tokens = tokens}, 0, table));
  EXPECT_TRUE(cache.Publish({.prompt_length = 4, .tokens = tokens}, 1, table));
  EXPECT_DEATH(cache.Forget(0), "before those after it");
  cache.Forget(1);
  cache.Forget(0);
  EXPECT_EQ(cache.num_published(), 0);
  cache.CheckIntegrity();
}

}  // namespace
}  // namespace switchyard::core
