// The results of the steps under way, rank by rank, until all of a step have come. Pure.
#ifndef SWITCHYARD_COORDINATOR_FLEET_STEP_COLLECTOR_H_
#define SWITCHYARD_COORDINATOR_FLEET_STEP_COLLECTOR_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/status.h"
#include "proto/step.pb.h"

namespace switchyard::fleet {

class StepCollector {
 public:
  explicit StepCollector(int world);

  // A plan was sent to every rank. REQUIRES: its step follows that of the last open one.
  void Open(uint64_t epoch, uint64_t step);

  // Takes one rank's result; a rank's results come in order of the steps. The merged one (samples
  // of all ranks, expert rows added, timings of the slowest rank) with the last of them. INTERNAL,
  // with rank and step, for a result that nobody waits for.
  absl::StatusOr<std::optional<v1::StepResult>> Add(int rank, const v1::StepResult& result);

  bool open() const { return !steps_.empty(); }
  // The oldest open step. REQUIRES: open().
  uint64_t step() const { return steps_.front().merged.step(); }
  // The ranks whose results of that step are missing, ascending; none when no step is open.
  std::vector<int> MissingRanks() const;

 private:
  struct OpenStep {
    std::vector<bool> received;  // [world]
    int num_missing = 0;
    v1::StepResult merged;
  };

  OpenStep* Find(int rank, const v1::StepResult& result);

  const int world_;
  std::deque<OpenStep> steps_;  // oldest first
};

}  // namespace switchyard::fleet

#endif  // SWITCHYARD_COORDINATOR_FLEET_STEP_COLLECTOR_H_
