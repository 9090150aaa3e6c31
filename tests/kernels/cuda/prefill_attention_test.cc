// Naive attention over tiles of keys on CUDA: right, and the same bits for a query however the
// prompt is cut.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cases/attention.h"
#include "kernels/cuda/attention.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/reference/attention_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Weights and results are rounded to BF16, one after the other.
constexpr double kTwoRoundings = 2 * kOneBf16Rounding;

// One sequence: queries, expanded keys and values of every position and head.
struct Prompt {
  Prompt(const cases::AttentionCase& widths, int64_t num_tokens, uint32_t seed = 1)
      : shape(widths),
        tokens(num_tokens),
        scale(1.0f / std::sqrt(static_cast<float>(qk()))),
        q(RandomBf16(tokens * shape.heads * qk(), seed)),
        kv(RandomBf16(tokens * shape.heads * kv_width(), seed + 1)),
        k_pe(RandomBf16(tokens * shape.rope, seed + 2)) {}

  int64_t qk() const { return shape.nope + shape.rope; }
  int64_t kv_width() const { return shape.nope + shape.value; }
  int64_t out_width() const { return shape.heads * shape.value; }

  const cases::AttentionCase shape;
  const int64_t tokens;
  const float scale;
  std::vector<float> q, kv, k_pe;
};

struct Cut {
  std::vector<int64_t> chunks;  // query tokens per call, the last one repeated
  int64_t spare_keys = 0;       // keys after the newest query that the last tile holds too
  int64_t out_gap = 0;          // elements before each row of results
};

class CudaPrefillAttentionTest : public CudaTest {
 protected:
  // [tokens, heads, value]
  std::vector<float> Attend(const Prompt& prompt, const Cut& cut) {
    const auto& shape = prompt.shape;
    const TensorView q = PutBf16({prompt.tokens, shape.heads, prompt.qk()}, prompt.q);
    const TensorView kv = PutBf16({prompt.tokens, shape.heads, prompt.kv_width()}, prompt.kv);
    const TensorView k_pe = PutBf16({prompt.tokens, shape.rope}, prompt.k_pe);
    const int64_t out_stride = cut.out_gap + prompt.out_width();
    const TensorView memory = Make(DType::kBf16, {prompt.tokens, out_stride});
    TensorView out(memory.Cols(cut.out_gap, prompt.out_width()).data, DType::kBf16,
                   {prompt.tokens, shape.heads, shape.value});
    out.row_stride = out_stride;
    size_t chunk = 0;
    for (int64_t begin = 0; begin < prompt.tokens;) {
      const int64_t size = cut.chunks[std::min(chunk++, cut.chunks.size() - 1)];
      const int64_t end = std::min(begin + size, prompt.tokens);
      std::vector<int32_t> positions;
      for (int64_t t = begin; t < end; ++t) positions.push_back(static_cast<int32_t>(t));
      const std::vector<float> garbage((end - begin) * shape.heads * (shape.value + 2), kNan);
      const TensorView state = PutF32({end - begin, shape.heads, shape.value + 2}, garbage);
      const int64_t num_keys = std::min(end + cut.spare_keys, prompt.tokens);
      for (int64_t tile = 0; tile < end; tile += kPrefillTileTokens) {
        const bool last = tile + kPrefillTileTokens >= end;
        const int64_t count =
            last ? std::min(num_keys - tile, kPrefillTileTokens) : kPrefillTileTokens;
        cuda::PrefillAttention(cuda_, {.q = q.Rows(begin, end - begin),
                                       .positions = positions,
                                       .kv = kv.Rows(tile, count),
                                       .k_pe = k_pe.Rows(tile, count),
                                       .tile_begin = tile,
                                       .scale = prompt.scale,
                                       .state = state,
                                       .last = last,
                                       .out = out.Rows(begin, end - begin)});
      }
      begin = end;
    }
    return WithoutGaps(Get(memory), cut.out_gap, prompt.out_width());
  }

  // Of rows of gap + width elements; the gaps are as they were.
  static std::vector<float> WithoutGaps(const std::vector<float>& rows, int64_t gap,
                                        int64_t width) {
    std::vector<float> values;
    for (size_t i = 0; i < rows.size(); ++i) {
      const int64_t column = static_cast<int64_t>(i) % (gap + width);
      if (column >= gap) {
        values.push_back(rows[i]);
      } else {
        EXPECT_EQ(rows[i], 0);
      }
    }
    return values;
  }

  void ExpectSame(const Prompt& prompt, const Cut& a, const Cut& b) {
    EXPECT_TRUE(SameBits(Attend(prompt, a), Attend(prompt, b), prompt.out_width()));
  }
};

// Of queries `begin` and later.
void ExpectRight(const Prompt& prompt, const std::vector<float>& got, int64_t begin = 0) {
  const auto& shape = prompt.shape;
  std::vector<double> want, magnitude;
  for (int64_t t = begin; t < prompt.tokens; ++t) {
    for (int64_t head = 0; head < shape.heads; ++head) {
      std::vector<float> key(static_cast<size_t>(prompt.qk()));
      const auto kv = [&](int64_t u) {
        return std::span(prompt.kv).subspan((u * shape.heads + head) * prompt.kv_width(),
                                            prompt.kv_width());
      };
      const auto one = reference::Attention(
          {.q = std::span(prompt.q).subspan((t * shape.heads + head) * prompt.qk(), prompt.qk()),
           .position = t,
           .scale = prompt.scale,
           .key =
               [&](int64_t u) {
                 std::ranges::copy(kv(u).first(shape.nope), key.begin());
                 std::copy_n(prompt.k_pe.begin() + u * shape.rope, shape.rope,
                             key.begin() + shape.nope);
                 return std::span<const float>(key);
               },
           .value = [&](int64_t u) { return kv(u).subspan(shape.nope); }});
      want.insert(want.end(), one.value.begin(), one.value.end());
      magnitude.insert(magnitude.end(), one.magnitude.begin(), one.magnitude.end());
    }
  }
  EXPECT_TRUE(Close({.got = std::span(got).subspan(begin * prompt.out_width()),
                     .want = want,
                     .magnitude = magnitude,
                     .columns = prompt.out_width(),
                     .num_terms = 0,
                     .epsilon = kTwoRoundings,
                     .min_cosine = 1 - 2e-5}))
      << shape.name << " " << prompt.tokens;
}

constexpr cases::AttentionCase kTinyR1 = {"tiny_r1", 4, 64, 32, 64, 128};

TEST_F(CudaPrefillAttentionTest, AgreesWithDoublePrecision) {
  std::vector<cases::AttentionCase> shapes(std::begin(cases::kOddAttention),
                                           std::end(cases::kOddAttention));
  shapes.push_back(kTinyR1);
  const std::vector<int64_t> lengths = {1, 2, 63, 65, 140};
  for (const auto& shape : shapes) {
    for (const int64_t tokens : lengths) {
      const Prompt prompt(shape, tokens);
      ExpectRight(prompt, Attend(prompt, {.chunks = {tokens}}));
    }
  }
}

TEST_F(CudaPrefillAttentionTest, ResultsHaveTheSameBitsWhereverTheyGo) {
  for (const auto& shape : {kTinyR1, cases::kOddAttention[3], cases::kOddAttention[4]}) {
    const Prompt prompt(shape, 21);
    for (const int64_t gap : {1, 2, 8}) {  // the last one by 16 bytes again
      ExpectSame(prompt, {.chunks = {21}}, {.chunks = {21}, .out_gap = gap});
    }
  }
}

TEST_F(CudaPrefillAttentionTest, TilesHandOnTheirState) {
  for (const auto& shape : {cases::kOddAttention[1], cases::kOddAttention[4]}) {
    const int64_t tokens = 600;
    const Prompt prompt(shape, tokens);
    ExpectRight(prompt, Attend(prompt, {.chunks = {tokens}}), tokens - 30);
  }
}

TEST_F(CudaPrefillAttentionTest, TakesWideValues) {
  const Prompt prompt({"wide", 2, 24, 8, 200, 0}, 300);
  ExpectRight(prompt, Attend(prompt, {.chunks = {prompt.tokens}}));
}

TEST_F(CudaPrefillAttentionTest, ChunksOfAnySizeGiveTheSameBits) {
  const auto expect = [&](const cases::AttentionCase& shape, int64_t tokens, const Cut& cut) {
    ExpectSame(Prompt(shape, tokens), {.chunks = {tokens}}, cut);
  };
  const cases::AttentionCase small = {"small", 1, 8, 4, 8, 0};
  expect(cases::kOddAttention[2], 530, {.chunks = {100, 1, 255, 3, 64}});
  expect(kTinyR1, 290, {.chunks = {16}});
  expect(small, 290, {.chunks = {7}});
  expect(small, 140, {.chunks = {1}});
}

// Every key after a query is NaN or infinite in turn: no query before may notice.
TEST_F(CudaPrefillAttentionTest, KeysAfterTheQueryDoNotExistForIt) {
  constexpr int64_t kTokens = 200, kBad = 121;
  const Prompt clean(cases::kOddAttention[2], kTokens);
  const std::vector<float> want = Attend(clean, {.chunks = {31}});
  EXPECT_TRUE(
      SameBits(Attend(clean, {.chunks = {31}, .spare_keys = 150}), want, clean.out_width()));
  for (const float bad : {kNan, std::numeric_limits<float>::infinity()}) {
    Prompt prompt = clean;
    for (auto* values : {&prompt.kv, &prompt.k_pe}) {
      std::fill(values->begin() + kBad * (std::ssize(*values) / kTokens), values->end(), bad);
    }
    for (const Cut& cut : {Cut{.chunks = {kTokens}}, Cut{.chunks = {kBad}, .spare_keys = 79}}) {
      const std::vector<float> got = Attend(prompt, cut);
      const size_t good = static_cast<size_t>(kBad * prompt.out_width());
      EXPECT_TRUE(
          SameBits(std::span(got).first(good), std::span(want).first(good), prompt.out_width()));
      for (size_t i = good; i < got.size(); ++i) ASSERT_FALSE(std::isfinite(got[i])) << i;
    }
  }
}

// A value alone is no number: the queries that see it have it in that column, and no others.
TEST_F(CudaPrefillAttentionTest, ABadValueReachesItsColumnOfLaterQueries) {
  constexpr int64_t kTokens = 100, kBad = 70, kColumn = 3;
  const Prompt clean({"values", 1, 8, 8, 16, 0}, kTokens);
  Prompt prompt = clean;
  prompt.kv[kBad * prompt.kv_width() + prompt.shape.nope + kColumn] = kNan;
  std::vector<float> want = Attend(clean, {.chunks = {kTokens}});
  const std::vector<float> got = Attend(prompt, {.chunks = {kTokens}});
  for (int64_t i = 0; i < std::ssize(want); ++i) {
    const bool hit = i / prompt.out_width() >= kBad && i % prompt.out_width() == kColumn;
    ASSERT_EQ(std::isnan(got[i]), hit) << i;
    ASSERT_TRUE(hit || got[i] == want[i]) << i;
  }
}

TEST_F(CudaPrefillAttentionTest, ColumnRangesOfWiderTensorsAreAsGoodAsWholeOnes) {
  const Prompt prompt({"strided", 3, 12, 4, 10, 0}, 20);
  const std::vector<float> want = Attend(prompt, {.chunks = {20}});
  const auto widen = [&](const std::vector<float>& values, int64_t extra) {
    const int64_t width = std::ssize(values) / 20;
    std::vector<float> wide(20 * (width + extra), kNan);
    for (int64_t i = 0; i < 20; ++i) {
      std::copy_n(values.begin() + i * width, width, wide.begin() + i * (width + extra));
    }
    return PutBf16({20, width + extra}, wide);
  };
  const TensorView out = Make(DType::kBf16, {20, 30});
  std::vector<int32_t> positions(20);
  for (int i = 0; i < 20; ++i) positions[i] = i;
  cuda::PrefillAttention(cuda_, {.q = widen(prompt.q, 5).Cols(0, 3 * 16).Reshaped({20, 3, 16}),
                                 .positions = positions,
                                 .kv = widen(prompt.kv, 3).Cols(0, 3 * 22).Reshaped({20, 3, 22}),
                                 .k_pe = widen(prompt.k_pe, 60).Cols(0, 4),
                                 .scale = prompt.scale,
                                 .state = Make(DType::kF32, {20, 3, 12}),
                                 .last = true,
                                 .out = out.Reshaped({20, 3, 10})});
  EXPECT_TRUE(SameBits(Get(out), want, 30));
}

TEST_F(CudaPrefillAttentionTest, WhatItCannotTakeIsRefused) {
  const TensorView q = Make(DType::kBf16, {1, 1, 16}), wide = Make(DType::kBf16, {1, 1, 300});
  const TensorView k_pe = Make(DType::kBf16, {1, 8}), kv = Make(DType::kBf16, {1, 1, 308});
  const TensorView state = Make(DType::kF32, {1, 1, 302});
  const std::vector<int32_t> positions = {0};
  const PrefillAttentionArgs args = {.q = q,
                                     .positions = positions,
                                     .kv = kv,
                                     .k_pe = k_pe,
                                     .state = state,
                                     .last = true,
                                     .out = wide};
  EXPECT_DEATH(cuda::PrefillAttention(cuda_, args), "heads of 16 and 300 are wider");
}

}  // namespace
}  // namespace switchyard::kernels
