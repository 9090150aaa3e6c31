#include "coordinator/fleet/step_collector.h"

#include <gtest/gtest.h>

namespace switchyard::fleet {
namespace {

v1::StepResult ResultOf(int rank, uint64_t step) {
  v1::StepResult result;
  result.set_epoch(4);
  result.set_step(step);
  result.set_rank(rank);
  return result;
}

TEST(StepCollectorTest, MergesOnceAllRanksHaveAnswered) {
  StepCollector collector(2);
  collector.Open(4, 7);
  v1::StepResult first = ResultOf(1, 7);
  first.add_sampled()->set_sequence_id(11);
  first.add_expert_rows(3);
  first.mutable_timings()->set_total_us(90);
  first.set_num_drafted(2);
  first.set_num_accepted(1);
  first.set_num_drafted_sequences(1);
  ASSERT_FALSE(collector.Add(1, first).value().has_value());
  EXPECT_EQ(collector.MissingRanks(), std::vector<int>{0});

  v1::StepResult second = ResultOf(0, 7);
  second.add_sampled()->set_sequence_id(12);
  second.add_expert_rows(4);
  second.add_expert_rows(5);
  second.mutable_timings()->set_total_us(80);
  second.set_num_drafted(6);
  second.set_num_accepted(4);
  second.set_num_drafted_sequences(3);
  const std::optional<v1::StepResult> merged = collector.Add(0, second).value();
  ASSERT_TRUE(merged.has_value());
  EXPECT_FALSE(collector.open());
  EXPECT_TRUE(collector.MissingRanks().empty());
  EXPECT_EQ(merged->epoch(), 4u);
  EXPECT_EQ(merged->step(), 7u);
  ASSERT_EQ(merged->sampled_size(), 2);
  ASSERT_EQ(merged->expert_rows_size(), 2);
  EXPECT_EQ(merged->expert_rows(0), 7u);
  EXPECT_EQ(merged->expert_rows(1), 5u);
  EXPECT_EQ(merged->timings().total_us(), 90u);
  EXPECT_EQ(merged->num_drafted(), 8);
  EXPECT_EQ(merged->num_accepted(), 5);
  EXPECT_EQ(merged->num_drafted_sequences(), 4);

  collector.Open(4, 8);  // nothing of step 7 stays
  ASSERT_FALSE(collector.Add(0, ResultOf(0, 8)).value().has_value());
  EXPECT_EQ(collector.Add(1, ResultOf(1, 8)).value()->sampled_size(), 0);
}

TEST(StepCollectorTest, ARankMayBeAheadOfTheOthersByAStep) {
  StepCollector collector(2);
  collector.Open(4, 7);
  collector.Open(4, 8);
  ASSERT_FALSE(collector.Add(1, ResultOf(1, 7)).value().has_value());
  ASSERT_FALSE(collector.Add(1, ResultOf(1, 8)).value().has_value());
  EXPECT_EQ(collector.step(), 7u);
  EXPECT_EQ(collector.MissingRanks(), std::vector<int>{0});
  EXPECT_TRUE(absl::IsInternal(collector.Add(0, ResultOf(0, 8)).status()));  // out of order
  EXPECT_EQ(collector.Add(0, ResultOf(0, 7)).value()->step(), 7u);
  EXPECT_EQ(collector.step(), 8u);
  EXPECT_EQ(collector.Add(0, ResultOf(0, 8)).value()->step(), 8u);
  EXPECT_FALSE(collector.open());
}

TEST(StepCollectorTest, RefusesResultsThatNobodyWaitsFor) {
  StepCollector collector(2);
  EXPECT_TRUE(absl::IsInternal(collector.Add(0, ResultOf(0, 7)).status()));  // nothing is open
  collector.Open(4, 7);
  EXPECT_TRUE(absl::IsInternal(collector.Add(0, ResultOf(0, 6)).status()));  // another step
  EXPECT_TRUE(absl::IsInternal(collector.Add(0, ResultOf(1, 7)).status()));  // another's name
  v1::StepResult other_epoch = ResultOf(0, 7);
  other_epoch.set_epoch(5);
  EXPECT_TRUE(absl::IsInternal(collector.Add(0, other_epoch).status()));
  ASSERT_TRUE(collector.Add(0, ResultOf(0, 7)).ok());
  EXPECT_TRUE(absl::IsInternal(collector.Add(0, ResultOf(0, 7)).status()));  // twice
  EXPECT_EQ(collector.MissingRanks(), std::vector<int>{1});
}

}  // namespace
}  // namespace switchyard::fleet
