#include "bench/engine/step_driver.h"

#include <algorithm>
#include <chrono>

#include "base/random.h"
#include "base/units.h"

namespace switchyard::bench {

v1::StepPlan StepDriver::NextPlan() {
  v1::StepPlan plan;
  plan.set_epoch(engine_.plan().epoch());
  plan.set_step(++last_step_);
  plan.set_placement_version(engine_.plan().placement().version());
  for (int i = 0; i < engine_.plan().layout().data_parallel(); ++i) plan.add_groups();
  return plan;
}

void StepDriver::AddWork(Sequence& sequence, int count, bool sample, v1::StepPlan* plan) {
  const v1::ShardPlan& layout = engine_.plan();
  v1::SequenceWork* work = plan->mutable_groups(sequence.group)->add_sequences();
  work->set_sequence_id(sequence.id);
  work->set_begin_position(sequence.num_computed);
  work->set_sample(sample);
  for (int i = 0; i < count; ++i) {
    const uint64_t bits = RandomBits(seed_, num_random_++);
    work->add_tokens(static_cast<int32_t>(bits % uint64_t(layout.model().vocab_size())));
  }
  const int32_t block_tokens = layout.kv().block_tokens();
  const int32_t per_sequence = layout.kv().num_blocks() / layout.limits().max_running();
  const int end = sequence.num_computed + count;
  for (int64_t block = CeilDiv(sequence.num_computed, block_tokens);
       block < CeilDiv(end, block_tokens); ++block) {
    work->add_new_blocks(static_cast<int32_t>(sequence.place * per_sequence + block));
  }
  sequence.num_computed = end;
}

absl::StatusOr<double> StepDriver::TimeStep(const v1::StepPlan& plan) {
  const auto begin = std::chrono::steady_clock::now();
  SY_RETURN_IF_ERROR(engine_.RunStep(plan).status());
  const auto end = std::chrono::steady_clock::now();
  return std::chrono::duration<double>(end - begin).count();
}

absl::StatusOr<double> StepDriver::Prefill(int per_group, int prompt_length) {
  const v1::ShardPlan& layout = engine_.plan();
  v1::StepPlan plan = NextPlan();
  for (const Sequence& old : sequences_) plan.add_released(old.id);
  sequences_.clear();
  for (int group = 0; group < layout.layout().data_parallel(); ++group) {
    for (int place = 0; place < per_group; ++place) {
      sequences_.push_back({.id = ++last_id_, .group = group, .place = place});
      v1::SequenceStart* start = plan.add_started();
      start->set_sequence_id(last_id_);
      start->set_group(group);
      start->set_prompt_length(prompt_length);
    }
  }
  double seconds = 0;
  const int chunk = std::max(1, layout.limits().max_batched_tokens() / per_group);
  for (int begin = 0; begin < prompt_length; begin += chunk) {
    const int count = std::min(chunk, prompt_length - begin);
    const bool sample = begin + count == prompt_length;
    for (Sequence& sequence : sequences_) AddWork(sequence, count, sample, &plan);
    SY_ASSIGN_OR_RETURN(const double step_seconds, TimeStep(plan));
    seconds += step_seconds;
    if (!sample) plan = NextPlan();
  }
  return seconds;
}

absl::StatusOr<double> StepDriver::Decode() {
  v1::StepPlan plan = NextPlan();
  for (Sequence& sequence : sequences_) AddWork(sequence, 1, /*sample=*/true, &plan);
  return TimeStep(plan);
}

}  // namespace switchyard::bench
