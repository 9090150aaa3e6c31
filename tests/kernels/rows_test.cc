// The ops that walk rows: right at every width, and a row's bits never depend on its neighbours or
// the threads.
#include "kernels/cases/rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/kernels/quantised_norm_checks.h"
#include "tests/kernels/reference/rows_reference.h"
#include "tests/kernels/row_ops_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

class RowsTest : public ::testing::TestWithParam<cpu::Isa> {
 protected:
  std::unique_ptr<Ops> ops_ = MakeOps(GetParam());
};

std::vector<int64_t> AllWidths() {
  std::vector<int64_t> widths(std::begin(cases::kOddWidths), std::end(cases::kOddWidths));
  widths.insert(widths.end(), std::begin(cases::kServedWidths), std::end(cases::kServedWidths));
  return widths;
}

TEST_P(RowsTest, RmsNormAgreesWithDoublePrecision) {
  for (int64_t width : AllWidths()) {
    const Tensor<float> x = Random({3, width}, 1);
    const Tensor<float> weight = Random({width}, 2);
    Tensor<float> y({3, width});
    ops_->RmsNorm({.x = x.view(), .weight = weight.view(), .eps = 1e-6f, .y = y.view()});
    for (int64_t row = 0; row < 3; ++row) {
      const auto want = reference::RmsNorm(x.row(row), weight.values, 1e-6);
      EXPECT_TRUE(
          Close({.got = y.row(row), .want = want, .columns = width, .min_cosine = 1 - 1e-12}))
          << "width " << width;
    }
  }
}

TEST_P(RowsTest, RmsNormAddsTheResidualFirstAndKeepsTheSum) {
  const Tensor<float> x = Random({5, 100}, 1);
  const Tensor<float> delta = Random({5, 100}, 2);
  const Tensor<float> weight = Random({100}, 3);
  Tensor<float> sum = x, y({5, 100}), want = x, plain({5, 100});
  ops_->RmsNorm({.x = sum.view(),
                 .delta = delta.view(),
                 .weight = weight.view(),
                 .eps = 1e-5f,
                 .y = y.view()});
  for (size_t i = 0; i < want.values.size(); ++i) want.values[i] += delta.values[i];
  ops_->RmsNorm({.x = want.view(), .weight = weight.view(), .eps = 1e-5f, .y = plain.view()});
  EXPECT_TRUE(SameBits(sum.values, want.values, 100));
  EXPECT_TRUE(SameBits(y.values, plain.values, 100));
  // In place.
  ops_->RmsNorm({.x = sum.view(), .weight = weight.view(), .eps = 1e-5f, .y = sum.view()});
  EXPECT_TRUE(SameBits(sum.values, plain.values, 100));
}

TEST_P(RowsTest, RmsNormOfARowDoesNotDependOnItsNeighboursOrThreads) {
  const Tensor<float> x = Random({100, 2048}, 1);
  const Tensor<float> weight = Random({2048}, 2);
  Tensor<float> all({100, 2048}), one({1, 2048});
  MakeOps(GetParam(), 5)
      ->RmsNorm({.x = x.view(), .weight = weight.view(), .eps = 1e-6f, .y = all.view()});
  for (int64_t row : {0, 1, 42, 99}) {
    ops_->RmsNorm(
        {.x = x.view().Rows(row, 1), .weight = weight.view(), .eps = 1e-6f, .y = one.view()});
    EXPECT_TRUE(SameBits(one.values, all.row(row), 2048));
  }
}

TEST_P(RowsTest, ANormThatQuantisesHasTheBitsOfTheTwoOps) {
  for (const cases::QuantisedNormCase& shape : cases::kQuantisedNorms) {
    SCOPED_TRACE(std::to_string(shape.rows) + " x " + std::to_string(shape.width));
    for (const bool ue8m0 : {false, true}) {
      QuantisedNormChecks(*ops_, shape, ue8m0, switchyard::testing::kF32Epsilon).All();
    }
  }
}

TEST_P(RowsTest, WeightsOfWholeGroupsTakeQuantisedRows) { CheckWeightsThatTakeQuantised(*ops_); }

TEST_P(RowsTest, AddIsExactAndInPlace) {
  for (int64_t width : AllWidths()) {
    Tensor<float> x = Random({4, width}, 1);
    const Tensor<float> delta = Random({4, width}, 2);
    Tensor<float> want = x;
    for (size_t i = 0; i < want.values.size(); ++i) want.values[i] += delta.values[i];
    ops_->Add({.x = x.view(), .delta = delta.view()});
    EXPECT_TRUE(SameBits(x.values, want.values, width));
  }
}

TEST_P(RowsTest, AddTakesOneRowForAll) {
  for (int64_t width : {1, 17, 256}) {
    Tensor<float> x = Random({5, width}, 1);
    const Tensor<float> bias = Random({width}, 2);
    Tensor<float> want = x;
    for (size_t i = 0; i < want.values.size(); ++i) want.values[i] += bias.values[i % width];
    TensorView delta(bias.values.data(), DType::kF32, {5, width});
    delta.row_stride = 0;
    ops_->Add({.x = x.view(), .delta = delta});
    EXPECT_TRUE(SameBits(x.values, want.values, width));
  }
}

// The rope part of wider heads in wider rows; all around it must stay.
void ExpectRope(Ops& ops, int64_t dim, bool halves) {
  constexpr double kBase = 10000;
  Tensor<float> table({500, dim});
  for (int64_t p = 0; p < 500; ++p) {
    for (int64_t pair = 0; pair < dim / 2; ++pair) {
      const double angle = reference::RopeAngle(p, pair, dim, kBase);
      const auto at = [&](int part) -> float& {
        return table.values[p * dim + reference::RopePlace(pair, part, dim, halves)];
      };
      at(0) = static_cast<float>(std::cos(angle));
      at(1) = static_cast<float>(std::sin(angle));
    }
  }
  constexpr int64_t kHeads = 3, kNope = 5, kRowGap = 7;
  const int64_t head_stride = kNope + dim, row_stride = kHeads * head_stride + kRowGap;
  const std::vector<int32_t> positions = {0, 1, 17, 499, 3};
  const Tensor<float> before = Random({5, row_stride}, 1);
  Tensor<float> x = before;
  TensorView view(x.values.data() + kNope, DType::kF32, {5, kHeads, dim});
  view.row_stride = row_stride;
  ops.Rope({.x = view,
            .head_stride = head_stride,
            .positions = positions,
            .table = table.view(),
            .halves = halves});
  for (int64_t t = 0; t < 5; ++t) {
    auto rest = before.row(t), got = x.row(t);
    for (int64_t head = 0; head < kHeads; ++head) {
      const auto nope = static_cast<size_t>(head * head_stride), rope = nope + kNope;
      EXPECT_TRUE(SameBits(got.subspan(nope, kNope), rest.subspan(nope, kNope), kNope));
      const auto want = reference::Rope(rest.subspan(rope, dim), positions[t], kBase, halves);
      std::vector<double> magnitude(dim);
      for (int64_t pair = 0; pair < dim / 2; ++pair) {
        const int64_t first = reference::RopePlace(pair, 0, dim, halves);
        const int64_t second = reference::RopePlace(pair, 1, dim, halves);
        magnitude[first] = magnitude[second] = std::hypot(want[first], want[second]);
      }
      EXPECT_TRUE(Close(
          {.got = got.subspan(rope, dim), .want = want, .magnitude = magnitude, .columns = dim}));
    }
    EXPECT_TRUE(SameBits(got.last(kRowGap), rest.last(kRowGap), kRowGap));
  }
}

TEST_P(RowsTest, RopeTurnsPairsByTheFormula) {
  for (const bool halves : {false, true}) {
    for (const int64_t dim : {2, 4, 6, 18, 32, 64, 128}) ExpectRope(*ops_, dim, halves);
  }
}

TEST_P(RowsTest, EmbeddingReadsItsShardAndLeavesZerosForOthers) {
  for (int64_t width : {1, 16, 33, 100}) {
    const Tensor<float> f32 = Random({4, width}, 1);
    Tensor<Bf16> bf16({4, width});
    Tensor<F16> f16({4, width});
    for (size_t i = 0; i < f32.values.size(); ++i) {
      bf16.values[i] = ToBf16(f32.values[i]);
      f16.values[i] = static_cast<F16>(i * 2654435761u % 31744);  // any finite half
    }
    const std::vector<int32_t> ids = {12, 9, 10, 14, 13, 0};  // the shard has 10 .. 13
    const auto check = [&](const TensorView& table, auto widened) {
      for (const float scale : {1.0f, 9.8125f}) {
        Tensor<float> y({6, width}, kNan), want({6, width});
        ops_->Embedding(
            {.ids = ids, .table = table, .first_row = 10, .scale = scale, .y = y.view()});
        for (int64_t t : {0, 2, 4}) {
          for (int64_t i = 0; i < width; ++i) {
            want.values[t * width + i] = scale * widened((ids[t] - 10) * width + i);
          }
        }
        EXPECT_TRUE(SameBits(y.values, want.values, width)) << scale;
      }
    };
    check(f32.view(), [&](int64_t i) { return f32.values[i]; });
    check(bf16.view(), [&](int64_t i) { return ToFloat(bf16.values[i]); });
    check(f16.view(), [&](int64_t i) { return ToFloat(f16.values[i]); });
  }
}

TEST_P(RowsTest, GatherRowsCopiesRowsOfAnyType) {
  const std::vector<int32_t> rows = {3, 0, 3, 1};
  const Tensor<float> x = Random({4, 10}, 1);
  Tensor<float> y({4, 6});
  ops_->GatherRows({.x = x.view().Cols(2, 6), .rows = rows, .y = y.view()});
  for (int64_t i = 0; i < 4; ++i) EXPECT_TRUE(SameBits(y.row(i), x.row(rows[i]).subspan(2, 6), 6));

  Tensor<Bf16> narrow({4, 3}), picked({4, 3});
  for (size_t i = 0; i < narrow.values.size(); ++i) narrow.values[i] = static_cast<Bf16>(i);
  ops_->GatherRows({.x = narrow.view(), .rows = rows, .y = picked.view()});
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(std::ranges::equal(picked.row(i), narrow.row(rows[i])));
  }
}

TEST_P(RowsTest, CastRoundsToNearestEvenAndKeepsWhatIsSpecial) {
  std::vector<uint32_t> patterns = {0x3f808000, 0x3f818000, 0x3f808001, 0x00000000, 0x80000000,
                                    0x00000001, 0x007fffff, 0x80012345, 0x7f800000, 0xff800000,
                                    0x7fc00000, 0x7f800001, 0xffffffff, 0x7f7fffff, 0x00008000};
  std::mt19937 random(1);
  while (patterns.size() < 1000) patterns.push_back(random());
  Tensor<float> x({1, 1000});
  for (size_t i = 0; i < 1000; ++i) x.values[i] = std::bit_cast<float>(patterns[i]);
  for (int64_t width : {1, 15, 16, 31, 1000}) {
    Tensor<Bf16> y({1, 1000}, Bf16{0x1234});
    ops_->Cast({.x = x.view().Cols(0, width), .y = y.view().Cols(0, width)});
    for (int64_t i = 0; i < 1000; ++i) {
      EXPECT_EQ(y.values[i], i < width ? ToBf16(x.values[i]) : Bf16{0x1234}) << i;
    }
  }
  Tensor<Bf16> narrow({1, 65536});
  for (size_t i = 0; i < 65536; ++i) narrow.values[i] = static_cast<Bf16>(i);
  Tensor<float> wide({1, 65536});
  ops_->Cast({.x = narrow.view(), .y = wide.view()});
  for (size_t i = 0; i < 65536; ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(wide.values[i]), static_cast<uint32_t>(i) << 16);
  }
}

TEST_P(RowsTest, TreeSumAddsInTheOrderOfABalancedTree) {
  for (int64_t parts : {1, 2, 4, 8, 16}) {
    for (int64_t width : {1, 17, 64, 100000}) {
      Tensor<float> x = Random({parts, width}, 1);
      std::vector<float> want;
      for (int64_t i = 0; i < width; ++i) {
        std::vector<float> column;
        for (int64_t p = 0; p < parts; ++p) column.push_back(x.values[p * width + i]);
        want.push_back(reference::TreeSum(column));
      }
      Tensor<float> y({width});
      ops_->TreeSum({.parts = x.view(), .y = y.view()});
      EXPECT_TRUE(SameBits(y.values, want, width));
      const TensorView first(x.values.data(), DType::kF32, {width});
      ops_->TreeSum({.parts = x.view(), .y = first});
      EXPECT_TRUE(SameBits(x.row(0), want, width));
    }
  }
}

TEST_P(RowsTest, TheLargestPartIsFoundAndANanStays) {
  Tensor<float> x({3, 4}), y({4});
  x.values = {1, kNan, -kInfinity, 4,  //
              3, 2,    -5,         kNan, 2, 9, -6, 1};
  ops_->LargestPart({.parts = x.view(), .y = y.view()});
  EXPECT_EQ(y.values[0], 3);
  EXPECT_TRUE(std::isnan(y.values[1]));
  EXPECT_EQ(y.values[2], -5);
  EXPECT_TRUE(std::isnan(y.values[3]));
}

TEST_P(RowsTest, LatentsComeBackFromTheCacheAsTheirTypeHoldsThem) {
  constexpr int64_t kBlocks = 5, kTokens = 3, kLatent = 33, kRope = 6, kCount = 8;
  const Tensor<float> c = Random({kCount, kLatent}, 1), k_pe = Random({kCount, kRope}, 2);
  const std::vector<int32_t> table = {4, 0, 2};
  std::vector<int64_t> slots;
  for (int64_t u = 0; u < kCount; ++u) slots.push_back(table[u / kTokens] * kTokens + u % kTokens);
  const auto round_trip = [&](const TensorView& cache, int64_t begin, auto expected) {
    ops_->LatentWrite({.c = c.view(), .k_pe = k_pe.view(), .slots = slots, .cache = cache});
    Tensor<float> got_c({kCount - begin, kLatent}), got_k_pe({kCount - begin, kRope});
    ops_->LatentGather({.cache = cache,
                        .table = table,
                        .begin = begin,
                        .count = kCount - begin,
                        .c = got_c.view(),
                        .k_pe = got_k_pe.view()});
    for (size_t i = 0; i < got_c.values.size(); ++i) {
      EXPECT_EQ(got_c.values[i], expected(c.values[begin * kLatent + i]));
    }
    for (size_t i = 0; i < got_k_pe.values.size(); ++i) {
      EXPECT_EQ(got_k_pe.values[i], expected(k_pe.values[begin * kRope + i]));
    }
  };
  Tensor<float> f32({kBlocks, kTokens, kLatent + kRope}, kNan);
  Tensor<Bf16> bf16({kBlocks, kTokens, kLatent + kRope});
  for (int64_t begin : {0, 1, 5}) {
    round_trip(f32.view(), begin, [](float x) { return x; });
    round_trip(bf16.view(), begin, [](float x) { return ToFloat(ToBf16(x)); });
  }
  // One layer of a cache that holds several, block by block.
  Tensor<float> layers({kBlocks, 2, kTokens * (kLatent + kRope)}, kNan);
  TensorView layer(layers.values.data() + kTokens * (kLatent + kRope), DType::kF32,
                   {kBlocks, kTokens, kLatent + kRope});
  layer.row_stride = 2 * kTokens * (kLatent + kRope);
  round_trip(layer, 0, [](float x) { return x; });
  EXPECT_TRUE(std::isnan(layers.values[0]));
}

TEST_P(RowsTest, LatentsAreRotatedOnTheirWayIntoTheCache) {
  constexpr int64_t kTokens = 5, kLatent = 9, kRope = 6, kSlots = 8;
  const Tensor<float> c = Random({kTokens, kLatent}, 1), before = Random({kTokens, kRope}, 2);
  const Tensor<float> table = Random({10, kRope}, 3);
  const std::vector<int32_t> positions = {0, 5, 1, 9, 3};
  const std::vector<int64_t> slots = {3, 6, 0, 7, kNoSlot};
  for (const bool halves : {false, true}) {
    Tensor<float> want_k_pe = before, k_pe = before;
    Tensor<float> want({2, kSlots / 2, kLatent + kRope}, 9), got = want;
    ops_->Rope({.x = want_k_pe.view().Reshaped({kTokens, 1, kRope}),
                .positions = positions,
                .table = table.view(),
                .halves = halves});
    ops_->LatentWrite(
        {.c = c.view(), .k_pe = want_k_pe.view(), .slots = slots, .cache = want.view()});
    ops_->LatentWrite(
        {.c = c.view(),
         .k_pe = k_pe.view(),
         .slots = slots,
         .cache = got.view(),
         .rotation = {.positions = positions, .table = table.view(), .halves = halves}});
    EXPECT_TRUE(SameBits(got.values, want.values, kLatent + kRope));
    const size_t with_slots = (kTokens - 1) * kRope;
    EXPECT_TRUE(SameBits(std::span(k_pe.values).first(with_slots),
                         std::span(want_k_pe.values).first(with_slots), kRope));
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, RowsTest, ::testing::ValuesIn(IsasOfThisMachine()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace switchyard::kernels
