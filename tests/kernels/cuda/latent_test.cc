// The latent cache on CUDA: what is written to slots is read back by position, and nothing else
// changes.
#include <algorithm>
#include <numeric>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/rows.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::SameBits;

class CudaLatentTest : public CudaTest {};

struct Widths {
  int64_t latent, rope, spare;  // spare: columns of the activations beyond each part
};
constexpr Widths kWidths[] = {{512, 64, 8}, {512, 64, 3}, {33, 2, 1}, {16, 0, 0}, {1, 7, 2}};

TEST_F(CudaLatentTest, SlotsAreReadBackByPosition) {
  constexpr int64_t kBlocks = 6, kBlockTokens = 5, kTokens = 17;
  const std::vector<int32_t> table = {4, 0, 5, 2};
  for (const Widths& widths : kWidths) {
    const int64_t width = widths.latent + widths.rope;
    const std::vector<float> before = RandomBf16(kBlocks * kBlockTokens * width, 1);
    const TensorView cache = PutBf16({kBlocks, kBlockTokens, width}, before);
    const int64_t row = width + widths.spare;
    const std::vector<float> entries = RandomBf16(kTokens * row, 2);
    const TensorView wide = PutBf16({kTokens, row}, entries);
    std::vector<int64_t> slots;
    for (int64_t u = 0; u < kTokens; ++u) {
      slots.push_back(table[static_cast<size_t>(u / kBlockTokens)] * kBlockTokens +
                      u % kBlockTokens);
    }
    cuda::LatentWrite(cuda_, {.c = wide.Cols(0, widths.latent),
                              .k_pe = wide.Cols(widths.latent, widths.rope),
                              .slots = slots,
                              .cache = cache});
    std::vector<float> want = before;
    for (int64_t u = 0; u < kTokens; ++u) {
      std::copy_n(entries.begin() + u * row, width, want.begin() + slots[u] * width);
    }
    EXPECT_TRUE(SameBits(Get(cache), want, width)) << width;

    for (const auto& [begin, count] : {std::pair<int64_t, int64_t>{0, 17}, {4, 2}, {7, 10}}) {
      const TensorView c = Make(DType::kBf16, {count, widths.latent});
      const TensorView k_pe = Make(DType::kBf16, {count, widths.rope});
      cuda::LatentGather(
          cuda_,
          {.cache = cache, .table = table, .begin = begin, .count = count, .c = c, .k_pe = k_pe});
      std::vector<float> want_c, want_k_pe;
      for (int64_t u = begin; u < begin + count; ++u) {
        const auto entry = entries.begin() + u * row;
        want_c.insert(want_c.end(), entry, entry + widths.latent);
        want_k_pe.insert(want_k_pe.end(), entry + widths.latent, entry + width);
      }
      EXPECT_TRUE(SameBits(Get(c), want_c, widths.latent)) << begin;
      EXPECT_TRUE(widths.rope == 0 || SameBits(Get(k_pe), want_k_pe, widths.rope)) << begin;
    }
  }
}

TEST_F(CudaLatentTest, BlocksMayLieApart) {
  constexpr int64_t kWidth = 24, kBlockTokens = 4;
  const TensorView pool = Make(DType::kBf16, {3, 2 * kBlockTokens * kWidth});
  TensorView cache(pool.data, DType::kBf16, {3, kBlockTokens, kWidth});
  cache.row_stride = pool.row_stride;
  const std::vector<float> entries = RandomBf16(2 * kWidth, 2);
  const TensorView rows = PutBf16({2, kWidth}, entries);
  const std::vector<int64_t> slots = {11, 4};
  cuda::LatentWrite(
      cuda_, {.c = rows.Cols(0, 16), .k_pe = rows.Cols(16, 8), .slots = slots, .cache = cache});
  const std::vector<int32_t> table = {2, 1};
  const TensorView c = Make(DType::kBf16, {2, 16}), k_pe = Make(DType::kBf16, {2, 8});
  cuda::LatentGather(
      cuda_, {.cache = cache, .table = table, .begin = 3, .count = 2, .c = c, .k_pe = k_pe});
  const std::vector<float> got = Get(c);
  EXPECT_TRUE(std::equal(got.begin(), got.begin() + 16, entries.begin()));
  EXPECT_TRUE(std::equal(got.begin() + 16, got.end(), entries.begin() + kWidth));
}

TEST_F(CudaLatentTest, WhatLiesOutsideTheCacheIsRefused) {
  const TensorView cache = Make(DType::kBf16, {2, 4, 8}), rows = Make(DType::kBf16, {1, 8});
  const auto write = [&](int64_t slot) {
    cuda::LatentWrite(cuda_, {.c = rows.Cols(0, 6),
                              .k_pe = rows.Cols(6, 2),
                              .slots = std::span(&slot, 1),
                              .cache = cache});
  };
  EXPECT_DEATH(write(8), "cache slot 8 of 8");
  EXPECT_DEATH(write(-2), "cache slot -2");
  const std::vector<int32_t> table = {1, 2};
  EXPECT_DEATH(cuda::LatentGather(cuda_, {.cache = cache,
                                          .table = table,
                                          .begin = 4,
                                          .count = 1,
                                          .c = rows.Cols(0, 6),
                                          .k_pe = rows.Cols(6, 2)}),
               "cache block 2 of 2");
  const TensorView wide = Make(DType::kF32, {2, 4, 8});
  EXPECT_DEATH(cuda::LatentWrite(cuda_, {.cache = wide}), "expected bf16");
}

// By pairs that are aligned in all places, in some, in none.
TEST_F(CudaLatentTest, KeysAreRotatedOnTheirWay) {
  constexpr int64_t kTokens = 5, kBlockTokens = 4, kPositions = 50;
  const std::vector<int32_t> positions = {0, 49, 7, 1, 12};
  const std::vector<int64_t> slots = {7, 0, 3, 6, kNoSlot};
  for (const Widths& widths : {Widths{512, 64, 8}, {512, 64, 3}, {33, 2, 1}, {17, 130, 1}}) {
    for (const bool halves : {false, true}) {
      const int64_t width = widths.latent + widths.rope, row = width + widths.spare;
      const std::vector<float> entries = RandomBf16(kTokens * row, 2);
      const TensorView table =
          PutF32({kPositions, widths.rope}, RandomValues(kPositions * widths.rope, 3));
      const auto write = [&](bool at_once) {
        const TensorView rows = PutBf16({kTokens, row}, entries);
        const TensorView k_pe = rows.Cols(widths.latent, widths.rope);
        const TensorView cache = Make(DType::kBf16, {2, kBlockTokens, width});
        LatentWriteArgs args = {
            .c = rows.Cols(0, widths.latent), .k_pe = k_pe, .slots = slots, .cache = cache};
        if (at_once) {
          args.rotation = {.positions = positions, .table = table, .halves = halves};
        } else {
          cuda::Rope(cuda_, {.x = k_pe.Reshaped({kTokens, 1, widths.rope}),
                             .positions = positions,
                             .table = table,
                             .halves = halves});
        }
        cuda::LatentWrite(cuda_, args);
        std::vector<float> all = Get(cache), used = Get(rows);
        all.insert(all.end(), used.begin(), used.end() - row);  // the last has no slot
        return all;
      };
      EXPECT_TRUE(SameBits(write(true), write(false), widths.rope)) << width << ' ' << halves;
    }
  }
}

TEST_F(CudaLatentTest, PositionsOutsideTheTableAreRefused) {
  const TensorView cache = Make(DType::kBf16, {2, 4, 8}), rows = Make(DType::kBf16, {1, 8});
  const std::vector<int64_t> slots = {1};
  const std::vector<int32_t> positions = {3};
  const TensorView table = Make(DType::kF32, {3, 2});
  EXPECT_DEATH(cuda::LatentWrite(cuda_, {.c = rows.Cols(0, 6),
                                         .k_pe = rows.Cols(6, 2),
                                         .slots = slots,
                                         .cache = cache,
                                         .rotation = {.positions = positions, .table = table}}),
               "position 3 of 3");
}

TEST_F(CudaLatentTest, PaddingIsNotWritten) {
  const TensorView cache = PutBf16({1, 2, 3}, {1, 2, 3, 4, 5, 6});
  const TensorView rows = PutBf16({2, 3}, {10, 20, 30, 40, 50, 60});
  const std::vector<int64_t> slots = {kNoSlot, 1};
  cuda::LatentWrite(
      cuda_, {.c = rows.Cols(0, 2), .k_pe = rows.Cols(2, 1), .slots = slots, .cache = cache});
  EXPECT_EQ(Get(cache), (std::vector<float>{1, 2, 3, 40, 50, 60}));
}

TEST_F(CudaLatentTest, NoTokensIsNoWork) {
  const TensorView cache = Make(DType::kBf16, {2, 4, 8});
  const TensorView c = Make(DType::kBf16, {0, 6}), k_pe = Make(DType::kBf16, {0, 2});
  cuda::LatentWrite(cuda_, {.c = c, .k_pe = k_pe, .cache = cache});
  cuda::LatentGather(cuda_, {.cache = cache, .c = c, .k_pe = k_pe});
  device_->Synchronize();
}

}  // namespace
}  // namespace switchyard::kernels
