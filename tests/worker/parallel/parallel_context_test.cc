#include "worker/parallel/parallel_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::ShardPlan MakePlan(int groups, int tensor, const std::vector<int>& rank_of_expert) {
  v1::ShardPlan plan;
  plan.mutable_layout()->set_data_parallel(groups);
  plan.mutable_layout()->set_tensor_parallel(tensor);
  plan.mutable_layout()->set_virtual_shards(8);
  plan.mutable_model()->set_vocab_size(1003);
  if (!rank_of_expert.empty()) {
    plan.mutable_model()->mutable_moe()->set_num_routed_experts(
        static_cast<int>(rank_of_expert.size()));
  }
  plan.mutable_placement()->set_version(7);
  for (int rank : rank_of_expert) plan.mutable_placement()->add_rank_of_expert(rank);
  return plan;
}

std::string FaultOf(const v1::ShardPlan& plan, int rank) {
  const absl::Status status = ParallelContext::Create(plan, rank).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(Message(status));
}

TEST(ParallelContextTest, ARankKnowsItsGroupAndItsPlaceInIt) {
  const auto context = ParallelContext::Create(MakePlan(2, 2, {}), 3);
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_EQ(context->world(), 4);
  EXPECT_EQ(context->group(), 1);
  EXPECT_EQ(context->tensor_rank(), 1);
  EXPECT_EQ(context->local_virtual_shards(), 4);
  EXPECT_EQ(context->num_experts(), 0);
}

TEST(ParallelContextTest, TokenSlicesCoverEveryTokenOnceAndDifferByOneAtMost) {
  const auto context = ParallelContext::Create(MakePlan(1, 4, {}), 0);
  ASSERT_TRUE(context.ok()) << context.status();
  for (int64_t tokens = 0; tokens < 40; ++tokens) {
    int64_t next = 0;
    for (int rank = 0; rank < 4; ++rank) {
      const IndexRange slice = context->TokenSliceOf(tokens, rank);
      EXPECT_EQ(slice.begin, next);
      EXPECT_GE(slice.size(), tokens / 4);
      EXPECT_LE(slice.size(), context->MaxTokenSlice(tokens));
      next = slice.end;
    }
    EXPECT_EQ(next, tokens);
  }
}

TEST(ParallelContextTest, AVocabularyThatDoesNotDivideIsStillCoveredOnce) {
  const auto context = ParallelContext::Create(MakePlan(1, 2, {}), 1);
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_EQ(context->VocabularyRowsOf(0), (IndexRange{.begin = 0, .end = 501}));
  EXPECT_EQ(context->VocabularyRows(), (IndexRange{.begin = 501, .end = 1003}));
}

TEST(ParallelContextTest, ExpertsAreNumberedOnTheirRankInOrderOfTheirIds) {
  const auto context = ParallelContext::Create(MakePlan(3, 1, {2, 0, 2, 0, 0}), 2);
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_THAT(context->local_experts(), ElementsAre(0, 2));
  EXPECT_EQ(context->LocalIndexOfExpert(2), 1);
  EXPECT_EQ(context->RankOfExpert(4), 0);
  EXPECT_EQ(context->LocalIndexOfExpert(4), 2);
  EXPECT_EQ(context->NumExpertsOnRank(0), 3);
  EXPECT_EQ(context->NumExpertsOnRank(1), 0);
  EXPECT_EQ(context->placement_version(), 7u);
}

TEST(ParallelContextTest, APlanThatDoesNotFitIsRefusedByTheNameOfItsField) {
  EXPECT_THAT(FaultOf(MakePlan(2, 2, {}), 4), HasSubstr("rank 4"));
  EXPECT_THAT(FaultOf(MakePlan(0, 2, {}), 0), HasSubstr("layout of 0 groups"));
  EXPECT_THAT(FaultOf(MakePlan(1 << 20, 1 << 11, {}), 0), HasSubstr("at most 4096"));
  EXPECT_THAT(FaultOf(MakePlan(1, 3, {}), 0), HasSubstr("virtual_shards"));
  EXPECT_THAT(FaultOf(MakePlan(1, 2, {0, 2}), 0), HasSubstr("rank_of_expert[1] is 2"));
  v1::ShardPlan plan = MakePlan(1, 2, {0, 1});
  plan.mutable_placement()->add_rank_of_expert(0);
  EXPECT_THAT(FaultOf(plan, 0), HasSubstr("names 3 experts, the model has 2"));
}

}  // namespace
}  // namespace switchyard::worker
