#include "tests/testing/prompt_runner.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/units.h"

namespace switchyard::testing {

absl::StatusOr<std::unique_ptr<PromptRunner>> PromptRunner::Create(cli::LocalEngineOptions options,
                                                                   const Limits& limits) {
  constexpr int64_t kBlockTokens = 16;
  std::unique_ptr<PromptRunner> runner(new PromptRunner(limits));
  options.max_running = limits.batch;
  options.max_batched_tokens = limits.max_tokens;
  options.num_kv_blocks = limits.batch * CeilDiv(int64_t{limits.longest}, kBlockTokens);
  options.logits_sink = [runner = runner.get()](uint64_t id, int32_t position,
                                                const float* logits) {
    const int64_t vocab = runner->engine_->plan().model().vocab_size();
    runner->answers_[id - runner->first_id_].rows[position].assign(logits, logits + vocab);
  };
  SY_ASSIGN_OR_RETURN(runner->engine_, cli::LocalEngine::Create(options));
  runner->groups_.resize(options.data_parallel);
  for (Group& group : runner->groups_) {
    group.free_blocks.resize(options.num_kv_blocks);
    std::iota(group.free_blocks.begin(), group.free_blocks.end(), 0);
  }
  return runner;
}

absl::StatusOr<std::vector<PromptAnswer>> PromptRunner::Run(std::span<const PromptJob> jobs,
                                                            const Schedule& schedule) {
  SY_CHECK_LE(schedule.batch, limits_.batch);
  Arrive(jobs, schedule);
  const auto busy = [](const Group& group) {
    return !group.waiting.empty() || !group.running.empty();
  };
  while (std::ranges::any_of(groups_, busy)) {
    v1::StepPlan plan;
    Admit(schedule, &plan);
    for (uint64_t id : std::exchange(released_, {})) plan.add_released(id);
    for (Group& group : groups_) PlanGroup(schedule, group, plan.add_groups());
    plan.set_epoch(engine_->plan().epoch());
    plan.set_step(++last_step_);
    plan.set_placement_version(engine_->plan().placement().version());
    SY_ASSIGN_OR_RETURN(const v1::StepResult result, engine_->RunStep(plan));
    Take(result, schedule);
    Retire();
  }
  first_id_ += jobs.size();
  return std::move(answers_);
}

void PromptRunner::Arrive(std::span<const PromptJob> jobs, const Schedule& schedule) {
  seed_ = schedule.seed;
  num_draws_ = 0;
  sequences_.clear();
  answers_.assign(jobs.size(), {});
  for (size_t i = 0; i < jobs.size(); ++i) {
    const auto length = static_cast<int32_t>(jobs[i].tokens.size());
    sequences_.push_back({.tokens = jobs[i].tokens,
                          .prompt_length = length,
                          .wanted = length + jobs[i].max_new_tokens});
    SY_CHECK_LE(sequences_.back().wanted, limits_.longest);
    answers_[i].rows.resize(sequences_.back().wanted);
  }
  std::vector<size_t> order(jobs.size());
  std::iota(order.rbegin(), order.rend(), size_t{0});
  for (size_t i = 0; i < order.size() && seed_ != 0; ++i) {
    std::swap(order[i], order[i + Draw(order.size() - i)]);
  }
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t group = seed_ != 0 ? Draw(groups_.size()) : order[i] % groups_.size();
    groups_[group].waiting.push_back(order[i]);
  }
  for (Group& group : groups_) {  // a table's blocks lie anywhere
    for (size_t i = 0; i < group.free_blocks.size() && seed_ != 0; ++i) {
      std::swap(group.free_blocks[i], group.free_blocks[i + Draw(group.free_blocks.size() - i)]);
    }
  }
}

void PromptRunner::Admit(const Schedule& schedule, v1::StepPlan* plan) {
  for (size_t i = 0; i < groups_.size(); ++i) {
    Group& group = groups_[i];
    if (seed_ != 0 && !group.running.empty() && Draw(8) == 0) Preempt(group);
    while (!group.waiting.empty() && group.running.size() < size_t(schedule.batch)) {
      if (seed_ != 0 && !group.running.empty() && Draw(3) == 0) break;  // the others come later
      const size_t index = group.waiting.back();
      group.waiting.pop_back();
      group.running.push_back(index);
      v1::SequenceStart* start = plan->add_started();
      start->set_sequence_id(first_id_ + index);
      start->set_group(static_cast<int32_t>(i));
      start->set_prompt_length(sequences_[index].prompt_length);
      start->mutable_sampling()->set_top_logprobs(0);
    }
  }
}

// The sequence begins again later, its generated tokens known.
void PromptRunner::Preempt(Group& group) {
  const auto victim = group.running.begin() + Draw(group.running.size());
  const size_t index = *victim;
  group.running.erase(victim);
  group.waiting.insert(group.waiting.begin(), index);
  Release(index, group);
  sequences_[index].computed = 0;
  sequences_[index].sampled = false;
}

void PromptRunner::PlanGroup(const Schedule& schedule, Group& group, v1::GroupWork* work) {
  constexpr int kChunks[] = {1, 7, 16, 512};
  int budget = limits_.max_tokens;
  for (size_t index : group.running) {
    const Sequence& sequence = sequences_[index];
    const int chunk = schedule.chunk > 0 ? schedule.chunk : kChunks[Draw(std::size(kChunks))];
    const int known = static_cast<int>(sequence.tokens.size()) - sequence.computed;
    const int num_tokens = std::min({chunk, known, budget});
    if (num_tokens == 0) break;
    AddWork(index, num_tokens, group, work);
    budget -= num_tokens;
  }
}

void PromptRunner::AddWork(size_t index, int num_tokens, Group& group, v1::GroupWork* group_work) {
  Sequence& sequence = sequences_[index];
  v1::SequenceWork* work = group_work->add_sequences();
  work->set_sequence_id(first_id_ + index);
  work->set_begin_position(sequence.computed);
  const bool newest = sequence.computed + 1 == std::ssize(sequence.tokens);
  if (newest && sequence.sampled && seed_ % 2 == 1) {
    work->set_use_last_sampled(true);
  } else {
    for (int i = 0; i < num_tokens; ++i) work->add_tokens(sequence.tokens[sequence.computed + i]);
  }
  sequence.computed += num_tokens;
  const auto known = static_cast<int32_t>(sequence.tokens.size());
  work->set_sample(sequence.computed == known && known < sequence.wanted);
  sequence.done = sequence.computed == known && known >= sequence.wanted;
  const int64_t num_blocks =
      CeilDiv(int64_t{sequence.computed}, int64_t{engine_->plan().kv().block_tokens()});
  while (std::ssize(sequence.blocks) < num_blocks) {
    SY_CHECK(!group.free_blocks.empty());
    sequence.blocks.push_back(group.free_blocks.back());
    group.free_blocks.pop_back();
    work->add_new_blocks(sequence.blocks.back());
  }
}

void PromptRunner::Take(const v1::StepResult& result, const Schedule& schedule) {
  for (const v1::SampledToken& sampled : result.sampled()) {
    const size_t index = sampled.sequence_id() - first_id_;
    Sequence& sequence = sequences_[index];
    SY_CHECK_EQ(sampled.position(), static_cast<int32_t>(sequence.tokens.size()));
    sequence.tokens.push_back(sampled.token());
    sequence.sampled = true;
    answers_[index].generated.push_back(sampled.token());
    answers_[index].logprobs.push_back(sampled.logprob());
    // A token that ends the answer, or its last, is not computed any more.
    const bool full = static_cast<int32_t>(sequence.tokens.size()) == sequence.wanted;
    if (full || sampled.token() == schedule.end_token) sequence.done = true;
  }
}

void PromptRunner::Release(size_t index, Group& group) {
  released_.push_back(first_id_ + index);
  std::vector<int32_t>& blocks = sequences_[index].blocks;
  group.free_blocks.insert(group.free_blocks.end(), blocks.begin(), blocks.end());
  blocks.clear();
}

void PromptRunner::Retire() {
  for (Group& group : groups_) {
    std::erase_if(group.running, [&](size_t index) {
      if (sequences_[index].done) Release(index, group);
      return sequences_[index].done;
    });
  }
}

}  // namespace switchyard::testing
