#include "coordinator/core/kv/block_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "coordinator/core/kv/block_pool.h"

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

}  // namespace
}  // namespace switchyard::core
