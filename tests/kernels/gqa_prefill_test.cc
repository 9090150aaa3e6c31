// Grouped-query attention of prompts over the paged cache: right, and the same bits for a query
// however the prompt is cut and whoever computes it.
#include <gtest/gtest.h>

#include "tests/kernels/gqa_fixture.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::SameBits;

struct Cut {
  std::vector<int64_t> chunks;  // query tokens per call, the last one repeated
  DType type = DType::kF32;
  uint32_t seed = 7;  // of the block table
};

// [tokens, heads, dim]. Each chunk's keys and values are written before its attention, and blocks
// behind its windows are freed.
std::vector<float> Attend(Ops& ops, const GqaSequence& prompt, const Cut& cut) {
  const auto& shape = prompt.shape;
  GqaBlocks blocks({prompt.tokens}, kGqaBlockTokens, cut.seed);
  const GqaCache cache(cut.type, blocks.num_blocks(), shape);
  const std::vector<int64_t> slots = blocks.SlotsOf(0, prompt.tokens);
  const std::vector<float> sinks = GqaSequence::Sinks(shape);
  std::vector<float> out(prompt.q.size(), kNan);
  const auto rows_of = [&](const std::vector<float>& values) {
    return TensorView(values.data(), DType::kF32, {prompt.tokens, shape.heads, shape.dim});
  };
  cache.Write(ops, prompt, slots);
  size_t chunk = 0;
  for (int64_t begin = 0; begin < prompt.tokens;) {
    const int64_t size = cut.chunks[std::min(chunk++, cut.chunks.size() - 1)];
    const int64_t end = std::min(begin + size, prompt.tokens);
    std::vector<int32_t> positions(static_cast<size_t>(end - begin));
    std::iota(positions.begin(), positions.end(), static_cast<int32_t>(begin));
    blocks.FreeBefore(0, prompt.FirstSeen(begin));
    ops.GqaPrefill({.q = rows_of(prompt.q).Rows(begin, end - begin),
                    .positions = positions,
                    .cache = cache.view(),
                    .table = blocks.table(0),
                    .scale = prompt.scale(),
                    .window = shape.window,
                    .sinks = GqaSinks(shape, sinks),
                    .out = rows_of(out).Rows(begin, end - begin)});
    begin = end;
  }
  return out;
}

class GqaPrefillTest : public ::testing::TestWithParam<cpu::Isa> {};

TEST_P(GqaPrefillTest, AgreesWithDoublePrecision) {
  const auto ops = MakeOps(GetParam());
  for (const auto& shape : cases::kCheckedGqa) {
    for (const int64_t tokens : {1, 2, 65, 300}) {
      const GqaSequence prompt(shape, tokens);
      reference::AttentionOutput want;
      for (int64_t t = 0; t < tokens; ++t) prompt.AddReference(t, want);
      for (const DType type : {DType::kF32, DType::kBf16}) {
        EXPECT_TRUE(
            GqaClose(Attend(*ops, prompt, {.chunks = {tokens}, .type = type}), want, shape, type))
            << shape.name << " " << tokens << " " << Name(type);
      }
    }
  }
}

TEST_P(GqaPrefillTest, ChunksBlocksAndThreadsDoNotShow) {
  const auto ops = MakeOps(GetParam());
  for (const auto& shape : {cases::kCheckedGqa[2], cases::kCheckedGqa[3], cases::kCheckedGqa[9]}) {
    const GqaSequence prompt(shape, 330);
    for (const DType type : {DType::kF32, DType::kBf16}) {
      const std::vector<float> whole = Attend(*ops, prompt, {.chunks = {330}, .type = type});
      const auto expect_same = [&](const std::vector<float>& got) {
        EXPECT_TRUE(SameBits(got, whole, prompt.out_width())) << shape.name << " " << Name(type);
      };
      for (const std::vector<int64_t>& chunks :
           std::vector<std::vector<int64_t>>{{1}, {7}, {64}, {100, 1, 130, 3, 64}}) {
        expect_same(Attend(*ops, prompt, {.chunks = chunks, .type = type, .seed = 5}));
      }
      for (const int threads : {1, 5}) {
        expect_same(Attend(*MakeOps(GetParam(), threads), prompt, {.chunks = {330}, .type = type}));
      }
    }
  }
}

// What a query does not see cannot reach it: keys after it, and those before its window.
TEST_P(GqaPrefillTest, KeysThatAQueryDoesNotSeeDoNotExistForIt) {
  const auto ops = MakeOps(GetParam());
  for (const int64_t window : {0, 45}) {
    for (const DType type : {DType::kF32, DType::kBf16}) {
      const cases::GqaCase shape = {"bad", 3, 1, 20, window, false};
      const GqaSequence clean(shape, 200);
      const std::vector<float> want = Attend(*ops, clean, {.chunks = {200}, .type = type});
      for (const int64_t bad : {63, 64, 121, 122}) {
        GqaSequence prompt = clean;
        prompt.v[static_cast<size_t>(bad * prompt.kv_width() + 3)] = kNan;
        prompt.k[static_cast<size_t>(bad * prompt.kv_width() + 4)] = kInfinity;
        const std::vector<float> got = Attend(*ops, prompt, {.chunks = {200}, .type = type});
        const int64_t end = window == 0 ? 200 : bad + window;  // of those that see it
        const auto rows = [&](const std::vector<float>& of, int64_t from, int64_t to) {
          return std::span(of).subspan(static_cast<size_t>(from * prompt.out_width()),
                                       static_cast<size_t>((to - from) * prompt.out_width()));
        };
        EXPECT_TRUE(SameBits(rows(got, 0, bad), rows(want, 0, bad), prompt.out_width()));
        EXPECT_TRUE(SameBits(rows(got, end, 200), rows(want, end, 200), prompt.out_width()));
        EXPECT_FALSE(std::isfinite(rows(got, bad, end)[3]));
        EXPECT_FALSE(std::isfinite(rows(got, end - 1, end)[3]));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, GqaPrefillTest, ::testing::ValuesIn(IsasOfThisMachine()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace switchyard::kernels
