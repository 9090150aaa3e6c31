// How rows that go to lists are cut into blocks of threads: no GPU is asked.
#include <gtest/gtest.h>

#include "kernels/cuda/choose/list_grid.h"

namespace switchyard::kernels::cuda {
namespace {

TEST(ListGridTest, BlocksHoldAllRowsAndNoneIsIdle) {
  for (const int64_t rows : {1, 31, 32, 33, 2048, 2049, 100000}) {
    const ListGrid grid = ListGridFor(rows, 8);
    EXPECT_EQ(grid.rows_of_block % kChunkRows, 0) << rows;
    EXPECT_LE(grid.blocks, kMostListBlocks) << rows;
    EXPECT_GE(int64_t{grid.blocks} * grid.rows_of_block, rows);
    EXPECT_LT(int64_t{grid.blocks - 1} * grid.rows_of_block, rows);
  }
}

TEST(ListGridTest, WithoutRowsOneBlockSaysThatThereAreNone) {
  EXPECT_EQ(ListGridFor(0, 8).blocks, 1);
}

TEST(ListGridTest, AChunkHasAThreadForEachItemWhereABlockHasSoMany) {
  EXPECT_EQ(ListGridFor(100, 1).threads, 64);
  EXPECT_EQ(ListGridFor(100, 8).threads, 256);
  EXPECT_EQ(ListGridFor(100, 64).threads, kMostListThreads);
}

TEST(ListGridTest, ManyItemsAreCountedByMoreThreads) {
  EXPECT_EQ(ListGridFor(1024, 8).threads, 256);
  EXPECT_EQ(ListGridFor(8192, 8).threads, kMostListThreads);
}

}  // namespace
}  // namespace switchyard::kernels::cuda
