#include "tests/coordinator/core/plan_executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace switchyard::core {
namespace {

uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t mixed = (a + 0x9e3779b97f4a7c15u) * 0xbf58476d1ce4e5b9u ^ (b * 0x94d049bb133111ebu);
  mixed ^= mixed >> 29;
  mixed *= 0xff51afd7ed558ccdu;
  return mixed ^ (mixed >> 32);
}

}  // namespace

PlanExecutor::PlanExecutor(const Limits& limits)
    : limits_(limits),
      cache_(limits.num_groups, std::vector<Slot>(limits.num_blocks * limits.block_tokens)),
      window_cache_(limits.num_groups,
                    std::vector<Slot>(limits.num_window_blocks * limits.block_tokens)) {}

void PlanExecutor::Sequence::Append(uint64_t slot) {
  slots.push_back(slot);
  digest = Mix(digest, slot);
}

uint64_t PlanExecutor::Sequence::Next(int32_t token) const {
  const bool is_prompt = std::ssize(slots) < prompt_length;
  return Mix(digest, 2 * uint64_t(token) + (is_prompt ? 1 : 0));
}

std::vector<int32_t> PlanExecutor::AnswerTo(std::span<const int32_t> prompt, int32_t num_tokens) {
  Sequence alone{.prompt_length = int32_t(prompt.size())};
  for (const int32_t token : prompt) alone.Append(alone.Next(token));
  std::vector<int32_t> answer;
  for (int32_t i = 0; i < num_tokens; ++i) {
    answer.push_back(alone.Sample());
    alone.Append(alone.Next(answer.back()));
  }
  return answer;
}

float PlanExecutor::Sequence::Score(int32_t token) const {
  return -float(Mix(digest, uint64_t(token)) % 4096) / 64;
}

std::vector<float> PlanExecutor::ScoresOf(std::span<const int32_t> prompt) {
  Sequence alone{.prompt_length = int32_t(prompt.size())};
  std::vector<float> scores;
  for (size_t i = 0; i + 1 < prompt.size(); ++i) {
    alone.Append(alone.Next(prompt[i]));
    scores.push_back(alone.Score(prompt[i + 1]));
  }
  return scores;
}

PlanExecutor::Slot& PlanExecutor::SlotOf(const Sequence& sequence, int32_t position) {
  const int32_t block = sequence.blocks.at(position / limits_.block_tokens);
  return cache_[sequence.group].at(block * limits_.block_tokens + position % limits_.block_tokens);
}

PlanExecutor::Slot& PlanExecutor::WindowSlotOf(const Sequence& sequence, int32_t position) {
  const int32_t block = sequence.window_blocks.at(position / limits_.block_tokens);
  return window_cache_[sequence.group].at(block * limits_.block_tokens +
                                          position % limits_.block_tokens);
}

void PlanExecutor::CheckWindow(uint64_t id, const Sequence& sequence, int32_t first, bool before) {
  if (limits_.num_window_blocks == 0) return;
  for (int32_t position = std::max(first + 1 - limits_.window, 0);
       position < int32_t(sequence.slots.size()); ++position) {
    const Slot& slot = WindowSlotOf(sequence, position);
    ASSERT_EQ(slot.value, sequence.slots[position])
        << "sequence " << id << " lost position " << position << " of its window";
    if (before) {
      ASSERT_LT(slot.written_in, last_step_)
          << "sequence " << id << " finds what this step computes in its window";
    }
  }
}

void PlanExecutor::Start(const v1::SequenceStart& start) {
  const uint64_t id = start.sequence_id();
  const auto [it, fresh] = sequences_.try_emplace(id);
  ASSERT_TRUE(fresh) << "sequence " << id << " started twice";
  Sequence& sequence = it->second;
  sequence.group = start.group();
  sequence.prompt_length = start.prompt_length();
  sequence.max_length = start.max_length();
  sequence.is_drafted = start.drafts();
  sequence.has_grammar = start.has_grammar();
  sequence.is_scored = start.sampling().has_prompt_logprobs();
  sequence.full_prompt = start.sampling().prompt_logprobs() == -1;
  sequence.full_answer = start.sampling().top_logprobs() == -1;
  sequence.stop_tokens.assign(start.stop_tokens().begin(), start.stop_tokens().end());
  sequence.num_cached = start.num_cached();
  sequence.cached_tokens.assign(start.cached_tokens().begin(), start.cached_tokens().end());
  ASSERT_EQ(sequence.num_cached % limits_.block_tokens, 0) << "sequence " << id;
  const bool looks_back = start.sampling().repetition_penalty() != 0 || start.has_grammar() ||
                          (limits_.tells_history && start.drafts());
  ASSERT_EQ(int32_t(sequence.cached_tokens.size()), looks_back ? sequence.num_cached : 0)
      << "sequence " << id << ": cached tokens that sampling looks at";
}

// The cache must hold what computing the tokens would have given; where they are not told, a wrong
// slot shows in the answer.
void PlanExecutor::ReadCached(uint64_t id, Sequence& sequence) {
  num_tokens_cached_ += sequence.num_cached;
  for (int32_t position = 0; position < sequence.num_cached; ++position) {
    const uint64_t slot = SlotOf(sequence, position).value;
    // All rows of a step are computed side by side: what one writes no other can have read.
    ASSERT_LT(SlotOf(sequence, position).written_in, last_step_)
        << "sequence " << id << " finds what this step computes";
    if (!sequence.cached_tokens.empty()) {
      ASSERT_EQ(slot, sequence.Next(sequence.cached_tokens[position]))
          << "sequence " << id << " finds something else at position " << position;
    }
    sequence.Append(slot);
  }
  CheckWindow(id, sequence, sequence.num_cached, /*before=*/true);
}

void PlanExecutor::Compute(int32_t group, const v1::SequenceWork& work, v1::StepResult& result) {
  const uint64_t id = work.sequence_id();
  const auto it = sequences_.find(id);
  ASSERT_NE(it, sequences_.end()) << "sequence " << id << " was never started";
  Sequence& sequence = it->second;
  ASSERT_EQ(sequence.group, group) << "sequence " << id;
  sequence.blocks.insert(sequence.blocks.end(), work.new_blocks().begin(), work.new_blocks().end());
  if (sequence.window_blocks.empty() && limits_.num_window_blocks > 0) {
    const int32_t unseen = std::max(sequence.num_cached + 1 - limits_.window, 0);
    sequence.window_blocks.assign(unseen / limits_.block_tokens, -1);
  }
  sequence.window_blocks.insert(sequence.window_blocks.end(), work.new_window_blocks().begin(),
                                work.new_window_blocks().end());
  if (sequence.slots.empty()) ReadCached(id, sequence);
  const auto first_query = int32_t(sequence.slots.size());
  const int32_t ahead = int32_t(sequence.slots.size()) - work.begin_position();
  const int32_t max_drafts =
      sequence.has_grammar ? std::max(limits_.max_drafts, limits_.max_forced) : limits_.max_drafts;
  ASSERT_TRUE(ahead >= 0 && ahead <= (work.use_last_sampled() ? 2 * max_drafts : 0))
      << "sequence " << id << " skips or repeats a position";
  ASSERT_LE(work.max_drafts(), max_drafts) << "sequence " << id;
  if (work.use_last_sampled()) {
    ASSERT_TRUE(work.tokens().empty() && sequence.last_sampled)
        << "sequence " << id << " has no sampled token";
    if (sequence.is_ended) return;
  }
  const std::vector<int32_t> tokens = TokensOf(work, sequence);
  ASSERT_FALSE(tokens.empty()) << "sequence " << id << " has work without tokens";
  ASSERT_LE(int32_t(sequence.slots.size() + tokens.size()),
            limits_.block_tokens * int32_t(sequence.blocks.size()))
      << "no block for it, sequence " << id;
  num_tokens_computed_ += std::ssize(tokens);
  bool is_right = true;  // all drafts so far
  for (size_t i = 0; i < tokens.size(); ++i) {
    const int32_t position = int32_t(sequence.slots.size());
    if (i > 0 && work.use_last_sampled()) {
      is_right = is_right && !sequence.is_ended && *sequence.last_sampled == tokens[i];
      ++(is_right ? num_drafts_accepted_ : num_drafts_refused_);
    }
    if (!is_right) {  // computed all the same, where nobody may miss what was there
      Write(sequence, position + int32_t(tokens.size() - 1 - i), Mix(last_step_, i));
      continue;
    }
    const uint64_t slot = sequence.Next(tokens[i]);
    Write(sequence, position, slot);
    sequence.Append(slot);
    if (work.sample() && (work.use_last_sampled() || i + 1 == tokens.size())) {
      Sample(id, sequence, result);
    }
    Score(work, int32_t(i), sequence, result);
  }
  if (!work.sample()) sequence.last_sampled.reset();
  // Attention reads all that came before: it must still be there.
  for (int32_t position = 0; position < int32_t(sequence.slots.size()); ++position) {
    ASSERT_EQ(SlotOf(sequence, position).value, sequence.slots[position])
        << "sequence " << id << " lost position " << position;
  }
  CheckWindow(id, sequence, first_query, /*before=*/false);
}

std::vector<int32_t> PlanExecutor::TokensOf(const v1::SequenceWork& work,
                                            const Sequence& sequence) const {
  if (!work.use_last_sampled()) return {work.tokens().begin(), work.tokens().end()};
  std::vector<int32_t> tokens = {*sequence.last_sampled};
  const int32_t covered = limits_.block_tokens * int32_t(sequence.blocks.size());
  const int32_t end =
      sequence.max_length > 0 ? std::min(covered, sequence.max_length - 1) : covered;
  for (const int32_t draft : sequence.drafts) {
    const bool full = int32_t(sequence.slots.size() + tokens.size()) >= end;
    if (full || int32_t(tokens.size()) > work.max_drafts()) break;
    tokens.push_back(draft);
  }
  return tokens;
}

void PlanExecutor::Write(const Sequence& sequence, int32_t position, uint64_t value) {
  SlotOf(sequence, position) = {.value = value, .written_in = last_step_};
  if (limits_.num_window_blocks == 0) return;
  WindowSlotOf(sequence, position) = {.value = value, .written_in = last_step_};
}

void PlanExecutor::Sample(uint64_t id, Sequence& sequence, v1::StepResult& result) {
  const int32_t token = sequence.Sample();
  const auto position = int32_t(sequence.slots.size());
  sequence.last_sampled = token;
  sequence.is_ended = position + 1 == sequence.max_length ||
                      std::count(sequence.stop_tokens.begin(), sequence.stop_tokens.end(), token);
  v1::SampledToken* sampled = result.add_sampled();
  sampled->set_sequence_id(id);
  sampled->set_position(position);
  sampled->set_token(token);
  if (!sequence.full_answer) return;
  sampled->add_full_logprobs(-float(token));
  ++num_full_;
}

void PlanExecutor::Score(const v1::SequenceWork& work, int32_t i, const Sequence& sequence,
                         v1::StepResult& result) {
  const auto position = int32_t(sequence.slots.size());
  if (!sequence.is_scored || position >= sequence.prompt_length) return;
  const bool is_last = i + 1 == work.tokens_size();
  ASSERT_TRUE(!is_last || work.has_next_token()) << "sequence " << work.sequence_id();
  v1::PromptLogprob* scored = result.add_prompt_logprobs();
  scored->set_sequence_id(work.sequence_id());
  scored->set_position(position);
  scored->set_logprob(sequence.Score(is_last ? work.next_token() : work.tokens(i + 1)));
  ++num_scored_;
  if (!sequence.full_prompt) return;
  scored->add_full_logprobs(scored->logprob());
  ++num_full_;
}

void PlanExecutor::Draft(int32_t num_drafts, Sequence& sequence) const {
  if (sequence.has_grammar && sequence.slots.size() % 3 == 0) num_drafts = limits_.max_forced;
  sequence.drafts.clear();
  if (!sequence.is_drafted || !sequence.last_sampled) return;
  Sequence future = sequence;
  for (int32_t i = 0; i < num_drafts; ++i) {
    future.Append(future.Next(i == 0 ? *sequence.last_sampled : sequence.drafts.back()));
    const bool is_wrong = Mix(future.digest, uint64_t(i)) % 3 == 0;
    sequence.drafts.push_back((future.Sample() + (is_wrong ? 1 : 0)) % kVocabSize);
  }
}

v1::StepResult PlanExecutor::Execute(const v1::StepPlan& plan) {
  EXPECT_EQ(plan.step(), last_step_ + 1);
  last_step_ = plan.step();
  for (const uint64_t id : plan.released()) {
    EXPECT_EQ(sequences_.erase(id), 1u) << "sequence " << id << " released, but not known";
  }
  for (const v1::SequenceStart& start : plan.started()) Start(start);
  v1::StepResult result;
  result.set_epoch(plan.epoch());
  result.set_step(plan.step());
  EXPECT_EQ(plan.groups_size(), limits_.num_groups);
  for (int32_t group = 0; group < plan.groups_size(); ++group) {
    const int64_t computed_before = num_tokens_computed_;
    const int64_t full_before = num_full_;
    const int64_t extra_before = num_drafts_accepted_ + num_drafts_refused_ + num_scored_;
    std::set<uint64_t> seen;
    for (const v1::SequenceWork& work : plan.groups(group).sequences()) {
      EXPECT_TRUE(seen.insert(work.sequence_id()).second)
          << "two works for sequence " << work.sequence_id();
      Compute(group, work, result);
    }
    EXPECT_LE(num_tokens_computed_ - computed_before, limits_.max_batched_tokens)
        << "step " << plan.step();
    EXPECT_LE(int32_t(seen.size()), limits_.max_running) << "step " << plan.step();
    const int64_t num_extra =
        num_drafts_accepted_ + num_drafts_refused_ + num_scored_ - extra_before;
    EXPECT_LE(num_extra, limits_.max_running)
        << "step " << plan.step() << ": more logits than workers have memory for";
    EXPECT_LE(num_full_ - full_before, limits_.max_full_logprobs) << "step " << plan.step();
    for (const uint64_t id : seen) Draft(plan.num_drafts(), sequences_.at(id));
  }
  return result;
}

}  // namespace switchyard::core
