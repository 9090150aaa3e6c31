#include "tests/coordinator/core/plan_executor.h"

#include <gtest/gtest.h>

#include <set>

namespace switchyard::core {

PlanExecutor::PlanExecutor(const Limits& limits)
    : limits_(limits),
      cache_(limits.num_groups, std::vector<Slot>(limits.num_blocks * limits.block_tokens)) {}

int32_t PlanExecutor::TokenAt(uint64_t sequence, int32_t position) {
  const uint64_t mixed =
      (sequence * 0x9e3779b97f4a7c15u) ^ (uint64_t(position) * 0xbf58476d1ce4e5b9u);
  return int32_t((mixed >> 20) % kVocabSize);
}

PlanExecutor::Slot& PlanExecutor::SlotOf(const Sequence& sequence, int32_t position) {
  const int32_t block = sequence.blocks.at(position / limits_.block_tokens);
  return cache_[sequence.group].at(block * limits_.block_tokens + position % limits_.block_tokens);
}

void PlanExecutor::Compute(int32_t group, const v1::SequenceWork& work, v1::StepResult& result) {
  const uint64_t id = work.sequence_id();
  const auto it = sequences_.find(id);
  ASSERT_NE(it, sequences_.end()) << "sequence " << id << " was never started";
  Sequence& sequence = it->second;
  ASSERT_EQ(sequence.group, group) << "sequence " << id;
  ASSERT_EQ(work.begin_position(), int32_t(sequence.tokens.size()))
      << "sequence " << id << " skips or repeats a position";
  sequence.blocks.insert(sequence.blocks.end(), work.new_blocks().begin(), work.new_blocks().end());

  std::vector<int32_t> tokens(work.tokens().begin(), work.tokens().end());
  if (work.use_last_sampled()) {
    ASSERT_TRUE(tokens.empty() && sequence.last_sampled)
        << "sequence " << id << " has no sampled token";
    tokens.push_back(*sequence.last_sampled);
  }
  ASSERT_FALSE(tokens.empty()) << "sequence " << id << " has work without tokens";
  for (const int32_t token : tokens) {
    const int32_t position = int32_t(sequence.tokens.size());
    ASSERT_EQ(token, TokenAt(id, position)) << "sequence " << id << ", position " << position;
    ASSERT_LT(position / limits_.block_tokens, int32_t(sequence.blocks.size()))
        << "no block for it, sequence " << id;
    SlotOf(sequence, position) = {.sequence = id, .position = position, .token = token};
    sequence.tokens.push_back(token);
    ++num_tokens_computed_;
  }
  sequence.last_sampled.reset();
  // Attention reads all that came before: it must still be there.
  for (int32_t position = 0; position < int32_t(sequence.tokens.size()); ++position) {
    const Slot expected{.sequence = id, .position = position, .token = sequence.tokens[position]};
    ASSERT_TRUE(SlotOf(sequence, position) == expected)
        << "sequence " << id << " lost position " << position;
  }
  if (!work.sample()) return;
  const int32_t position = int32_t(sequence.tokens.size());
  sequence.last_sampled = TokenAt(id, position);
  v1::SampledToken* sampled = result.add_sampled();
  sampled->set_sequence_id(id);
  sampled->set_position(position);
  sampled->set_token(*sequence.last_sampled);
}

v1::StepResult PlanExecutor::Execute(const v1::StepPlan& plan) {
  EXPECT_EQ(plan.step(), last_step_ + 1);
  last_step_ = plan.step();
  for (const uint64_t id : plan.released()) {
    EXPECT_EQ(sequences_.erase(id), 1u) << "sequence " << id << " released, but not known";
  }
  for (const v1::SequenceStart& start : plan.started()) {
    const bool fresh =
        sequences_.try_emplace(start.sequence_id(), Sequence{.group = start.group()}).second;
    EXPECT_TRUE(fresh) << "sequence " << start.sequence_id() << " started twice";
  }
  v1::StepResult result;
  result.set_epoch(plan.epoch());
  result.set_step(plan.step());
  EXPECT_EQ(plan.groups_size(), limits_.num_groups);
  for (int32_t group = 0; group < plan.groups_size(); ++group) {
    const int64_t computed_before = num_tokens_computed_;
    std::set<uint64_t> seen;
    for (const v1::SequenceWork& work : plan.groups(group).sequences()) {
      EXPECT_TRUE(seen.insert(work.sequence_id()).second)
          << "two works for sequence " << work.sequence_id();
      Compute(group, work, result);
    }
    EXPECT_LE(num_tokens_computed_ - computed_before, limits_.max_batched_tokens)
        << "step " << plan.step();
    EXPECT_LE(int32_t(seen.size()), limits_.max_running) << "step " << plan.step();
  }
  return result;
}

}  // namespace switchyard::core
