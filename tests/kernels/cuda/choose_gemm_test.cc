// The choices of a product: pure functions, no device.
#include <gmock/gmock.h>

#include <numeric>
#include <vector>

#include "kernels/cuda/choose/gemm_layout.h"
#include "kernels/cuda/choose/gemm_tile.h"

namespace switchyard::kernels::cuda {
namespace {

using ::testing::ElementsAre;

constexpr int kH100Sms = 132;

LinearSource SourceOf(DType dtype, int64_t columns, Compute compute) {
  LinearSource source{.compute = compute};
  source.weight = TensorView(nullptr, dtype, {1, columns});
  return source;
}

std::vector<int32_t> ColumnsOf(const KLayout& layout) {
  std::vector<int32_t> columns;
  for (const KTile& tile : layout.tiles) columns.push_back(tile.columns);
  return columns;
}

TEST(ChooseGemmTileTest, TheLeastTileHoldsAllRowsOfDecode) {
  for (const auto& [rows, tokens] :
       {std::pair{1, 8}, {8, 8}, {9, 16}, {32, 32}, {33, 64}, {65, 128}, {128, 128}}) {
    EXPECT_EQ(ChooseGemmTile({.rows = rows, .row_tiles = 112}, kH100Sms).tokens, tokens) << rows;
  }
}

TEST(ChooseGemmTileTest, PrefillHasTheWidestBlocks) {
  const GemmTile tile = ChooseGemmTile({.rows = 4096, .row_tiles = 112}, kH100Sms);
  EXPECT_EQ(tile.tokens, 128);
  EXPECT_EQ(tile.warpgroups, 2);
}

TEST(ChooseGemmTileTest, ProcessorsAreKeptBusyBeforeBlocksGrow) {
  // 7168 outputs are 112 tiles: with two a block, 56 of 132 processors would work.
  EXPECT_EQ(ChooseGemmTile({.rows = 64, .row_tiles = 112}, kH100Sms).warpgroups, 1);
  EXPECT_EQ(ChooseGemmTile({.rows = 64, .row_tiles = 384}, kH100Sms).warpgroups, 2);
}

TEST(ChooseGemmTileTest, PartsOfKRunSideBySideWhereProcessorsWouldIdle) {
  const auto splits = [](int64_t rows, int64_t row_tiles, int64_t parts, int64_t k_bytes) {
    return ChooseGemmTile(
               {.rows = rows, .row_tiles = row_tiles, .parts = parts, .k_bytes = k_bytes}, kH100Sms)
        .split_parts;
  };
  EXPECT_TRUE(splits(64, 24, 8, 7168));     // 24 blocks for 132 processors
  EXPECT_FALSE(splits(64, 24, 1, 7168));    // nothing to split
  EXPECT_FALSE(splits(4096, 24, 8, 7168));  // rows enough for all
  // 112 blocks: a seventh of the processors idles, which few rows of sums are worth, many not.
  EXPECT_TRUE(splits(8, 112, 8, 16384));
  EXPECT_FALSE(splits(128, 112, 8, 16384));
  EXPECT_FALSE(splits(1, 1, 1024, 1 << 20));  // more than one launch adds
}

TEST(ChooseGemmTileTest, EveryTileFitsWithFourStages) {
  for (int64_t rows = 1; rows < 10000; rows = rows * 3 / 2 + 1) {
    for (const int64_t row_tiles : {1, 50, 500}) {
      for (const int64_t jobs : {1, 32}) {
        const GemmTile tile =
            ChooseGemmTile({.rows = rows, .jobs = jobs, .row_tiles = row_tiles}, kH100Sms);
        EXPECT_GE(tile.stages, 4) << rows << ' ' << row_tiles;
        EXPECT_GE(ResidentBlocks(tile), tile.warpgroups == 1 && tile.tokens <= 64 ? 2 : 1);
        EXPECT_LE(SharedOf(tile.tokens, tile.warpgroups, tile.stages).num_bytes, 227 << 10);
      }
    }
  }
}

TEST(MakeKLayoutTest, ScaleBlocksAreCountedFromTheWholeTensor) {
  LinearSource source = SourceOf(DType::kF8E4M3, 300, Compute::kW8A8);
  source.col_offset = 128 + 40;
  const KLayout layout = MakeKLayout(source);
  EXPECT_EQ(layout.form, GemmForm::kE4m3);
  EXPECT_EQ(layout.lead, 40);
  EXPECT_THAT(ColumnsOf(layout), ElementsAre(88, 128, 84));
  EXPECT_THAT(layout.part_begin, ElementsAre(0, 3));
}

TEST(MakeKLayoutTest, AScaleBlockOfBf16IsAlwaysTwoTiles) {
  LinearSource source = SourceOf(DType::kF8E4M3, 170, Compute::kBf16);
  source.col_offset = 100;
  const KLayout layout = MakeKLayout(source);
  EXPECT_EQ(layout.form, GemmForm::kBf16Scaled);
  EXPECT_THAT(ColumnsOf(layout), ElementsAre(28, 0, 64, 64, 14, 0));
}

TEST(MakeKLayoutTest, ShardsCutTilesAndScaleBlocks) {
  LinearSource source = SourceOf(DType::kF8E4M3, 384, Compute::kW8A8);
  source.k_shards = 2;
  const KLayout scaled = MakeKLayout(source);
  EXPECT_THAT(ColumnsOf(scaled), ElementsAre(128, 64, 64, 128));
  EXPECT_THAT(scaled.part_begin, ElementsAre(0, 2, 4));
  EXPECT_EQ(scaled.tiles[1].scale_group, scaled.tiles[2].scale_group);

  source = SourceOf(DType::kBf16, 200, Compute::kBf16);
  source.k_shards = 2;
  EXPECT_THAT(ColumnsOf(MakeKLayout(source)), ElementsAre(64, 36, 64, 36));
}

TEST(MakeKLayoutTest, FinerWeightsAreSumsOfPlanes) {
  EXPECT_EQ(MakeKLayout(SourceOf(DType::kF32, 8, Compute::kF32)).planes, 3);
  EXPECT_EQ(MakeKLayout(SourceOf(DType::kF16, 8, Compute::kF32)).planes, 2);
  EXPECT_EQ(MakeKLayout(SourceOf(DType::kBf16, 8, Compute::kF32)).planes, 1);
  EXPECT_EQ(MakeKLayout(SourceOf(DType::kF32, 8, Compute::kBf16)).planes, 1);
  EXPECT_EQ(MakeKLayout(SourceOf(DType::kF32, 8, Compute::kW8A8)).planes, 3);
}

LinearSource CodesOf(DType dtype, int64_t columns, int64_t group_columns) {
  LinearSource source = SourceOf(dtype, columns, Compute::kBf16);
  source.block_rows = 1;
  source.block_cols = group_columns;
  return source;
}

TEST(MakeKLayoutTest, CodesStayWhereEveryTileOrHalfOfOneHasOneScaleOfARow) {
  const auto layout = [](DType dtype, int64_t columns, int64_t group_columns, int64_t k_shards = 1,
                         int64_t col_offset = 0) {
    LinearSource source = CodesOf(dtype, columns, group_columns);
    source.k_shards = k_shards;
    source.col_offset = col_offset;
    return MakeKLayout(source);
  };
  for (const int64_t group : {64, 128, 4096}) {
    EXPECT_EQ(layout(DType::kU4, 4096, group).form, GemmForm::kInt4) << group;
    EXPECT_EQ(layout(DType::kU4, 4096, group).groups, 1) << group;
  }
  EXPECT_EQ(layout(DType::kU4, 4096, 32).groups, 2);
  EXPECT_EQ(layout(DType::kU4, 4096, 128, 1, 96).groups, 2);
  EXPECT_EQ(layout(DType::kU4, 192, 64, 2).groups, 2) << "shards end in the middle of tiles";
  EXPECT_THAT(ColumnsOf(layout(DType::kU4, 192, 64, 2)), ElementsAre(64, 32, 64, 32));
  EXPECT_EQ(layout(DType::kF4E2M1, 2880, 32).form, GemmForm::kMxfp4);
  EXPECT_EQ(layout(DType::kF4E2M1, 2880, 32).groups, 2);
  for (const KLayout& widened : {layout(DType::kU4, 4096, 16), layout(DType::kU4, 4096, 128, 1, 8),
                                 layout(DType::kF4E2M1, 64, 32, 4)}) {
    EXPECT_EQ(widened.form, GemmForm::kBf16);
  }
  LinearSource exact = CodesOf(DType::kU4, 4096, 128);
  exact.compute = Compute::kF32;
  EXPECT_EQ(MakeKLayout(exact).planes, 3);
  exact = CodesOf(DType::kF4E2M1, 4096, 32);
  exact.compute = Compute::kF32;
  EXPECT_EQ(MakeKLayout(exact).form, GemmForm::kMxfp4) << "exact as they are";
}

TEST(ChooseGemmTileTest, CodesTakeAQuarterOfTheMemory) {
  EXPECT_EQ(TileBytes(GemmForm::kBf16, 1), 8192);
  EXPECT_EQ(TileBytes(GemmForm::kInt4, 1), 2304);
  EXPECT_EQ(TileBytes(GemmForm::kInt4, 2), 2560);
  EXPECT_EQ(TileBytes(GemmForm::kMxfp4, 2), 2176);
  for (const int warpgroups : {1, 2}) {
    const GemmShared shared = SharedOf(8, warpgroups, 4, SlotBytes(GemmForm::kInt4));
    EXPECT_EQ(shared.x_begin % 1024, 0);
    EXPECT_GE(shared.x_begin, warpgroups * TileBytes(GemmForm::kInt4, 2));
  }
}

}  // namespace
}  // namespace switchyard::kernels::cuda
