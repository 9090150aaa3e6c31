// The gate chooses what MODEL_SPECS 1.4 says, to the last tie; the combine adds in slot order.
#include "kernels/cases/moe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/kernels/reference/moe_reference.h"
#include "tests/kernels/row_ops_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

struct Choice {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

struct OneToken {
  std::vector<float> logits;
  std::vector<float> bias;  // empty: zeros
  int64_t groups = 1;
  int64_t top_groups = 1;
  int64_t slots = 2;
  bool normalize = false;
  float scale = 1;
  bool softmax = false;
};

Choice Choose(const OneToken& token) {
  const auto experts = static_cast<int64_t>(token.logits.size());
  Tensor<float> logits({1, experts}), bias({experts}), weights({1, token.slots});
  Tensor<int32_t> ids({1, token.slots}, -1);
  logits.values = token.logits;
  if (!token.bias.empty()) bias.values = token.bias;
  MakeOps(cpu::BestIsa())
      ->Gate({.logits = logits.view(),
              .bias = token.softmax ? TensorView() : bias.view(),
              .softmax = token.softmax,
              .num_groups = token.groups,
              .top_groups = token.top_groups,
              .normalize = token.normalize,
              .scale = token.scale,
              .ids = ids.view(),
              .weights = weights.view()});
  return {ids.values, weights.values};
}

using Ids = std::vector<int32_t>;

TEST(GateTest, TakesTheLargestAndListsThemByExpert) {
  const Choice choice = Choose({.logits = {1, 3, -2, 2}});
  EXPECT_EQ(choice.ids, (Ids{1, 3}));
  EXPECT_FLOAT_EQ(choice.weights[0], 1 / (1 + std::exp(-3.0f)));
  EXPECT_FLOAT_EQ(choice.weights[1], 1 / (1 + std::exp(-2.0f)));
}

TEST(GateTest, OfEqualExpertsTheLowerIdsWin) {
  EXPECT_EQ(Choose({.logits = {0, 0, 0, 0, 0, 0}, .slots = 3}).ids, (Ids{0, 1, 2}));
  EXPECT_EQ(Choose({.logits = {0, 1, 0, 1, 1, 0}, .slots = 2}).ids, (Ids{1, 3}));
  EXPECT_EQ(Choose({.logits = {0, 0, 0, 1, 0, 0}, .slots = 2}).ids, (Ids{0, 3}));
}

TEST(GateTest, OfEqualGroupsTheLowerIdsWin) {
  EXPECT_EQ(
      Choose({.logits = std::vector<float>(8, 1.0f), .groups = 4, .top_groups = 2, .slots = 3}).ids,
      (Ids{0, 1, 2}));
  // Groups {0, 1}, {2, 3}, {4, 5}: the last is best, the first two tie.
  EXPECT_EQ(Choose({.logits = {1, 2, 2, 1, 3, 3}, .groups = 3, .top_groups = 2, .slots = 4}).ids,
            (Ids{0, 1, 4, 5}));
}

TEST(GateTest, AGroupCountsByItsTwoBest) {
  // Group 0 has the best expert, group 1 the better pair, whatever its third and fourth are.
  EXPECT_EQ(Choose({.logits = {4, -9, -9, -9, 2, 2, -9, -9}, .groups = 2, .slots = 2}).ids,
            (Ids{4, 5}));
}

TEST(GateTest, TheBiasChoosesButDoesNotWeigh) {
  const Choice choice = Choose({.logits = {0, 0, 0, 0}, .bias = {0, 0.5f, 0, 0.25f}});
  EXPECT_EQ(choice.ids, (Ids{1, 3}));
  EXPECT_EQ(choice.weights, (std::vector<float>{0.5f, 0.5f}));
}

// With a mask of 0.0 instead of -inf, experts 4 and 5 of the lost group would be chosen.
TEST(GateTest, ExpertsOfLostGroupsAreOutEvenWhereAllKeptOnesAreNegative) {
  const std::vector<float> bias = {-1, -1, -1, -1, -2, -2, -2, -2};
  EXPECT_EQ(
      Choose({.logits = std::vector<float>(8, 0.0f), .bias = bias, .groups = 2, .slots = 3}).ids,
      (Ids{0, 1, 2}));
}

TEST(GateTest, KeepingEveryGroupIsHavingNone) {
  const Tensor<float> logits = Random({12}, 3);
  const OneToken flat = {.logits = logits.values, .slots = 5};
  OneToken grouped = flat;
  grouped.groups = grouped.top_groups = 3;
  EXPECT_EQ(Choose(flat).ids, Choose(grouped).ids);
}

TEST(GateTest, WeightsAreNormalisedThenScaled) {
  const Choice choice =
      Choose({.logits = {0, 0, 0, 0}, .slots = 4, .normalize = true, .scale = 2.5f});
  EXPECT_EQ(choice.weights, (std::vector<float>(4, 0.625f)));
  const Choice raw = Choose({.logits = {0, 0}, .normalize = false, .scale = 2.5f});
  EXPECT_EQ(raw.weights, (std::vector<float>(2, 1.25f)));
  // Scores that vanish: 0 / (0 + 1e-20).
  const Choice none = Choose({.logits = {-200, -200}, .normalize = true});
  EXPECT_EQ(none.weights, (std::vector<float>{0, 0}));
}

TEST(GateTest, WhateverTheLogitsAreIdsAreDistinctAndInRange) {
  const std::vector<float> odd = {kNan, kInfinity, -kInfinity, 0, 1e38f, -1e38f, -kNan};
  for (const auto& shape : cases::kOddMoe) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      std::mt19937 random(seed);
      std::vector<float> logits, bias;
      for (int64_t e = 0; e < shape.experts; ++e) {
        logits.push_back(seed == 0 ? kNan : odd[random() % odd.size()]);
        bias.push_back(seed < 2 ? 0 : odd[random() % odd.size()]);
      }
      const Choice choice = Choose({.logits = logits,
                                    .bias = bias,
                                    .groups = shape.groups,
                                    .top_groups = shape.top_groups,
                                    .slots = shape.slots,
                                    .normalize = true});
      for (size_t j = 0; j < choice.ids.size(); ++j) {
        EXPECT_GT(choice.ids[j], j == 0 ? -1 : choice.ids[j - 1]);
        EXPECT_LT(choice.ids[j], shape.experts);
      }
    }
  }
  // A NaN loses to every number.
  EXPECT_EQ(Choose({.logits = {kNan, -5, kNan, -6}}).ids, (Ids{1, 3}));
}

TEST(GateTest, SoftmaxIsOverAllExpertsAndTakesNoBias) {
  const Choice choice = Choose({.logits = {1, 3, -2, 2}, .softmax = true});
  EXPECT_EQ(choice.ids, (Ids{1, 3}));
  const float sum = std::exp(1.0f) + std::exp(3.0f) + std::exp(-2.0f) + std::exp(2.0f);
  EXPECT_FLOAT_EQ(choice.weights[0], std::exp(3.0f) / sum);
  EXPECT_FLOAT_EQ(choice.weights[1], std::exp(2.0f) / sum);
  const Choice shifted =
      Choose({.logits = {201, 203, 198, 202}, .normalize = true, .softmax = true});
  EXPECT_FLOAT_EQ(shifted.weights[0], 1 / (1 + std::exp(-1.0f)));
  // A group counts by its best expert alone.
  EXPECT_EQ(Choose({.logits = {2, 2, 3, -9}, .groups = 2, .slots = 2, .softmax = true}).ids,
            (Ids{2, 3}));
  EXPECT_EQ(Choose({.logits = {kNan, 1, 2}, .slots = 2, .softmax = true}).ids, (Ids{0, 1}))
      << "no score is a number";
}

TEST(GateTest, AgreesWithTheReferenceOnRandomTokens) {
  std::vector<cases::MoeCase> shapes(std::begin(cases::kServedMoe), std::end(cases::kServedMoe));
  shapes.insert(shapes.end(), std::begin(cases::kOddMoe), std::end(cases::kOddMoe));
  auto ops = MakeOps(cpu::BestIsa());
  const auto expect = [&](const cases::MoeCase& shape, bool softmax) {
    constexpr int64_t kTokens = 150;
    Tensor<float> logits = Random({kTokens, shape.experts}, 1);
    for (float& logit : logits.values) logit = std::round(logit * 8) / 8;  // many ties
    Tensor<float> bias = Random({shape.experts}, 2);
    for (float& value : bias.values) value = std::round(value * 4) / 16;
    Tensor<int32_t> ids({kTokens, shape.slots});
    Tensor<float> weights({kTokens, shape.slots});
    ops->Gate({.logits = logits.view(),
               .bias = softmax ? TensorView() : bias.view(),
               .softmax = softmax,
               .num_groups = shape.groups,
               .top_groups = shape.top_groups,
               .scale = 2.5f,
               .ids = ids.view(),
               .weights = weights.view()});
    for (int64_t t = 0; t < kTokens; ++t) {
      const auto want = reference::Gate({.logits = logits.row(t),
                                         .bias = bias.values,
                                         .softmax = softmax,
                                         .num_groups = shape.groups,
                                         .top_groups = shape.top_groups,
                                         .slots = shape.slots,
                                         .scale = 2.5});
      ASSERT_TRUE(std::ranges::equal(ids.row(t), want.ids)) << shape.name << " token " << t;
      ASSERT_TRUE(Close({.got = weights.row(t),
                         .want = want.weights,
                         .columns = shape.slots,
                         .num_terms = shape.experts}));
    }
  };
  for (const auto& shape : shapes) {
    for (const bool softmax : {false, true}) expect(shape, softmax);
  }
}

class CombineTest : public ::testing::TestWithParam<cpu::Isa> {};

TEST_P(CombineTest, AddsRowsInSlotOrderThenTheBase) {
  for (const auto& shape : cases::kOddMoe) {
    constexpr int64_t kTokens = 9, kRows = 40;
    const Tensor<float> rows = Random({kRows, shape.hidden}, 1);
    const Tensor<float> base = Random({kTokens, shape.hidden}, 2);
    const Tensor<float> weights = Random({kTokens, shape.slots}, 3);
    Tensor<int32_t> row_of({kTokens, shape.slots});
    std::mt19937 random(4);
    for (int32_t& row : row_of.values) row = static_cast<int32_t>(random() % kRows);
    Tensor<Bf16> narrow({kRows, shape.hidden});
    Tensor<float> rounded({kRows, shape.hidden});
    for (size_t i = 0; i < rows.values.size(); ++i) {
      narrow.values[i] = ToBf16(rows.values[i]);
      rounded.values[i] = ToFloat(narrow.values[i]);
    }
    auto ops = MakeOps(GetParam());
    const auto combine = [&](const TensorView& from, const TensorView& with_base) {
      Tensor<float> y({kTokens, shape.hidden}, kNan);
      ops->CombineRows({.rows = from,
                        .row_of = row_of.view(),
                        .weights = weights.view(),
                        .base = with_base,
                        .y = y.view()});
      return y;
    };
    std::vector<double> want, magnitude;
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t i = 0; i < shape.hidden; ++i) {
        double sum = base.row(t)[i], size = std::abs(sum);
        for (int64_t j = 0; j < shape.slots; ++j) {
          const double term = double{weights.row(t)[j]} * double{rows.row(row_of.row(t)[j])[i]};
          sum += term;
          size += std::abs(term);
        }
        want.push_back(sum);
        magnitude.push_back(size);
      }
    }
    const Tensor<float> got = combine(rows.view(), base.view());
    EXPECT_TRUE(Close({.got = got.values,
                       .want = want,
                       .magnitude = magnitude,
                       .columns = shape.hidden,
                       .num_terms = shape.slots}));
    // Rows that travelled as BF16 are the same as rows rounded to it.
    EXPECT_TRUE(SameBits(combine(narrow.view(), {}).values, combine(rounded.view(), {}).values,
                         shape.hidden));
    // The base comes last.
    Tensor<float> sum = combine(rows.view(), {});
    for (size_t i = 0; i < sum.values.size(); ++i) sum.values[i] = base.values[i] + sum.values[i];
    EXPECT_TRUE(SameBits(got.values, sum.values, shape.hidden));
    // It may lie where the sums go.
    Tensor<float> in_place = base;
    ops->CombineRows({.rows = rows.view(),
                      .row_of = row_of.view(),
                      .weights = weights.view(),
                      .base = in_place.view(),
                      .y = in_place.view()});
    EXPECT_TRUE(SameBits(in_place.values, got.values, shape.hidden));
  }
}

TEST_P(CombineTest, OrderIsThatOfTheSlots) {
  // In float (1e8 + 1) - 1e8 is 0, (1e8 - 1e8) + 1 is 1.
  Tensor<float> rows({3, 1}), weights({2, 3}, 1.0f), y({2, 1});
  rows.values = {1e8f, 1, -1e8f};
  Tensor<int32_t> row_of({2, 3});
  row_of.values = {0, 1, 2, 0, 2, 1};
  MakeOps(GetParam())
      ->CombineRows(
          {.rows = rows.view(), .row_of = row_of.view(), .weights = weights.view(), .y = y.view()});
  EXPECT_EQ(y.values, (std::vector<float>{0, 1}));
}

TEST_P(CombineTest, ATokenWithoutRowsIsItsBase) {
  Tensor<float> rows({1, 2}, 3.0f), weights({2, 2}, 1.0f), base({2, 2}, 5.0f), y({2, 2}, kNan);
  Tensor<int32_t> row_of({2, 2});
  row_of.values = {-1, -1, 0, 0};
  const auto ops = MakeOps(GetParam());
  ops->CombineRows(
      {.rows = rows.view(), .row_of = row_of.view(), .weights = weights.view(), .y = y.view()});
  EXPECT_EQ(y.values, (std::vector<float>{0, 0, 6, 6}));
  ops->CombineRows({.rows = rows.view(),
                    .row_of = row_of.view(),
                    .weights = weights.view(),
                    .base = base.view(),
                    .y = y.view()});
  EXPECT_EQ(y.values, (std::vector<float>{5, 5, 11, 11}));
}

INSTANTIATE_TEST_SUITE_P(Isas, CombineTest, ::testing::ValuesIn(IsasOfThisMachine()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace switchyard::kernels
