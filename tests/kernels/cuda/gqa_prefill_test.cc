// Grouped-query attention of prompts on CUDA: right, and the same bits for a query however the
// prompt is cut.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/kernels/cuda/gqa_fixture.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::SameBits;

struct Cut {
  std::vector<int64_t> chunks;  // query tokens per call, the last one repeated
  uint32_t seed = 7;            // of the block table
  int64_t begin = 0;            // queries before are not asked for
  int64_t out_gap = 0;          // elements before each row of results
};

class CudaGqaPrefillTest : public CudaGqaTest {
 protected:
  // [tokens, heads, dim]. Blocks behind a chunk's windows are not there.
  std::vector<float> Attend(const GqaSequence& prompt, const Cut& cut) {
    const auto& shape = prompt.shape;
    const int64_t tokens = prompt.tokens, width = prompt.out_width();
    GqaBlocks blocks({tokens}, kBlockTokens, cut.seed);
    const TensorView cache = MakeCache(blocks.num_blocks(), shape);
    Write(prompt, blocks.SlotsOf(0, tokens), cache);
    const TensorView q = PutHeads(tokens, shape.heads, prompt.q);
    const TensorView sinks = PutSinks(shape);
    const TensorView memory = Make(DType::kBf16, {tokens, cut.out_gap + width});
    const TensorView out =
        memory.Cols(cut.out_gap, width).Reshaped({tokens, shape.heads, shape.dim});
    size_t chunk = 0;
    for (int64_t begin = cut.begin; begin < tokens;) {
      const int64_t size = cut.chunks[std::min(chunk++, cut.chunks.size() - 1)];
      const int64_t end = std::min(begin + size, tokens);
      std::vector<int32_t> positions(static_cast<size_t>(end - begin));
      std::iota(positions.begin(), positions.end(), static_cast<int32_t>(begin));
      blocks.FreeBefore(0, prompt.FirstSeen(begin));
      cuda::GqaPrefill(cuda_, {.q = q.Rows(begin, end - begin),
                               .positions = positions,
                               .cache = cache,
                               .table = blocks.table(0),
                               .scale = prompt.scale(),
                               .window = shape.window,
                               .sinks = sinks,
                               .out = out.Rows(begin, end - begin)});
      begin = end;
    }
    const std::vector<float> rows = Get(memory);
    std::vector<float> values;
    for (int64_t row = 0; row < tokens; ++row) {
      const auto from = rows.begin() + row * (cut.out_gap + width) + cut.out_gap;
      values.insert(values.end(), from, from + width);
    }
    return values;
  }

  // Of queries `begin` and later.
  void ExpectRight(const GqaSequence& prompt, const std::vector<float>& got, int64_t begin = 0) {
    reference::AttentionOutput want;
    for (int64_t t = begin; t < prompt.tokens; ++t) prompt.AddReference(t, want);
    ExpectClose(std::span(got).subspan(begin * prompt.out_width()), want, prompt.shape);
  }
};

TEST_F(CudaGqaPrefillTest, AgreesWithDoublePrecision) {
  const std::vector<int64_t> lengths = {1, 2, 63, 65, 200};
  for (const auto& shape : cases::kCheckedGqa) {
    for (const int64_t tokens : lengths) {
      const GqaSequence prompt(shape, tokens);
      ExpectRight(prompt, Attend(prompt, {.chunks = {tokens}}));
    }
  }
}

// All heads of served models; the last queries of a longer prompt.
TEST_F(CudaGqaPrefillTest, ServedShapesAreRight) {
  for (const auto& shape : cases::kServedGqa) {
    const GqaSequence prompt(shape, 330);
    const int64_t begin = prompt.tokens - 9;
    ExpectRight(prompt, Attend(prompt, {.chunks = {9}, .begin = begin}), begin);
  }
}

TEST_F(CudaGqaPrefillTest, ChunksAndBlocksDoNotShow) {
  for (const size_t i : {2, 3, 4, 9}) {
    const GqaSequence prompt(cases::kCheckedGqa[i], 220);
    const std::vector<float> whole = Attend(prompt, {.chunks = {prompt.tokens}});
    for (const std::vector<int64_t>& chunks :
         std::vector<std::vector<int64_t>>{{100, 1, 30, 3, 64}, {16}, {1}}) {
      if (chunks[0] == 1 && i == 9) continue;
      EXPECT_TRUE(
          SameBits(Attend(prompt, {.chunks = chunks, .seed = 5}), whole, prompt.out_width()))
          << prompt.shape.name;
    }
  }
}

TEST_F(CudaGqaPrefillTest, ResultsHaveTheSameBitsWhereverTheyGo) {
  const GqaSequence prompt(cases::kCheckedGqa[5], 21);
  const std::vector<float> want = Attend(prompt, {.chunks = {21}});
  for (const int64_t gap : {1, 2, 8}) {  // the last one by 16 bytes again
    EXPECT_TRUE(
        SameBits(Attend(prompt, {.chunks = {21}, .out_gap = gap}), want, prompt.out_width()));
  }
}

// What a query does not see cannot reach it: keys after it, and those before its window. A value
// that is no number reaches its own column alone.
TEST_F(CudaGqaPrefillTest, KeysThatAQueryDoesNotSeeDoNotExistForIt) {
  constexpr int64_t kTokens = 150, kDim = 24;
  for (const int64_t window : {0, 45}) {
    const cases::GqaCase shape = {"bad", 3, 1, kDim, window, false};
    const GqaSequence clean(shape, kTokens);
    const std::vector<float> want = Attend(clean, {.chunks = {kTokens}});
    for (const bool key_too : {false, true}) {
      for (const int64_t bad : {63, 64, 90}) {
        GqaSequence prompt = clean;
        prompt.v[static_cast<size_t>(bad * kDim + 3)] = kNan;
        if (key_too) prompt.k[static_cast<size_t>(bad * kDim + 4)] = kNan;
        const std::vector<float> got = Attend(prompt, {.chunks = {kTokens}});
        for (int64_t i = 0; i < kTokens * 3 * kDim; ++i) {
          const int64_t t = i / (3 * kDim), column = i % kDim;
          const bool sees = t >= bad && prompt.FirstSeen(t) <= bad;
          const float value = got[static_cast<size_t>(i)];
          if (sees && (key_too || column == 3)) {
            ASSERT_TRUE(std::isnan(value)) << t << " " << column;
          } else {
            ASSERT_EQ(value, want[static_cast<size_t>(i)]) << t << " " << column << " " << bad;
          }
        }
      }
    }
  }
}

TEST_F(CudaGqaPrefillTest, WhatItCannotTakeIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  const auto prefill = [&](DType type, int64_t dim, int32_t block) {
    const TensorView q = Make(DType::kBf16, {1, 2, dim});
    const std::vector<int32_t> positions = {5}, table = {0, block};
    cuda::GqaPrefill(cuda_, {.q = q,
                             .positions = positions,
                             .cache = Make(type, {2, 1, 8, dim}),
                             .table = table,
                             .scale = 1,
                             .out = q});
  };
  EXPECT_DEATH(prefill(DType::kBf16, 16, 2), "cache block 2 of 2");
  EXPECT_DEATH(prefill(DType::kBf16, 264, 1), "heads of 264 are wider than a block takes");
  EXPECT_DEATH(prefill(DType::kF32, 16, 1), "on CUDA, expected bf16, got f32");
}

}  // namespace
}  // namespace switchyard::kernels
