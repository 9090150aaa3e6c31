#include "coordinator/fleet/step_collector.h"

#include "base/check.h"

namespace switchyard::fleet {

StepCollector::StepCollector(int world) : world_(world) {}

void StepCollector::Open(uint64_t epoch, uint64_t step) {
  SY_CHECK(steps_.empty() || steps_.back().merged.step() + 1 == step) << "step " << step;
  OpenStep& opened = steps_.emplace_back();
  opened.received.assign(world_, false);
  opened.num_missing = world_;
  opened.merged.set_epoch(epoch);
  opened.merged.set_step(step);
}

// The oldest step that this rank has not answered, if that is what the result is of.
StepCollector::OpenStep* StepCollector::Find(int rank, const v1::StepResult& result) {
  for (OpenStep& step : steps_) {
    if (step.received[rank]) continue;
    const bool fits = result.epoch() == step.merged.epoch() &&
                      result.step() == step.merged.step() && result.rank() == rank;
    return fits ? &step : nullptr;
  }
  return nullptr;
}

absl::StatusOr<std::optional<v1::StepResult>> StepCollector::Add(int rank,
                                                                 const v1::StepResult& result) {
  OpenStep* const step = Find(rank, result);
  if (step == nullptr) {
    return absl::InternalError(
        fmt::format("rank {} sent a result of epoch {}, step {}, rank {}; {}", rank, result.epoch(),
                    result.step(), result.rank(),
                    open() ? fmt::format("step {} is open", this->step()) : "no step is open"));
  }
  step->received[rank] = true;
  --step->num_missing;
  v1::StepResult& merged = step->merged;
  merged.mutable_sampled()->MergeFrom(result.sampled());
  merged.mutable_prompt_logprobs()->MergeFrom(result.prompt_logprobs());
  merged.set_num_drafted(merged.num_drafted() + result.num_drafted());
  merged.set_num_accepted(merged.num_accepted() + result.num_accepted());
  merged.set_num_drafted_sequences(merged.num_drafted_sequences() + result.num_drafted_sequences());
  if (merged.expert_rows_size() < result.expert_rows_size()) {
    merged.mutable_expert_rows()->Resize(result.expert_rows_size(), 0);
  }
  for (int i = 0; i < result.expert_rows_size(); ++i) {
    merged.set_expert_rows(i, merged.expert_rows(i) + result.expert_rows(i));
  }
  if (result.timings().total_us() > merged.timings().total_us()) {
    *merged.mutable_timings() = result.timings();
  }
  if (step->num_missing > 0) return std::nullopt;
  // Results come in order from each rank: the first step to be complete is the oldest.
  SY_CHECK(step == &steps_.front()) << "step " << merged.step() << " overtook " << this->step();
  v1::StepResult complete = std::move(merged);
  steps_.pop_front();
  return complete;
}

std::vector<int> StepCollector::MissingRanks() const {
  std::vector<int> missing;
  for (int rank = 0; rank < world_ && open(); ++rank) {
    if (!steps_.front().received[rank]) missing.push_back(rank);
  }
  return missing;
}

}  // namespace switchyard::fleet
