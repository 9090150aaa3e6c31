// The gate and the combine on CUDA: the choice is the reference's to the last tie; sums go in slot
// order.
#include "kernels/cuda/moe.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cases/moe.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/cuda/trap.h"
#include "tests/kernels/reference/moe_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Choice {
  std::vector<int32_t> ids;
  std::vector<float> weights;
};

struct Tokens {
  std::vector<float> logits;
  std::vector<float> bias;  // empty: zeros
  int64_t groups = 1;
  int64_t top_groups = 1;
  int64_t slots = 2;
  bool normalize = false;
  float scale = 1;
  int64_t count = 1;
  bool softmax = false;
};

using Ids = std::vector<int32_t>;

std::vector<cases::MoeCase> Shapes() {
  std::vector<cases::MoeCase> shapes(std::begin(cases::kOddMoe), std::end(cases::kOddMoe));
  shapes.insert(shapes.end(), std::begin(cases::kServedMoe), std::end(cases::kServedMoe));
  return shapes;
}

class CudaGateTest : public CudaTest {
 protected:
  Choice Choose(const Tokens& tokens) {
    const auto experts = std::ssize(tokens.logits) / tokens.count;
    const TensorView ids = Make(DType::kI32, {tokens.count, tokens.slots});
    const TensorView weights = Make(DType::kF32, {tokens.count, tokens.slots});
    const std::vector<float> bias =
        tokens.bias.empty() ? std::vector<float>(static_cast<size_t>(experts)) : tokens.bias;
    cuda::Gate(cuda_, {.logits = PutF32({tokens.count, experts}, tokens.logits),
                       .bias = tokens.softmax ? TensorView() : PutF32({experts}, bias),
                       .softmax = tokens.softmax,
                       .num_groups = tokens.groups,
                       .top_groups = tokens.top_groups,
                       .normalize = tokens.normalize,
                       .scale = tokens.scale,
                       .ids = ids,
                       .weights = weights});
    return {GetAs<int32_t>(ids), Get(weights)};
  }
};

TEST_F(CudaGateTest, OfEqualExpertsTheLowerIdsWin) {
  EXPECT_EQ(Choose({.logits = {0, 0, 0, 0, 0, 0}, .slots = 3}).ids, (Ids{0, 1, 2}));
  EXPECT_EQ(Choose({.logits = {0, 1, 0, 1, 1, 0}, .slots = 2}).ids, (Ids{1, 3}));
  EXPECT_EQ(Choose({.logits = {0, 0, 0, 1, 0, 0}, .slots = 2}).ids, (Ids{0, 3}));
  // Keys of -0 and 0 are equal.
  EXPECT_EQ(Choose({.logits = {-kInfinity, -kInfinity, -kInfinity}, .bias = {-0.0f, 0, 0}}).ids,
            (Ids{0, 1}));
}

TEST_F(CudaGateTest, OfEqualGroupsTheLowerIdsWin) {
  EXPECT_EQ(
      Choose({.logits = std::vector<float>(8, 1.0f), .groups = 4, .top_groups = 2, .slots = 3}).ids,
      (Ids{0, 1, 2}));
  EXPECT_EQ(Choose({.logits = {1, 2, 2, 1, 3, 3}, .groups = 3, .top_groups = 2, .slots = 4}).ids,
            (Ids{0, 1, 4, 5}));
}

TEST_F(CudaGateTest, AGroupCountsByItsTwoBest) {
  EXPECT_EQ(Choose({.logits = {4, -9, -9, -9, 2, 2, -9, -9}, .groups = 2, .slots = 2}).ids,
            (Ids{4, 5}));
}

TEST_F(CudaGateTest, TheBiasChoosesButDoesNotWeigh) {
  const Choice choice = Choose({.logits = {0, 0, 0, 0}, .bias = {0, 0.5f, 0, 0.25f}});
  EXPECT_EQ(choice.ids, (Ids{1, 3}));
  EXPECT_EQ(choice.weights, (std::vector<float>{0.5f, 0.5f}));
}

TEST_F(CudaGateTest, ExpertsOfLostGroupsAreOutEvenWhereAllKeptOnesAreNegative) {
  const std::vector<float> logits(8, 0.0f), low = {-1, -1, -1, -1, -2, -2, -2, -2};
  EXPECT_EQ(Choose({.logits = logits, .bias = low, .groups = 2, .slots = 3}).ids, (Ids{0, 1, 2}));
  const float least = -kInfinity;
  const std::vector<float> none = {9, 9, least, least, 0, 0, 0, 0};
  EXPECT_EQ(Choose({.logits = logits, .bias = none, .groups = 2, .slots = 4}).ids,
            (Ids{0, 1, 2, 3}));
}

TEST_F(CudaGateTest, WeightsAreNormalisedThenScaled) {
  const Choice choice =
      Choose({.logits = {0, 0, 0, 0}, .slots = 4, .normalize = true, .scale = 2.5f});
  EXPECT_EQ(choice.weights, (std::vector<float>(4, 0.625f)));
  const Choice raw = Choose({.logits = {0, 0}, .normalize = false, .scale = 2.5f});
  EXPECT_EQ(raw.weights, (std::vector<float>(2, 1.25f)));
  const Choice none = Choose({.logits = {-200, -200}, .normalize = true});
  EXPECT_EQ(none.weights, (std::vector<float>{0, 0}));
}

TEST_F(CudaGateTest, WhateverTheLogitsAreIdsAreDistinctAndInRange) {
  const std::vector<float> odd = {kNan, kInfinity, -kInfinity, 0, 1e38f, -1e38f, -kNan};
  for (const auto& shape : cases::kOddMoe) {
    for (uint32_t seed = 0; seed < 5; ++seed) {
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
  EXPECT_EQ(Choose({.logits = {kNan, -5, kNan, -6}}).ids, (Ids{1, 3}));
}

TEST_F(CudaGateTest, AgreesWithTheReferenceOnRandomTokens) {
  const int64_t num_tokens = 25;
  const auto expect = [&](const cases::MoeCase& shape, bool softmax) {
    std::vector<float> logits = RandomValues(num_tokens * shape.experts, 1);
    for (float& logit : logits) logit = std::round(logit * 8) / 8;  // many ties
    std::vector<float> bias = RandomValues(shape.experts, 2);
    for (float& value : bias) value = std::round(value * 4) / 16;
    const Choice got = Choose({.logits = logits,
                               .bias = bias,
                               .groups = shape.groups,
                               .top_groups = shape.top_groups,
                               .slots = shape.slots,
                               .normalize = true,
                               .scale = 2.5f,
                               .count = num_tokens,
                               .softmax = softmax});
    for (int64_t t = 0; t < num_tokens; ++t) {
      const auto want =
          reference::Gate({.logits = std::span(logits).subspan(t * shape.experts, shape.experts),
                           .bias = bias,
                           .softmax = softmax,
                           .num_groups = shape.groups,
                           .top_groups = shape.top_groups,
                           .slots = shape.slots,
                           .scale = 2.5});
      ASSERT_TRUE(std::equal(want.ids.begin(), want.ids.end(), got.ids.begin() + t * shape.slots))
          << shape.name << " token " << t;
      ASSERT_TRUE(Close({.got = std::span(got.weights).subspan(t * shape.slots, shape.slots),
                         .want = want.weights,
                         .columns = shape.slots,
                         .num_terms = shape.experts}));
    }
  };
  for (const auto& shape : Shapes()) {
    for (const bool softmax : {false, true}) expect(shape, softmax);
  }
}

class CudaCombineTest : public CudaTest {};

TEST_F(CudaCombineTest, AddsRowsInSlotOrderThenTheBase) {
  constexpr int64_t kTokens = 5, kRows = 20;
  for (const auto& shape : Shapes()) {
    const int64_t hidden = shape.hidden;
    const std::vector<float> rows = RandomBf16(kRows * hidden, 1);
    const std::vector<float> base = RandomBf16(kTokens * hidden, 2);
    const std::vector<float> weights = RandomValues(kTokens * shape.slots, 3);
    std::vector<int32_t> row_of(static_cast<size_t>(kTokens * shape.slots));
    std::mt19937 random(4);
    for (int32_t& row : row_of) row = static_cast<int32_t>(random() % kRows);
    const auto combine = [&](DType dtype, bool with_base, bool in_place = false) {
      const TensorView own_base = PutBf16({kTokens, hidden}, base);
      const TensorView y = in_place ? own_base : Make(DType::kBf16, {kTokens, hidden});
      cuda::CombineRows(cuda_, {.rows = Put(dtype, {kRows, hidden}, std::span<const float>(rows)),
                                .row_of = Put(DType::kI32, {kTokens, shape.slots},
                                              std::span<const int32_t>(row_of)),
                                .weights = PutF32({kTokens, shape.slots}, weights),
                                .base = with_base ? own_base : TensorView(),
                                .y = y});
      return Get(y);
    };
    std::vector<float> with_base, without;
    for (int64_t i = 0; i < kTokens * hidden; ++i) {
      const int64_t t = i / hidden;
      float sum = 0;
      for (int64_t j = 0; j < shape.slots; ++j) {
        const float weight = weights[t * shape.slots + j];
        const float value = rows[row_of[t * shape.slots + j] * hidden + i % hidden];
        sum = j == 0 ? weight * value : std::fma(weight, value, sum);
      }
      without.push_back(RoundToBf16(sum));
      with_base.push_back(RoundToBf16(sum + base[i]));
    }
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      EXPECT_TRUE(SameBits(combine(dtype, true), with_base, hidden)) << shape.name;
      EXPECT_TRUE(SameBits(combine(dtype, true, /*in_place=*/true), with_base, hidden))
          << shape.name;
      EXPECT_TRUE(SameBits(combine(dtype, false), without, hidden)) << shape.name;
    }
  }
}

TEST_F(CudaCombineTest, OrderIsThatOfTheSlots) {
  // In float (1e8 + 1) - 1e8 is 0, (1e8 - 1e8) + 1 is 1.
  const std::vector<int32_t> row_of = {0, 1, 2, 0, 2, 1};
  const TensorView y = Make(DType::kBf16, {2, 1});
  cuda::CombineRows(cuda_, {.rows = PutF32({3, 1}, {1e8f, 1, -1e8f}),
                            .row_of = Put(DType::kI32, {2, 3}, std::span<const int32_t>(row_of)),
                            .weights = PutF32({2, 3}, std::vector<float>(6, 1.0f)),
                            .y = y});
  EXPECT_EQ(Get(y), (std::vector<float>{0, 1}));
}

TEST_F(CudaCombineTest, ATokenWithoutRowsIsItsBase) {
  const std::vector<int32_t> row_of = {-1, -1, 0, 0};
  for (const bool with_base : {false, true}) {
    const TensorView y = Make(DType::kBf16, {2, 2});
    cuda::CombineRows(cuda_, {.rows = PutF32({1, 2}, {3, 3}),
                              .row_of = Put(DType::kI32, {2, 2}, std::span<const int32_t>(row_of)),
                              .weights = PutF32({2, 2}, {1, 1, 1, 1}),
                              .base = with_base ? PutBf16({2, 2}, {5, 5, 5, 5}) : TensorView(),
                              .y = y});
    EXPECT_EQ(Get(y),
              with_base ? (std::vector<float>{5, 5, 11, 11}) : (std::vector<float>{0, 0, 6, 6}));
  }
}

TEST_F(CudaCombineTest, ARowThatDoesNotExistEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  const std::vector<int32_t> row_of = {3};
  EXPECT_DEATH(
      {
        cuda::CombineRows(cuda_,
                          {.rows = PutF32({3, 1}, {1, 2, 3}),
                           .row_of = Put(DType::kI32, {1, 1}, std::span<const int32_t>(row_of)),
                           .weights = PutF32({1, 1}, {1}),
                           .y = Make(DType::kBf16, {1, 1})});
        device_->Synchronize();
      },
      TrapOf("CombineRowsKernel"));
}

TEST_F(CudaCombineTest, NoTokensIsNoWork) {
  cuda::CombineRows(cuda_, {.rows = Make(DType::kBf16, {4, 8}),
                            .row_of = Make(DType::kI32, {0, 2}),
                            .weights = Make(DType::kF32, {0, 2}),
                            .y = Make(DType::kBf16, {0, 8})});
  cuda::Gate(cuda_, {.logits = Make(DType::kF32, {0, 8}),
                     .bias = Make(DType::kF32, {8}),
                     .ids = Make(DType::kI32, {0, 2}),
                     .weights = Make(DType::kF32, {0, 2})});
  device_->Synchronize();
}

}  // namespace
}  // namespace switchyard::kernels
