// Cuts of attention: fixed along keys, within the bounds of memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/choose/gqa_shape.h"

namespace switchyard::kernels::cuda {
namespace {

TEST(ChooseAttentionTest, HeadTilesFitSharedMemory) {
  EXPECT_EQ(ChooseDecodeHeadTiles(1, 576), 1);
  EXPECT_EQ(ChooseDecodeHeadTiles(16, 576), 1);
  EXPECT_EQ(ChooseDecodeHeadTiles(17, 576), 2);
  EXPECT_EQ(ChooseDecodeHeadTiles(33, 576), 4);
  EXPECT_EQ(ChooseDecodeHeadTiles(128, 576), 4);
  EXPECT_EQ(ChooseDecodeHeadTiles(128, 577), 2);
  EXPECT_EQ(ChooseDecodeHeadTiles(128, 768), 1);
  EXPECT_EQ(ChooseDecodeHeadTiles(1, 769), 0);
  EXPECT_EQ(ChooseDecodeHeadTiles(1, int64_t{1} << 40), 0);
}

TEST(ChooseAttentionTest, WarpgroupsTakeServedLatentsOfManyHeads) {
  EXPECT_TRUE(DecodeTakesWgmma(ChooseDecodeHeadTiles(128, 576), 512));
  EXPECT_TRUE(DecodeTakesWgmma(ChooseDecodeHeadTiles(64, 576), 512));
  EXPECT_FALSE(DecodeTakesWgmma(ChooseDecodeHeadTiles(32, 576), 512));
  EXPECT_FALSE(DecodeTakesWgmma(ChooseDecodeHeadTiles(128, 512), 448));
  EXPECT_FALSE(DecodeTakesWgmma(ChooseDecodeHeadTiles(128, 768), 512));
}

TEST(ChooseAttentionTest, SplitsBeginAtMultiplesOfAConstant) {
  EXPECT_EQ(NumDecodeSplits(0), 1);
  EXPECT_EQ(NumDecodeSplits(kDecodeSplitTokens - 1), 1);
  EXPECT_EQ(NumDecodeSplits(kDecodeSplitTokens), 2);
}

TEST(ChooseAttentionTest, AWindowLeavesOutSplits) {
  constexpr int32_t kSplit = kDecodeSplitTokens;
  EXPECT_EQ(FirstDecodeKey(9, 10), 0);
  EXPECT_EQ(FirstDecodeKey(10, 10), 1);
  EXPECT_EQ(NumDecodeSplits(5 * kSplit, 1), 1);
  EXPECT_EQ(NumDecodeSplits(5 * kSplit, 2), 2);
  EXPECT_EQ(NumDecodeSplits(5 * kSplit - 1, kSplit), 1);
  EXPECT_EQ(NumDecodeSplits(5 * kSplit, kSplit), 2);
  for (const int64_t window : {1, 2, 100, kSplit - 1, kSplit, kSplit + 1, kSplit + 2, 1500}) {
    int64_t most = 0;
    for (int32_t position = 0; position < 5 * kSplit; ++position) {
      most = std::max(most, NumDecodeSplits(position, window));
      ASSERT_EQ(MostDecodeSplits(position, window), most) << position << " " << window;
    }
  }
}

TEST(ChooseAttentionTest, WavesTakeRowsWhileTheirPartialsFit) {
  std::vector<DecodeRowWork> rows;
  for (const int64_t splits : {1, 2, 1, 2, 5, 5, 1}) rows.push_back({splits, /*staged_bytes=*/100});
  const auto expect = [&](int64_t begin, int64_t max_partials, const DecodeWave& want) {
    const DecodeWave wave = NextDecodeWave(rows, begin, {max_partials, /*staged_bytes=*/700});
    EXPECT_EQ(wave.begin, want.begin);
    EXPECT_EQ(wave.end, want.end);
    EXPECT_EQ(wave.num_splits, want.num_splits);
    EXPECT_EQ(wave.num_partials, want.num_partials);
    EXPECT_EQ(wave.num_merges, want.num_merges);
  };
  expect(0, 4, {.begin = 0, .end = 4, .num_splits = 6, .num_partials = 4, .num_merges = 2});
  expect(4, 4, {.begin = 4, .end = 5, .num_splits = 5, .num_partials = 5, .num_merges = 1});
  expect(5, 4, {.begin = 5, .end = 6, .num_splits = 5, .num_partials = 5, .num_merges = 1});
  expect(6, 4, {.begin = 6, .end = 7, .num_splits = 1, .num_partials = 0, .num_merges = 0});
  expect(0, 0, {.begin = 0, .end = 1, .num_splits = 1, .num_partials = 0, .num_merges = 0});
  expect(0, 100, {.begin = 0, .end = 7, .num_splits = 17, .num_partials = 14, .num_merges = 4});
}

TEST(ChooseAttentionTest, WavesTakeRowsWhileTheirTablesFit) {
  const std::vector<DecodeRowWork> rows = {{1, 40}, {2, 50}, {1, 10}, {1, 101}, {3, 60}, {1, 40}};
  std::vector<int64_t> ends;
  for (int64_t begin = 0; begin < std::ssize(rows); begin = ends.back()) {
    ends.push_back(NextDecodeWave(rows, begin, {/*partials=*/9, /*staged_bytes=*/100}).end);
    ASSERT_GT(ends.back(), begin);
  }
  EXPECT_EQ(ends, (std::vector<int64_t>{3, 4, 6}));  // the fourth is beyond the bound by itself
}

TEST(ChooseAttentionTest, PrefillTakesHeadsThatFit) {
  EXPECT_EQ(ChoosePrefillColumns(192, 128), 128);
  EXPECT_EQ(ChoosePrefillColumns(192, 129), 256);
  EXPECT_EQ(ChoosePrefillColumns(320, 256), 256);
  EXPECT_EQ(ChoosePrefillColumns(192, 257), 0);
  EXPECT_EQ(ChoosePrefillColumns(640, 256), 0);
  EXPECT_EQ(ChoosePrefillColumns(int64_t{1} << 40, 128), 0);
}

TEST(ChooseAttentionTest, GroupedQueriesTakeHeadsThatFit) {
  EXPECT_EQ(GqaColumns(1), 64);
  EXPECT_EQ(GqaColumns(64), 64);
  EXPECT_EQ(GqaColumns(65), 128);
  EXPECT_EQ(GqaColumns(129), 256);
  EXPECT_EQ(GqaColumns(256), 256);
  EXPECT_EQ(GqaColumns(257), 0);
  EXPECT_EQ(GqaColumns(int64_t{1} << 40), 0);
  for (const int columns : {64, 128, 256}) {
    constexpr int kMultiprocessorBytes = 228 << 10, kSystemBytes = 1 << 10;  // of each block
    const int prefill_blocks = GqaPrefillBlocks(columns);
    EXPECT_LE(prefill_blocks * (GqaPrefillSharedOf(columns).num_bytes + kSystemBytes),
              kMultiprocessorBytes);
    EXPECT_LE(GqaDecodeSharedOf(columns).num_bytes, kMaxSharedBytes);
    // Swizzled tiles begin at multiples of their pattern.
    EXPECT_EQ(GqaPrefillSharedOf(columns).stages_begin % 1024, 0);
    EXPECT_EQ(GqaPrefillSharedOf(columns).stage_bytes % 2048, 0);
    EXPECT_EQ(GqaDecodeSharedOf(columns).stages_begin % 1024, 0);
    EXPECT_EQ(GqaDecodeSharedOf(columns).stage_bytes % 2048, 0);
  }
}

}  // namespace
}  // namespace switchyard::kernels::cuda
