// The exchange of fixed sizes against ExpertExchange: the same bits come out, whoever holds the
// experts and however many tokens a rank has; and against the plan: all ranks choose alike.
#include "worker/parallel/fixed_exchange.h"

#include <gmock/gmock.h>

#include <bit>
#include <limits>

#include "kernels/backend.h"
#include "tests/testing/ranks.h"
#include "tests/worker/parallel/moe_layer.h"
#include "worker/parallel/expert_exchange.h"

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
                                              *ops_, world_));
    exchange->BeginStep(step_tokens);
    EXPECT_TRUE(exchange->TakesStep());
    for (int layer = 0; layer < layers; ++layer) {
      FixedBatch batch;
      SY_RETURN_IF_ERROR(exchange->BeginDispatch(Ids(), X(), slots_));
      exchange->EndDispatch(&batch);
      Compute(batch);
      FixedRows rows;
      SY_RETURN_IF_ERROR(exchange->Combine(&rows));
      Combine(rows.rows, rows.row_of, combined);
    }
    CheckExpertRows(*exchange, layers);
    return absl::OkStatus();
  }

  absl::Status RunCounted(std::vector<float>* combined) {
    SY_ASSIGN_OR_RETURN(const auto exchange,
                        ExpertExchange::Create(context_,
                                               {.hidden_size = kHidden,
                                                .experts_per_token = routing_.k,
                                                .max_slice_tokens = max_slice_,
                                                .dispatch_wire = DType::kF32,
                                                .combine_wire = DType::kF32},
                                               *ops_, world_));
    ExpertBatch batch;
    exchange->BeginDispatch(Ids().Rows(0, num_tokens_), X().Rows(0, num_tokens_));
    SY_RETURN_IF_ERROR(exchange->EndDispatch(&batch));
    for (size_t i = 0; i + 2 < batch.offsets.size(); ++i) {
      ComputeRows(batch.x, batch.y, batch.offsets[i], batch.offsets[i + 1],
                  context_.local_experts()[i]);
    }
    CombinedRows rows;
    SY_RETURN_IF_ERROR(exchange->Combine(&rows));
    Combine(rows.rows, rows.row_of, combined);
    return absl::OkStatus();
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

  void Compute(const FixedBatch& batch) const {
    const auto experts = context_.local_experts();
    for (size_t i = 0; i < experts.size(); ++i) {
      const auto* const span = batch.spans.row<const int32_t>(static_cast<int64_t>(i));
      EXPECT_EQ(span[1], std::ranges::count(routing_.ids, experts[i])) << experts[i];
      ComputeRows(batch.x, batch.y, span[0], span[0] + span[1], experts[i]);
    }
    const auto* const shared = batch.spans.row<const int32_t>(std::ssize(experts));
    EXPECT_THAT(std::vector<int32_t>(shared, shared + 2),
                ::testing::ElementsAre(0, static_cast<int32_t>(num_rows_)));
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

  void CheckExpertRows(FixedExchange& exchange, int layers) const {
    const auto experts = context_.local_experts();
    std::vector<uint32_t> rows(experts.size(), 3);
    for (int i = 0; i < 2; ++i) {  // the second adds nothing
      EXPECT_TRUE(exchange.TakeExpertRows(rows).ok());
    }
    for (size_t i = 0; i < experts.size(); ++i) {
      EXPECT_EQ(rows[i], 3 + layers * std::ranges::count(routing_.ids, experts[i]));
    }
  }

  const Routing& routing_;
  const ParallelContext context_;
  const std::unique_ptr<kernels::Ops> ops_;
  Collectives& world_;
  const int64_t max_slice_, first_token_, num_tokens_, num_rows_;
  std::vector<float> x_, weights_;
  std::vector<int32_t> ids_;
  std::vector<int64_t> slots_;
};

// `spare`: places beyond the longest slice, of which some take padding.
void ExpectTheBitsOfExpertExchange(const Routing& routing, const Layout& layout, int64_t spare) {
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

TEST(FixedExchangeTest, TheBitsAreThoseOfExpertExchangeUnderAnyRoutingAndPlacement) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const DrawnLayer layer = DrawLayer(seed);
    SCOPED_TRACE(Describe(seed, layer));
    const auto spare_places = static_cast<int64_t>(RandomBits(seed, 3) % 4);
    ExpectTheBitsOfExpertExchange(layer.routing, layer.layout, spare_places);
  }
}

TEST(FixedExchangeTest, AllTokensOfAllRanksMayChooseTheSameRank) {
  Routing routing{.num_experts = 4, .k = 2, .ids = {}};
  for (int t = 0; t < 12; ++t) routing.ids.insert(routing.ids.end(), {1, 2});
  ExpectTheBitsOfExpertExchange(routing, {.rank_of_expert = {0, 2, 2, 1}, .slices = {4, 4, 4}}, 0);
}

v1::StepPlan PlanOf(const std::vector<std::vector<v1::SequenceWork>>& groups) {
  v1::StepPlan plan;
  for (const auto& group : groups) {
    v1::GroupWork& work = *plan.add_groups();
    for (const v1::SequenceWork& sequence : group) *work.add_sequences() = sequence;
  }
  return plan;
}

v1::SequenceWork Prompt(int tokens) {
  v1::SequenceWork work;
  for (int i = 0; i < tokens; ++i) work.add_tokens(i);
  return work;
}

v1::SequenceWork Decode(int drafts) {
  v1::SequenceWork work;
  work.set_use_last_sampled(true);
  work.set_max_drafts(drafts);
  return work;
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

TEST(FixedExchangeTest, TheBoundOfAStepIsThatOfTheBusiestRankOnAllRanks) {
  for (int rank = 0; rank < 4; ++rank) {
    const ParallelContext context = TwoByTwo(rank);
    EXPECT_EQ(MostSliceTokens(PlanOf({{}, {}}), context), 0);
    EXPECT_EQ(MostSliceTokens(PlanOf({{Decode(0)}, {Decode(0), Decode(0), Decode(0)}}), context),
              2);
    EXPECT_EQ(MostSliceTokens(PlanOf({{Decode(4)}, {Decode(0)}}), context), 3);
    EXPECT_EQ(MostSliceTokens(PlanOf({{Prompt(9), Decode(1)}, {}}), context), 6);
    EXPECT_EQ(PaddedSliceTokens(PlanOf({{Decode(4)}, {Decode(0)}}), context), 4);
  }
}

TEST(FixedExchangeTest, OnlySmallStepsGoThisWayUnlessARankIsAlone) {
  const auto ranks = MakeLocalCollectives(4);
  const auto ops = *kernels::MakeCpuBackend({.num_threads = 1});
  const ParallelContext context = TwoByTwo(0);
  const auto longest = [&](int64_t hidden, int64_t limit) {
    const auto exchange = *FixedExchange::Create(
        context, {.hidden_size = hidden, .experts_per_token = 2, .max_slice_tokens = limit}, *ops,
        *ranks[0]);
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
  EXPECT_TRUE(
      (*FixedExchange::Create(
           one, {.hidden_size = 8, .experts_per_token = 2, .max_slice_tokens = 4}, *ops, *alone[0]))
          ->TakesStep());
}

TEST(FixedExchangeTest, SlicesArePaddedWhereThereIsRoom) {
  const auto ranks = MakeLocalCollectives(4);
  const auto ops = *kernels::MakeCpuBackend({.num_threads = 1});
  const ParallelContext context = TwoByTwo(0);
  const auto exchange = *FixedExchange::Create(
      context, {.hidden_size = 8, .experts_per_token = 2, .max_slice_tokens = 6}, *ops, *ranks[0]);
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
  const auto code = [&](const FixedExchangeOptions& options) {
    return FixedExchange::Create(context, options, *ops, *ranks[0]).status().code();
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
