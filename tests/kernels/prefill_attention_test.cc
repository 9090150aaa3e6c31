// Naive attention over tiles of keys: right, and the same bits for a query however the prompt is
// cut and whoever computes it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cases/attention.h"
#include "tests/kernels/reference/attention_reference.h"
#include "tests/kernels/row_ops_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

// One sequence: queries, expanded keys and values of every position and head.
struct Prompt {
  Prompt(const cases::AttentionCase& widths, int64_t num_tokens, uint32_t seed = 1)
      : shape(widths),
        tokens(num_tokens),
        scale(1.0f / std::sqrt(static_cast<float>(widths.nope + widths.rope))),
        q(Random({tokens, shape.heads, shape.nope + shape.rope}, seed)),
        kv(Random({tokens, shape.heads, shape.nope + shape.value}, seed + 1)),
        k_pe(Random({tokens, shape.rope}, seed + 2)) {}

  int64_t out_width() const { return shape.heads * shape.value; }

  const cases::AttentionCase shape;
  const int64_t tokens;
  const float scale;
  Tensor<float> q;
  Tensor<float> kv;
  Tensor<float> k_pe;
};

struct Cut {
  std::vector<int64_t> chunks;  // query tokens per call, the last one repeated
  int64_t spare_keys = 0;       // keys after the newest query that the last tile holds too
  bool bf16 = false;
  int64_t num_tiles = 0;  // so many of the first tiles are laid out, each key once
};

// Tiles that are laid out, filled chunk by chunk.
class LaidOut {
 public:
  LaidOut(Ops& ops, const Prompt& prompt, const Cut& cut)
      : ops_(ops), prompt_(prompt), cut_(cut), tile_bytes_(TileBytes()) {
    memory_ = ops.device().Allocate(std::max<int64_t>(1, cut.num_tiles * tile_bytes_));
    std::memset(memory_.data(), 0xff, static_cast<size_t>(memory_.num_bytes()));  // NaN
  }

  // The tiles, with keys before `num_keys`.
  std::vector<void*> Until(int64_t num_keys) {
    std::vector<void*> tiles;
    const int64_t end = std::min(num_keys, cut_.num_tiles * kPrefillTileTokens);
    while (num_done_ < end) {
      const int64_t tile = num_done_ / kPrefillTileTokens;
      const int64_t count = std::min((tile + 1) * kPrefillTileTokens, end) - num_done_;
      ops_.LayOutKeys({.kv = prompt_.kv.view().Rows(num_done_, count),
                       .k_pe = prompt_.k_pe.view().Rows(num_done_, count),
                       .value_dim = prompt_.shape.value,
                       .begin = num_done_ % kPrefillTileTokens,
                       .tile = At(tile),
                       .bf16 = cut_.bf16});
      num_done_ += count;
    }
    for (int64_t tile = 0; tile * kPrefillTileTokens < end; ++tile) tiles.push_back(At(tile));
    return tiles;
  }

 private:
  int64_t TileBytes() const {
    return ops_.KeyTileBytes({.heads = prompt_.shape.heads,
                              .key_dim = prompt_.shape.nope + prompt_.shape.rope,
                              .value_dim = prompt_.shape.value,
                              .bf16 = cut_.bf16});
  }
  void* At(int64_t tile) const {
    return static_cast<std::byte*>(memory_.data()) + tile * tile_bytes_;
  }

  Ops& ops_;
  const Prompt& prompt_;
  const Cut& cut_;
  const int64_t tile_bytes_;
  Buffer memory_;
  int64_t num_done_ = 0;
};

// Rows [begin, end) as an op sees them in one chunk.
void AttendChunk(Ops& ops, const Prompt& prompt, int64_t begin, int64_t end, const Cut& cut,
                 LaidOut& laid_out, Tensor<float>& out) {
  const auto& shape = prompt.shape;
  std::vector<int32_t> positions;
  for (int64_t t = begin; t < end; ++t) positions.push_back(static_cast<int32_t>(t));
  Tensor<float> state({end - begin, shape.heads, shape.value + 2}, kNan);  // garbage
  const int64_t num_keys = std::min(end + cut.spare_keys, prompt.tokens);
  PrefillAttentionArgs args = {.q = prompt.q.view().Rows(begin, end - begin),
                               .positions = positions,
                               .scale = prompt.scale,
                               .state = state.view(),
                               .out = out.view().Rows(begin, end - begin),
                               .bf16 = cut.bf16};
  const std::vector<void*> tiles = laid_out.Until(num_keys);
  const int64_t kept = std::min(std::ssize(tiles) * kPrefillTileTokens, num_keys);
  if (kept > 0) {
    args.tiles = tiles;
    args.num_keys = kept;
    args.last = kept >= end;
    ops.PrefillAttention(args);
    args.tiles = {};
  }
  for (int64_t tile = kept; tile < end; tile += kPrefillTileTokens) {
    args.last = tile + kPrefillTileTokens >= end;
    const int64_t count =
        args.last ? std::min(num_keys - tile, kPrefillTileTokens) : kPrefillTileTokens;
    args.kv = prompt.kv.view().Rows(tile, count);
    args.k_pe = prompt.k_pe.view().Rows(tile, count);
    args.tile_begin = tile;
    ops.PrefillAttention(args);
  }
}

Tensor<float> Attend(Ops& ops, const Prompt& prompt, const Cut& cut) {
  Tensor<float> out({prompt.tokens, prompt.shape.heads, prompt.shape.value}, kNan);
  LaidOut laid_out(ops, prompt, cut);
  size_t chunk = 0;
  for (int64_t begin = 0; begin < prompt.tokens;) {
    const int64_t size = cut.chunks[std::min(chunk++, cut.chunks.size() - 1)];
    const int64_t end = std::min(begin + size, prompt.tokens);
    AttendChunk(ops, prompt, begin, end, cut, laid_out, out);
    begin = end;
  }
  return out;
}

reference::AttentionOutput Reference(const Prompt& prompt, bool bf16) {
  const auto& shape = prompt.shape;
  const int64_t qk = shape.nope + shape.rope;
  reference::AttentionOutput all;
  for (int64_t t = 0; t < prompt.tokens; ++t) {
    for (int64_t head = 0; head < shape.heads; ++head) {
      std::vector<float> key(static_cast<size_t>(qk));
      const auto kv = [&](int64_t u) {
        return prompt.kv.row(u).subspan(head * (shape.nope + shape.value),
                                        shape.nope + shape.value);
      };
      const auto one = reference::Attention(
          {.q = prompt.q.row(t).subspan(head * qk, qk),
           .position = t,
           .scale = prompt.scale,
           .key =
               [&](int64_t u) {
                 std::ranges::copy(kv(u).first(shape.nope), key.begin());
                 std::ranges::copy(prompt.k_pe.row(u), key.begin() + shape.nope);
                 return std::span<const float>(key);
               },
           .value = [&](int64_t u) { return kv(u).subspan(shape.nope); },
           .bf16 = bf16});
      all.value.insert(all.value.end(), one.value.begin(), one.value.end());
      all.magnitude.insert(all.magnitude.end(), one.magnitude.begin(), one.magnitude.end());
    }
  }
  return all;
}

class PrefillAttentionTest : public ::testing::TestWithParam<cpu::Isa> {
 protected:
  void ExpectSame(const Prompt& prompt, const Cut& a, const Cut& b) {
    auto ops = MakeOps(GetParam());
    EXPECT_TRUE(SameBits(Attend(*ops, prompt, a).values, Attend(*ops, prompt, b).values,
                         prompt.out_width()));
  }
};

TEST_P(PrefillAttentionTest, AgreesWithDoublePrecisionInF32) {
  auto ops = MakeOps(GetParam());
  for (const auto& shape : cases::kOddAttention) {
    for (int64_t tokens : {1, 2, 63, 65, 300}) {
      SCOPED_TRACE(std::string(shape.name) + " " + std::to_string(tokens));
      const Prompt prompt(shape, tokens);
      const auto want = Reference(prompt, false);
      const auto got = Attend(*ops, prompt, {.chunks = {tokens}});
      ASSERT_TRUE(Close({.got = got.values,
                         .want = want.value,
                         .magnitude = want.magnitude,
                         .columns = prompt.out_width(),
                         .num_terms = shape.nope + shape.rope,
                         .min_cosine = 1 - 1e-12}));
    }
  }
}

TEST_P(PrefillAttentionTest, AgreesWithDoublePrecisionInBf16) {
  auto ops = MakeOps(GetParam());
  for (const auto& shape : cases::kOddAttention) {
    for (int64_t tokens : {1, 65, 300}) {
      SCOPED_TRACE(std::string(shape.name) + " " + std::to_string(tokens));
      const Prompt prompt(shape, tokens);
      const auto want = Reference(prompt, true);
      const auto got = Attend(*ops, prompt, {.chunks = {tokens}, .bf16 = true});
      ASSERT_TRUE(Close({.got = got.values,
                         .want = want.value,
                         .magnitude = want.magnitude,
                         .columns = prompt.out_width(),
                         .num_terms = 0,
                         .epsilon = kRoundedWeights,
                         .min_cosine = 1 - 1e-5}));
    }
  }
}

TEST_P(PrefillAttentionTest, ChunksOfAnySizeGiveTheSameBits) {
  for (bool bf16 : {false, true}) {
    const Prompt prompt(cases::kOddAttention[2], 530);
    const Cut whole = {.chunks = {530}, .bf16 = bf16};
    ExpectSame(prompt, whole, {.chunks = {1}, .bf16 = bf16});
    ExpectSame(prompt, whole, {.chunks = {7}, .bf16 = bf16});
    ExpectSame(prompt, whole, {.chunks = {16}, .bf16 = bf16});
    ExpectSame(prompt, whole, {.chunks = {100, 1, 255, 3, 64}, .bf16 = bf16});
  }
}

TEST_P(PrefillAttentionTest, TilesThatAreLaidOutGiveTheBitsOfRows) {
  for (const auto& shape : cases::kOddAttention) {
    SCOPED_TRACE(shape.name);
    const Prompt prompt(shape, 300);
    for (bool bf16 : {false, true}) {
      const Cut whole = {.chunks = {300}, .bf16 = bf16};
      ExpectSame(prompt, whole, {.chunks = {300}, .bf16 = bf16, .num_tiles = 2});
      ExpectSame(prompt, whole, {.chunks = {1}, .bf16 = bf16, .num_tiles = 2});
      ExpectSame(prompt, whole, {.chunks = {255, 1, 7, 64}, .bf16 = bf16, .num_tiles = 2});
      ExpectSame(prompt, whole, {.chunks = {16, 100, 3}, .bf16 = bf16, .num_tiles = 1});
      ExpectSame(prompt, whole, {.chunks = {5}, .bf16 = bf16, .num_tiles = 1});
    }
  }
}

TEST_P(PrefillAttentionTest, ThreadsDoNotShow) {
  const Prompt prompt(cases::kOddAttention[1], 400);
  for (bool bf16 : {false, true}) {
    const auto one = Attend(*MakeOps(GetParam(), 1), prompt, {.chunks = {400}, .bf16 = bf16});
    for (int threads : {2, 5}) {
      for (int64_t num_tiles : {0, 2}) {
        const auto many = Attend(*MakeOps(GetParam(), threads), prompt,
                                 {.chunks = {400}, .bf16 = bf16, .num_tiles = num_tiles});
        EXPECT_TRUE(SameBits(many.values, one.values, prompt.out_width()));
      }
    }
  }
}

TEST_P(PrefillAttentionTest, KeysAfterTheQueryDoNotExistForIt) {
  for (bool bf16 : {false, true}) {
    Prompt prompt(cases::kOddAttention[2], 200);
    auto ops = MakeOps(GetParam());
    const auto clean = Attend(*ops, prompt, {.chunks = {31}, .bf16 = bf16});
    EXPECT_TRUE(
        SameBits(Attend(*ops, prompt, {.chunks = {31}, .spare_keys = 150, .bf16 = bf16}).values,
                 clean.values, prompt.out_width()));
    // Position 121 and all after it turn into NaN: 0 .. 120 must not notice, in one chunk with them
    // or not.
    constexpr int64_t kBad = 121;
    for (auto* tensor : {&prompt.kv, &prompt.k_pe, &prompt.q}) {
      const int64_t width = static_cast<int64_t>(tensor->values.size()) / prompt.tokens;
      std::fill(tensor->values.begin() + kBad * width, tensor->values.end(), kNan);
    }
    for (const Cut& cut :
         {Cut{.chunks = {200}, .bf16 = bf16}, Cut{.chunks = {kBad}, .spare_keys = 79, .bf16 = bf16},
          Cut{.chunks = {200}, .bf16 = bf16, .num_tiles = 1},
          Cut{.chunks = {kBad}, .spare_keys = 79, .bf16 = bf16, .num_tiles = 1}}) {
      const auto got = Attend(*ops, prompt, cut);
      const size_t good = static_cast<size_t>(kBad * prompt.out_width());
      EXPECT_TRUE(SameBits(std::span(got.values).first(good), std::span(clean.values).first(good),
                           prompt.out_width()));
      EXPECT_TRUE(std::isnan(got.values[good]));
    }
  }
}

TEST_P(PrefillAttentionTest, ColumnRangesOfWiderTensorsAreAsGoodAsWholeOnes) {
  const cases::AttentionCase shape = {"strided", 3, 12, 4, 10, 0};
  const Prompt prompt(shape, 20);
  auto ops = MakeOps(GetParam());
  const auto want = Attend(*ops, prompt, {.chunks = {20}});

  const auto widen = [](const Tensor<float>& tensor, int64_t extra) {
    const int64_t width = static_cast<int64_t>(tensor.values.size()) / tensor.dims[0];
    Tensor<float> wide({tensor.dims[0], width + extra}, kNan);
    for (int64_t i = 0; i < tensor.dims[0]; ++i) {
      std::ranges::copy(tensor.row(i), wide.values.begin() + i * (width + extra));
    }
    return wide;
  };
  const Tensor<float> q = widen(prompt.q, 5), kv = widen(prompt.kv, 3),
                      k_pe = widen(prompt.k_pe, 60);
  Tensor<float> state({20, 3, 12}), out({20, 30});
  std::vector<int32_t> positions(20);
  for (int i = 0; i < 20; ++i) positions[i] = i;
  ops->PrefillAttention({.q = q.view().Cols(0, 3 * 16).Reshaped({20, 3, 16}),
                         .positions = positions,
                         .kv = kv.view().Cols(0, 3 * 22).Reshaped({20, 3, 22}),
                         .k_pe = k_pe.view().Cols(0, 4),
                         .scale = prompt.scale,
                         .state = state.view(),
                         .last = true,
                         .out = out.view().Reshaped({20, 3, 10})});
  EXPECT_TRUE(SameBits(out.values, want.values, 30));
}

INSTANTIATE_TEST_SUITE_P(Isas, PrefillAttentionTest, ::testing::ValuesIn(IsasOfThisMachine()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace switchyard::kernels
