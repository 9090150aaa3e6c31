// What ranks that see different rows agree on.
#include "worker/parallel/step_sizes.h"

#include <gtest/gtest.h>

#include <vector>

namespace switchyard::worker {
namespace {

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

ParallelContext TwoByTwo(int rank) {
  v1::ShardPlan plan;
  plan.mutable_layout()->set_data_parallel(2);
  plan.mutable_layout()->set_tensor_parallel(2);
  plan.mutable_layout()->set_virtual_shards(2);
  plan.mutable_model()->set_vocab_size(1);
  plan.mutable_model()->mutable_moe()->set_num_routed_experts(8);
  for (int e = 0; e < 8; ++e) plan.mutable_placement()->add_rank_of_expert(e % 4);
  return *ParallelContext::Create(plan, rank);
}

TEST(StepSizesTest, TheBoundOfAStepIsThatOfTheBusiestRankOnAllRanks) {
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

v1::StepLimits Limits(int max_batched_tokens, int micro_batch_tokens) {
  v1::StepLimits limits;
  limits.set_max_batched_tokens(max_batched_tokens);
  limits.set_micro_batch_tokens(micro_batch_tokens);
  return limits;
}

TEST(StepSizesTest, AStepIsCutWhereAnyGroupHasEnough) {
  const v1::StepPlan plan = PlanOf({{Prompt(9), Decode(1)}, {Prompt(3)}});
  EXPECT_TRUE(IsCut(plan, Limits(64, 11)));
  EXPECT_FALSE(IsCut(plan, Limits(64, 12)));
  EXPECT_FALSE(IsCut(plan, Limits(64, 0)));
}

TEST(StepSizesTest, NoMicroBatchIsLargerThanItsBound) {
  for (const int most : {1, 2, 7, 64}) {
    for (const int least_cut : {0, 1, 2, 5, 33, 64, 100}) {
      const v1::StepLimits limits = Limits(most, least_cut);
      for (int tokens = 1; tokens <= most; ++tokens) {
        const bool cut = IsCut(PlanOf({{Prompt(tokens)}}), limits);
        EXPECT_LE(cut ? (tokens + 1) / 2 : tokens, MostMicroBatchTokens(limits))
            << tokens << " of " << most << ", cut from " << least_cut;
      }
    }
  }
  EXPECT_EQ(MostMicroBatchTokens(Limits(4096, 512)), 2048) << "half the memory";
  EXPECT_EQ(MostMicroBatchTokens(Limits(64, 65)), 64) << "no step is cut";
  EXPECT_FALSE(CutsSteps(Limits(64, 65)));
}

}  // namespace
}  // namespace switchyard::worker
