// The exchange against its definition: output (t, slot) is expert ids[t, slot] applied to token t's
// row, rounded as the wires round, whoever holds the expert; and what is combined has the same bits
// in every layout.
#include "worker/parallel/counted_exchange.h"

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
        tables_(context_, ops_->device()),
        first_token_(std::accumulate(layout.slices.begin(), layout.slices.begin() + world.rank(),
                                     int64_t{0})),
        num_tokens_(layout.slices[world.rank()]) {
    for (int place = 0; place < 2; ++place) {
      auto exchange = CountedExchange::Create(
          context_,
          {.hidden_size = kHidden,
           .experts_per_token = routing.k,
           .max_slice_tokens = std::max<int64_t>(1, *std::ranges::max_element(layout.slices)),
           .dispatch_wire = layout.dispatch_wire,
           .combine_wire = layout.combine_wire,
           .place = place},
          tables_, *ops_, world);
      EXPECT_TRUE(exchange.ok()) << exchange.status();
      exchanges_[place] = *std::move(exchange);
    }
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (int64_t h = 0; h < kHidden; ++h) x_.push_back(Input(first_token_ + t, h));
    }
  }

  // Runs the layer and writes this rank's rows of `combined`, f32 [all tokens, H].
  absl::Status Run(std::vector<float>* combined) {
    const Part all{.exchange = *exchanges_[0], .begin = 0, .end = num_tokens_};
    SY_RETURN_IF_ERROR(Begin(all));
    SY_RETURN_IF_ERROR(all.exchange.Send());
    ExpertBatch batch;
    SY_RETURN_IF_ERROR(all.exchange.EndDispatch(&batch));
    CheckBatch(batch);
    Compute(batch);
    SY_RETURN_IF_ERROR(all.exchange.BeginCombine());
    return Finish(all, combined);
  }

  // The same in two micro-batches, which take turns as a model's do.
  absl::Status RunInTwo(std::vector<float>* combined) {
    const int64_t half = (num_tokens_ + 1) / 2;
    const Part first{.exchange = *exchanges_[0], .begin = 0, .end = half};
    const Part last{.exchange = *exchanges_[1], .begin = half, .end = num_tokens_};
    ExpertBatch batch;
    SY_RETURN_IF_ERROR(Begin(first));
    SY_RETURN_IF_ERROR(first.exchange.Send());
    SY_RETURN_IF_ERROR(Begin(last));
    SY_RETURN_IF_ERROR(first.exchange.EndDispatch(&batch));
    Compute(batch);
    SY_RETURN_IF_ERROR(last.exchange.Send());
    SY_RETURN_IF_ERROR(first.exchange.BeginCombine());
    SY_RETURN_IF_ERROR(last.exchange.EndDispatch(&batch));
    Compute(batch);
    SY_RETURN_IF_ERROR(last.exchange.BeginCombine());
    SY_RETURN_IF_ERROR(Finish(first, combined));
    return Finish(last, combined);
  }

  // Rows of the local experts since the last call.
  std::vector<uint32_t> TakeExpertRows() {
    std::vector<uint32_t> rows(context_.local_experts().size());
    tables_.Take(rows);
    return rows;
  }

 private:
  // Some of the rank's tokens.
  struct Part {
    CountedExchange& exchange;
    int64_t begin, end;
  };

  absl::Status Begin(const Part& part) {
    const int64_t count = part.end - part.begin, k = routing_.k;
    const TensorView ids(routing_.ids.data() + (first_token_ + part.begin) * k, DType::kI32,
                         {count, k});
    return part.exchange.BeginDispatch(
        ids, TensorView(x_.data() + part.begin * kHidden, DType::kF32, {count, kHidden}), {});
  }

  absl::Status Finish(const Part& part, std::vector<float>* combined) {
    CombinedRows rows;
    SY_RETURN_IF_ERROR(part.exchange.EndCombine(&rows));
    CheckRows(part, rows);
    std::vector<float> weights;
    for (int64_t t = part.begin; t < part.end; ++t) {
      for (int64_t j = 0; j < routing_.k; ++j) weights.push_back(Weight(first_token_ + t, j));
    }
    const int64_t count = part.end - part.begin;
    ops_->CombineRows({.rows = rows.rows,
                       .row_of = rows.row_of,
                       .weights = TensorView(weights.data(), DType::kF32, {count, routing_.k}),
                       .base = {},
                       .y = TensorView(combined->data() + (first_token_ + part.begin) * kHidden,
                                       DType::kF32, {count, kHidden})});
    return absl::OkStatus();
  }

  void CheckBatch(const ExpertBatch& batch) {
    const auto experts = context_.local_experts();
    const std::vector<uint32_t> rows = TakeExpertRows();
    int64_t begin = num_tokens_;
    for (size_t i = 0; i < experts.size(); ++i) {
      const int64_t want = std::ranges::count(routing_.ids, experts[i]);
      const auto* const span = batch.spans.row<const int32_t>(static_cast<int64_t>(i));
      EXPECT_EQ(span[0], begin) << "rows of expert " << experts[i];
      EXPECT_EQ(span[1], want) << "rows of expert " << experts[i];
      EXPECT_EQ(rows[i], want);
      begin += want;
    }
    EXPECT_EQ(batch.x.rows(), begin);
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (int64_t h = 0; h < kHidden; ++h) {
        EXPECT_EQ(batch.x.row<float>(t)[h], x_[t * kHidden + h]) << "the shared expert's own rows";
      }
    }
  }

  void Compute(const ExpertBatch& batch) const {
    for (size_t i = 0; i < context_.local_experts().size(); ++i) {
      const auto* const span = batch.spans.row<const int32_t>(static_cast<int64_t>(i));
      for (int64_t row = span[0]; row < span[0] + span[1]; ++row) {
        for (int64_t h = 0; h < kHidden; ++h) {
          batch.y.row<float>(row)[h] =
              Expert(context_.local_experts()[i], batch.x.row<float>(row)[h]);
        }
      }
    }
  }

  void CheckRows(const Part& part, const CombinedRows& rows) const {
    for (int64_t t = part.begin; t < part.end; ++t) {
      for (int64_t j = 0; j < routing_.k; ++j) {
        const int expert = routing_.ids[(first_token_ + t) * routing_.k + j];
        const int64_t row = rows.row_of.row<int32_t>(t - part.begin)[j];
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
  ExpertTables tables_;
  const int64_t first_token_;
  const int64_t num_tokens_;
  std::unique_ptr<CountedExchange> exchanges_[2];
  std::vector<float> x_;
};

// All ranks run the layer whole, and in two micro-batches twice (buffers are used again); returns
// what they combined, f32 [tokens, H].
std::vector<float> RunLayer(const Routing& routing, const Layout& layout) {
  EXPECT_EQ(std::accumulate(layout.slices.begin(), layout.slices.end(), int64_t{0}),
            routing.num_tokens());
  std::vector<float> whole(routing.num_tokens() * kHidden), in_two(whole.size());
  EXPECT_TRUE(AllOk(testing::RunLocalRanks(layout.world(), [&](Collectives& world) -> absl::Status {
    Rank rank(routing, layout, world);
    SY_RETURN_IF_ERROR(rank.Run(&whole));
    SY_RETURN_IF_ERROR(rank.RunInTwo(&in_two));
    return rank.RunInTwo(&in_two);
  })));
  EXPECT_EQ(in_two, whole);
  return whole;
}

TEST(CountedExchangeTest, EveryTokenMeetsItsExpertsUnderAnyRoutingAndPlacement) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    DrawnLayer layer = DrawLayer(seed);
    layer.layout.dispatch_wire = seed % 2 == 0 ? DType::kBf16 : DType::kF32;
    layer.layout.combine_wire = seed % 4 < 2 ? DType::kBf16 : DType::kF32;
    SCOPED_TRACE(Describe(seed, layer));
    RunLayer(layer.routing, layer.layout);
  }
}

TEST(CountedExchangeTest, TheSameBitsComeOutOfOneTwoAndFourRanks) {
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

TEST(CountedExchangeTest, AllTokensOfAllRanksMayChooseTheSameRank) {
  Routing routing{.num_experts = 4, .k = 2, .ids = {}};
  for (int t = 0; t < 12; ++t) routing.ids.insert(routing.ids.end(), {1, 2});
  RunLayer(routing, {.rank_of_expert = {0, 2, 2, 1}, .slices = {4, 4, 4}});
}

TEST(CountedExchangeTest, AStepWithoutAnyTokenRunsTheSameSequence) {
  RunLayer(RandomRouting(6, 2, 0, 1), {.rank_of_expert = RoundRobin(6, 3), .slices = {0, 0, 0}});
}

TEST(CountedExchangeTest, ItWorksOverProcessesCollectivesToo) {
  const Routing routing = RandomRouting(/*num_experts=*/7, /*k=*/3, /*num_tokens=*/17, /*seed=*/9);
  const Layout layout{.rank_of_expert = RoundRobin(7, 3), .slices = {5, 0, 12}};
  std::vector<float> combined(routing.num_tokens() * kHidden);
  EXPECT_TRUE(AllOk(testing::RunGlooRanks(
      3, [&](Collectives& world) { return Rank(routing, layout, world).Run(&combined); })));
  EXPECT_EQ(combined, RunLayer(routing, layout));
}

TEST(CountedExchangeTest, SizesThatCannotBeAreRefused) {
  const Routing routing{.num_experts = 4, .k = 2, .ids = {}};
  const ParallelContext context =
      ContextOf(routing, {.rank_of_expert = {0, 0, 0, 0}, .slices = {0}}, 0);
  const auto ops = *kernels::MakeCpuBackend({.num_threads = 1});
  const auto ranks = MakeLocalCollectives(1);
  const ExpertTables tables(context, ops->device());
  const CountedExchangeOptions good{
      .hidden_size = 8, .experts_per_token = 2, .max_slice_tokens = 4};
  EXPECT_TRUE(CountedExchange::Create(context, good, tables, *ops, *ranks[0]).ok());
  const auto code = [&](auto&& change) {
    CountedExchangeOptions options = good;
    change(options);
    return CountedExchange::Create(context, options, tables, *ops, *ranks[0]).status().code();
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
