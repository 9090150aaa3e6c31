// The exchange against its definition: output (t, slot) is expert ids[t, slot] applied to token t's
// row, rounded as the wires round, whoever holds the expert; and what is combined has the same bits
// in every layout.
#include "worker/parallel/expert_exchange.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "kernels/backend.h"
#include "tests/testing/ranks.h"
#include "tests/worker/parallel/moe_layer.h"

namespace switchyard::worker {
namespace {

using kernels::Bf16;
using kernels::DType;
using kernels::TensorView;
using switchyard::testing::AllOk;

float Rounded(float value, DType wire) {
  return wire == DType::kBf16 ? kernels::ToFloat(kernels::ToBf16(value)) : value;
}

float ElementOf(const TensorView& view, int64_t row, int64_t column) {
  if (view.dtype == DType::kBf16) return kernels::ToFloat(view.row<const Bf16>(row)[column]);
  return view.row<const float>(row)[column];
}

// One rank's part of one MoE layer, with elementwise experts.
class Rank {
 public:
  Rank(const Routing& routing, const Layout& layout, Collectives& world)
      : routing_(routing),
        layout_(layout),
        context_(ContextOf(routing, layout, world.rank())),
        ops_(*kernels::MakeCpuBackend({.num_threads = 1})),
        first_token_(std::accumulate(layout.slices.begin(), layout.slices.begin() + world.rank(),
                                     int64_t{0})),
        num_tokens_(layout.slices[world.rank()]) {
    const ExpertExchangeOptions options{
        .hidden_size = kHidden,
        .experts_per_token = routing.k,
        .max_slice_tokens = std::max<int64_t>(1, *std::ranges::max_element(layout.slices)),
        .dispatch_wire = layout.dispatch_wire,
        .combine_wire = layout.combine_wire};
    auto exchange = ExpertExchange::Create(context_, options, *ops_, world);
    EXPECT_TRUE(exchange.ok()) << exchange.status();
    exchange_ = *std::move(exchange);
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (int64_t h = 0; h < kHidden; ++h) x_.push_back(Input(first_token_ + t, h));
    }
  }

  // Runs the layer and writes this rank's rows of `combined`, f32 [all tokens, H].
  absl::Status Run(std::vector<float>* combined) {
    const TensorView ids(routing_.ids.data() + first_token_ * routing_.k, DType::kI32,
                         {num_tokens_, routing_.k});
    const TensorView x(x_.data(), DType::kF32, {num_tokens_, kHidden});
    ExpertBatch batch;
    exchange_->BeginDispatch(ids, x);
    SY_RETURN_IF_ERROR(exchange_->EndDispatch(&batch));
    CheckBatch(batch);
    Compute(batch);
    CombinedRows rows;
    SY_RETURN_IF_ERROR(exchange_->Combine(&rows));
    CheckRows(rows);
    std::vector<float> weights;
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (int64_t j = 0; j < routing_.k; ++j) weights.push_back(Weight(first_token_ + t, j));
    }
    ops_->CombineRows(
        {.rows = rows.rows,
         .row_of = rows.row_of,
         .weights = TensorView(weights.data(), DType::kF32, {num_tokens_, routing_.k}),
         .base = {},
         .y = TensorView(combined->data() + first_token_ * kHidden, DType::kF32,
                         {num_tokens_, kHidden})});
    return absl::OkStatus();
  }

 private:
  void CheckBatch(const ExpertBatch& batch) const {
    const auto experts = context_.local_experts();
    for (size_t i = 0; i < experts.size(); ++i) {
      const int64_t want = std::ranges::count(routing_.ids, experts[i]);
      EXPECT_EQ(batch.offsets[i + 1] - batch.offsets[i], want) << "rows of expert " << experts[i];
      EXPECT_EQ(exchange_->expert_rows()[i], want);
    }
    EXPECT_EQ(batch.offsets[experts.size()], batch.num_routed_rows);
    EXPECT_EQ(batch.offsets.back(), batch.num_routed_rows + num_tokens_);
    EXPECT_EQ(batch.x.rows(), batch.offsets.back());
    const TensorView own = batch.x.Rows(batch.num_routed_rows, num_tokens_);
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (int64_t h = 0; h < kHidden; ++h) {
        EXPECT_EQ(own.row<float>(t)[h], x_[t * kHidden + h]) << "the shared expert's own rows";
      }
    }
  }

  void Compute(const ExpertBatch& batch) const {
    for (size_t i = 0; i + 2 < batch.offsets.size(); ++i) {
      for (int64_t row = batch.offsets[i]; row < batch.offsets[i + 1]; ++row) {
        for (int64_t h = 0; h < kHidden; ++h) {
          batch.y.row<float>(row)[h] =
              Expert(context_.local_experts()[i], batch.x.row<float>(row)[h]);
        }
      }
    }
  }

  void CheckRows(const CombinedRows& rows) const {
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (int64_t j = 0; j < routing_.k; ++j) {
        const int expert = routing_.ids[(first_token_ + t) * routing_.k + j];
        const int64_t row = rows.row_of.row<int32_t>(t)[j];
        for (int64_t h = 0; h < kHidden; ++h) {
          const float x = Rounded(x_[t * kHidden + h], layout_.dispatch_wire);
          ASSERT_EQ(ElementOf(rows.rows, row, h), Rounded(Expert(expert, x), layout_.combine_wire))
              << "token " << first_token_ + t << ", slot " << j << ", column " << h;
        }
      }
    }
  }

  const Routing& routing_;
  const Layout& layout_;
  const ParallelContext context_;
  const std::unique_ptr<kernels::Ops> ops_;
  const int64_t first_token_;
  const int64_t num_tokens_;
  std::unique_ptr<ExpertExchange> exchange_;
  std::vector<float> x_;
};

// All ranks run the layer twice (buffers are used again); returns what they combined, f32 [tokens,
// H].
std::vector<float> RunLayer(const Routing& routing, const Layout& layout) {
  EXPECT_EQ(std::accumulate(layout.slices.begin(), layout.slices.end(), int64_t{0}),
            routing.num_tokens());
  std::vector<float> combined(routing.num_tokens() * kHidden);
  EXPECT_TRUE(AllOk(testing::RunLocalRanks(layout.world(), [&](Collectives& world) -> absl::Status {
    Rank rank(routing, layout, world);
    SY_RETURN_IF_ERROR(rank.Run(&combined));
    return rank.Run(&combined);
  })));
  return combined;
}

TEST(ExpertExchangeTest, EveryTokenMeetsItsExpertsUnderAnyRoutingAndPlacement) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    DrawnLayer layer = DrawLayer(seed);
    layer.layout.dispatch_wire = seed % 2 == 0 ? DType::kBf16 : DType::kF32;
    layer.layout.combine_wire = seed % 4 < 2 ? DType::kBf16 : DType::kF32;
    SCOPED_TRACE(Describe(seed, layer));
    RunLayer(layer.routing, layer.layout);
  }
}

TEST(ExpertExchangeTest, TheSameBitsComeOutOfOneTwoAndFourRanks) {
  const Routing routing = RandomRouting(/*num_experts=*/10, /*k=*/4, /*num_tokens=*/23, /*seed=*/5);
  for (const DType wire : {DType::kBf16, DType::kF32}) {
    std::vector<std::vector<float>> results;
    for (const int world : {1, 2, 4}) {
      results.push_back(RunLayer(routing, {.rank_of_expert = RoundRobin(10, world),
                                           .slices = Balanced(23, world),
                                           .dispatch_wire = wire,
                                           .combine_wire = wire}));
    }
    for (size_t i = 0; i < results[0].size(); ++i) {
      for (int w : {1, 2}) {
        ASSERT_EQ(std::bit_cast<uint32_t>(results[0][i]), std::bit_cast<uint32_t>(results[w][i]))
            << "element " << i;
      }
    }
  }
}

TEST(ExpertExchangeTest, AllTokensOfAllRanksMayChooseTheSameRank) {
  Routing routing{.num_experts = 4, .k = 2, .ids = {}};
  for (int t = 0; t < 12; ++t) routing.ids.insert(routing.ids.end(), {1, 2});
  RunLayer(routing, {.rank_of_expert = {0, 2, 2, 1}, .slices = {4, 4, 4}});
}

TEST(ExpertExchangeTest, AStepWithoutAnyTokenRunsTheSameSequence) {
  RunLayer(RandomRouting(6, 2, 0, 1), {.rank_of_expert = RoundRobin(6, 3), .slices = {0, 0, 0}});
}

TEST(ExpertExchangeTest, ItWorksOverProcessesCollectivesToo) {
  const Routing routing = RandomRouting(/*num_experts=*/7, /*k=*/3, /*num_tokens=*/17, /*seed=*/9);
  const Layout layout{.rank_of_expert = RoundRobin(7, 3), .slices = {5, 0, 12}};
  std::vector<float> combined(routing.num_tokens() * kHidden);
  EXPECT_TRUE(AllOk(testing::RunGlooRanks(
      3, [&](Collectives& world) { return Rank(routing, layout, world).Run(&combined); })));
  EXPECT_EQ(combined, RunLayer(routing, layout));
}

TEST(ExpertExchangeTest, SizesThatCannotBeAreRefused) {
  const Routing routing{.num_experts = 4, .k = 2, .ids = {}};
  const ParallelContext context =
      ContextOf(routing, {.rank_of_expert = {0, 0, 0, 0}, .slices = {0}}, 0);
  const auto ops = *kernels::MakeCpuBackend({.num_threads = 1});
  const auto ranks = MakeLocalCollectives(1);
  const ExpertExchangeOptions good{.hidden_size = 8, .experts_per_token = 2, .max_slice_tokens = 4};
  EXPECT_TRUE(ExpertExchange::Create(context, good, *ops, *ranks[0]).ok());
  const auto code = [&](auto&& change) {
    ExpertExchangeOptions options = good;
    change(options);
    return ExpertExchange::Create(context, options, *ops, *ranks[0]).status().code();
  };
  EXPECT_EQ(code([](auto& o) { o.hidden_size = 0; }), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.experts_per_token = 5; }), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.max_slice_tokens = int64_t{1} << 40; }),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code([](auto& o) { o.dispatch_wire = DType::kF16; }),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace switchyard::worker
