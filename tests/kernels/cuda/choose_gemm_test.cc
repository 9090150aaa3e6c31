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

}  // namespace
}  // namespace switchyard::kernels::cuda
