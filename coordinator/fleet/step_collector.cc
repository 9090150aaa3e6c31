#include "coordinator/fleet/step_collector.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::fleet {

StepCollector::StepCollector(int world) : received_(world, false) {}

void StepCollector::Open(uint64_t epoch, uint64_t step) {
  SY_CHECK(!open()) << "step " << merged_.step() << " is open";
  std::fill(received_.begin(), received_.end(), false);
  num_missing_ = static_cast<int>(received_.size());
  merged_.Clear();
  merged_.set_epoch(epoch);
  merged_.set_step(step);
}

absl::StatusOr<std::optional<v1::StepResult>> StepCollector::Add(int rank,
                                                                 const v1::StepResult& result) {
  if (!open() || result.epoch() != merged_.epoch() || result.step() != merged_.step() ||
      result.rank() != rank || received_[rank]) {
    return absl::InternalError(
        fmt::format("rank {} sent a result of epoch {}, step {}, rank {}; {}", rank, result.epoch(),
                    result.step(), result.rank(),
                    open() ? fmt::format("step {} is open", merged_.step()) : "no step is open"));
  }
  received_[rank] = true;
  --num_missing_;
  merged_.mutable_sampled()->MergeFrom(result.sampled());
  if (merged_.expert_rows_size() < result.expert_rows_size()) {
    merged_.mutable_expert_rows()->Resize(result.expert_rows_size(), 0);
  }
  for (int i = 0; i < result.expert_rows_size(); ++i) {
    merged_.set_expert_rows(i, merged_.expert_rows(i) + result.expert_rows(i));
  }
  if (result.timings().total_us() > merged_.timings().total_us()) {
    *merged_.mutable_timings() = result.timings();
  }
  if (open()) return std::nullopt;
  return std::move(merged_);
}

std::vector<int> StepCollector::MissingRanks() const {
  std::vector<int> missing;
  for (size_t rank = 0; rank < received_.size() && open(); ++rank) {
    if (!received_[rank]) missing.push_back(static_cast<int>(rank));
  }
  return missing;
}

}  // namespace switchyard::fleet
