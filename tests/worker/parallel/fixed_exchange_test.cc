// The exchange of fixed sizes against CountedExchange: the same bits come out, whoever holds the
// experts and however many tokens a rank has.
#include "worker/parallel/fixed_exchange.h"

#include <gmock/gmock.h>

#include <bit>
#include <limits>

#include "kernels/backend.h"
#include "tests/testing/ranks.h"
#include "tests/worker/parallel/moe_layer.h"
#include "worker/parallel/counted_exchange.h"

namespace switchyard::worker {
namespace {

using kernels::DType;
using kernels::TensorView;
using switchyard::testing::AllOk;

// One rank's part of one MoE layer, by either exchange; rows travel as f32.
class Rank {
 public:
  // `padding`: rows behind the tokens that are none.
  Rank(const Routing& routing, const Layout& layout, Collectives& world, int64_t padding = 0)
      : routing_(routing),
        context_(ContextOf(routing, layout, world.rank())),
        ops_(*kernels::MakeCpuBackend({.num_threads = 1})),
        tables_(context_, ops_->device()),
        world_(world),
        max_slice_(std::max<int64_t>(1, *std::ranges::max_element(layout.slices))),
        first_token_(std::accumulate(layout.slices.begin(), layout.slices.begin() + world.rank(),
                                     int64_t{0})),
        num_tokens_(layout.slices[world.rank()]),
        num_rows_(num_tokens_ + padding) {
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (int64_t h = 0; h < kHidden; ++h) x_.push_back(Input(first_token_ + t, h));
      for (int64_t j = 0; j < routing.k; ++j) weights_.push_back(Weight(first_token_ + t, j));
    }
    const auto first_id = routing.ids.begin() + first_token_ * routing.k;
    ids_.assign(first_id, first_id + num_tokens_ * routing.k);
    for (int64_t row = 0; row < num_rows_; ++row) {
      slots_.push_back(row < num_tokens_ ? row : kernels::kNoSlot);
    }
    for (int64_t row = num_tokens_; row < num_rows_; ++row) {  // what no expert may see
      x_.insert(x_.end(), kHidden, std::numeric_limits<float>::quiet_NaN());
      weights_.insert(weights_.end(), static_cast<size_t>(routing.k), 1.0f);
      for (int64_t j = 0; j < routing.k; ++j) ids_.push_back(static_cast<int32_t>(j));
    }
  }

  absl::Status RunFixed(int64_t step_tokens, int layers, std::vector<float>* combined) {
    SY_ASSIGN_OR_RETURN(const auto exchange,
                        FixedExchange::Create(context_,
                                              {.hidden_size = kHidden,
                                               .experts_per_token = routing_.k,
                                               .max_slice_tokens = step_tokens},
                                              tables_, *ops_, world_));
    exchange->BeginStep(step_tokens);
    EXPECT_TRUE(exchange->TakesStep());
    for (int layer = 0; layer < layers; ++layer) {
      SY_RETURN_IF_ERROR(RunLayer(*exchange, num_rows_, combined));
    }
    CheckExpertRows(layers);
    return absl::OkStatus();
  }

  absl::Status RunCounted(std::vector<float>* combined) {
    SY_ASSIGN_OR_RETURN(const auto exchange,
                        CountedExchange::Create(context_,
                                                {.hidden_size = kHidden,
                                                 .experts_per_token = routing_.k,
                                                 .max_slice_tokens = max_slice_,
                                                 .dispatch_wire = DType::kF32,
                                                 .combine_wire = DType::kF32},
                                                tables_, *ops_, world_));
    return RunLayer(*exchange, num_tokens_, combined);
  }

 private:
  TensorView Ids() const { return {ids_.data(), DType::kI32, {num_rows_, routing_.k}}; }
  TensorView X() const { return {x_.data(), DType::kF32, {num_rows_, kHidden}}; }

  static void ComputeRows(const TensorView& x, const TensorView& y, int64_t begin, int64_t end,
                          int expert) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t h = 0; h < kHidden; ++h) {
        y.row<float>(row)[h] = Expert(expert, x.row<float>(row)[h]);
      }
    }
  }

  // With the first `num_rows` of the rows.
  absl::Status RunLayer(ExpertExchange& exchange, int64_t num_rows, std::vector<float>* combined) {
    const auto slots =
        num_rows > num_tokens_ ? std::span<const int64_t>(slots_) : std::span<const int64_t>();
    SY_RETURN_IF_ERROR(
        exchange.BeginDispatch(Ids().Rows(0, num_rows), X().Rows(0, num_rows), slots));
    SY_RETURN_IF_ERROR(exchange.Send());
    ExpertBatch batch;
    SY_RETURN_IF_ERROR(exchange.EndDispatch(&batch));
    Compute(batch, num_rows);
    SY_RETURN_IF_ERROR(exchange.BeginCombine());
    CombinedRows rows;
    SY_RETURN_IF_ERROR(exchange.EndCombine(&rows));
    Combine(rows.rows, rows.row_of, combined);
    return absl::OkStatus();
  }

  void Compute(const ExpertBatch& batch, int64_t num_rows) const {
    const auto experts = context_.local_experts();
    for (size_t i = 0; i < experts.size(); ++i) {
      const auto* const span = batch.spans.row<const int32_t>(static_cast<int64_t>(i));
      EXPECT_EQ(span[1], std::ranges::count(routing_.ids, experts[i])) << experts[i];
      ComputeRows(batch.x, batch.y, span[0], span[0] + span[1], experts[i]);
    }
    const auto* const shared = batch.spans.row<const int32_t>(std::ssize(experts));
    EXPECT_THAT(std::vector<int32_t>(shared, shared + 2),
                ::testing::ElementsAre(0, static_cast<int32_t>(num_rows)));
    for (int64_t t = 0; t < num_tokens_; ++t) {
      for (int64_t h = 0; h < kHidden; ++h) {
        EXPECT_EQ(batch.x.row<float>(t)[h], x_[t * kHidden + h]) << "the shared expert's rows";
      }
    }
  }

  void Combine(const TensorView& rows, const TensorView& row_of,
               std::vector<float>* combined) const {
    const int64_t num_rows = row_of.rows();
    std::vector<float> y(static_cast<size_t>(num_rows * kHidden));
    ops_->CombineRows({.rows = rows,
                       .row_of = row_of,
                       .weights = TensorView(weights_.data(), DType::kF32, {num_rows, routing_.k}),
                       .y = TensorView(y.data(), DType::kF32, {num_rows, kHidden})});
    const auto tokens_end = y.begin() + num_tokens_ * kHidden;
    std::copy(y.begin(), tokens_end, combined->begin() + first_token_ * kHidden);
    EXPECT_TRUE(std::all_of(tokens_end, y.end(), [](float value) { return value == 0; }));
  }

  void CheckExpertRows(int layers) {
    const auto experts = context_.local_experts();
    std::vector<uint32_t> rows(experts.size(), 3);
    for (int i = 0; i < 2; ++i) tables_.Take(rows);  // the second adds nothing
    for (size_t i = 0; i < experts.size(); ++i) {
      EXPECT_EQ(rows[i], 3 + layers * std::ranges::count(routing_.ids, experts[i]));
    }
  }

  const Routing& routing_;
  const ParallelContext context_;
  const std::unique_ptr<kernels::Ops> ops_;
  ExpertTables tables_;
  Collectives& world_;
  const int64_t max_slice_, first_token_, num_tokens_, num_rows_;
  std::vector<float> x_, weights_;
  std::vector<int32_t> ids_;
  std::vector<int64_t> slots_;
};

// `spare`: places beyond the longest slice, of which some take padding.
void ExpectTheBitsOfCountedExchange(const Routing& routing, const Layout& layout, int64_t spare) {
  std::vector<float> fixed(routing.num_tokens() * kHidden), counted(fixed.size());
  const int64_t most = std::max<int64_t>(1, *std::ranges::max_element(layout.slices));
  ASSERT_TRUE(AllOk(testing::RunLocalRanks(layout.world(), [&](Collectives& world) -> absl::Status {
    Rank rank(routing, layout, world, /*padding=*/(spare + 1) / 2);
    SY_RETURN_IF_ERROR(rank.RunFixed(most + spare, /*layers=*/2, &fixed));
    return rank.RunCounted(&counted);
  })));
  for (size_t i = 0; i < fixed.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(fixed[i]), std::bit_cast<uint32_t>(counted[i]))
        << "element " << i;
  }
}

TEST(FixedExchangeTest, TheBitsAreThoseOfCountedExchangeUnderAnyRoutingAndPlacement) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const DrawnLayer layer = DrawLayer(seed);
    SCOPED_TRACE(Describe(seed, layer));
    const auto spare_places = static_cast<int64_t>(RandomBits(seed, 3) % 4);
    ExpectTheBitsOfCountedExchange(layer.routing, layer.layout, spare_places);
  }
}

TEST(FixedExchangeTest, AllTokensOfAllRanksMayChooseTheSameRank) {
  Routing routing{.num_experts = 4, .k = 2, .ids = {}};
  for (int t = 0; t < 12; ++t) routing.ids.insert(routing.ids.end(), {1, 2});
  ExpectTheBitsOfCountedExchange(routing, {.rank_of_expert = {0, 2, 2, 1}, .slices = {4, 4, 4}}, 0);
}

ParallelContext TwoByTwo(int rank, int64_t num_experts = 8) {
  v1::ShardPlan plan;
  plan.mutable_layout()->set_data_parallel(2);
  plan.mutable_layout()->set_tensor_parallel(2);
  plan.mutable_layout()->set_virtual_shards(2);
  plan.mutable_model()->set_vocab_size(1);
  plan.mutable_model()->mutable_moe()->set_num_routed_experts(static_cast<int32_t>(num_experts));
  for (int e = 0; e < num_experts; ++e) plan.mutable_placement()->add_rank_of_expert(e % 4);
  return *ParallelContext::Create(plan, rank);
}

TEST(FixedExchangeTest, OnlySmallStepsGoThisWayUnlessARankIsAlone) {
  const auto ranks = MakeLocalCollectives(4);
  const auto ops = *kernels::MakeCpuBackend({.num_threads = 1});
  const ParallelContext context = TwoByTwo(0);
  const ExpertTables tables(context, ops->device());
  const auto longest = [&](int64_t hidden, int64_t limit) {
    const auto exchange = *FixedExchange::Create(
        context, {.hidden_size = hidden, .experts_per_token = 2, .max_slice_tokens = limit}, tables,
        *ops, *ranks[0]);
    EXPECT_FALSE(exchange->TakesStep()) << "no step has begun";
    int64_t tokens = 0;
    for (;; ++tokens) {
      exchange->BeginStep(tokens);
      if (!exchange->TakesStep()) return tokens - 1;
    }
  };
  EXPECT_EQ(longest(8, 5), 5);
  // Four ranks, two rows of 64 KiB for each token of each.
  EXPECT_EQ(longest(16384, 1000), FixedExchange::kMostReturnedBytes / (4 * 2 * 65536));
  const Routing routing{.num_experts = 4, .k = 2, .ids = {}};
  const ParallelContext one =
      ContextOf(routing, {.rank_of_expert = {0, 0, 0, 0}, .slices = {0}}, 0);
  const auto alone = MakeLocalCollectives(1);
  const ExpertTables tables_of_one(one, ops->device());
  EXPECT_TRUE((*FixedExchange::Create(
                   one, {.hidden_size = 8, .experts_per_token = 2, .max_slice_tokens = 4},
                   tables_of_one, *ops, *alone[0]))
                  ->TakesStep());
}

TEST(FixedExchangeTest, SlicesArePaddedWhereThereIsRoom) {
  const auto ranks = MakeLocalCollectives(4);
  const auto ops = *kernels::MakeCpuBackend({.num_threads = 1});
  const ParallelContext context = TwoByTwo(0);
  const ExpertTables tables(context, ops->device());
  const auto exchange = *FixedExchange::Create(
      context, {.hidden_size = 8, .experts_per_token = 2, .max_slice_tokens = 6}, tables, *ops,
      *ranks[0]);
  exchange->BeginStep(3, 4);
  EXPECT_EQ(exchange->step_places(), 4);
  exchange->BeginStep(5, 8);
  EXPECT_EQ(exchange->step_places(), 5);
  EXPECT_TRUE(exchange->TakesStep());
}

TEST(FixedExchangeTest, SizesThatCannotBeAreRefused) {
  const auto ranks = MakeLocalCollectives(4);
  const auto ops = *kernels::MakeCpuBackend({.num_threads = 1});
  const ParallelContext context = TwoByTwo(0);
  const ExpertTables tables(context, ops->device());
  const auto code = [&](const FixedExchangeOptions& options) {
    return FixedExchange::Create(context, options, tables, *ops, *ranks[0]).status().code();
  };
  EXPECT_EQ(code({.hidden_size = 0, .experts_per_token = 2, .max_slice_tokens = 4}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.hidden_size = 8, .experts_per_token = 9, .max_slice_tokens = 4}),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code({.hidden_size = 8, .experts_per_token = 2, .max_slice_tokens = int64_t{1} << 40}),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace switchyard::worker
