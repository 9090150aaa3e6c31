// The results of one step, rank by rank, until all have come. Pure.
#ifndef SWITCHYARD_COORDINATOR_FLEET_STEP_COLLECTOR_H_
#define SWITCHYARD_COORDINATOR_FLEET_STEP_COLLECTOR_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/status.h"
#include "proto/step.pb.h"

namespace switchyard::fleet {

class StepCollector {
 public:
  explicit StepCollector(int world);

  // A plan was sent to every rank. REQUIRES: no step is open.
  void Open(uint64_t epoch, uint64_t step);

  // Takes one rank's result. The merged one (samples of all ranks, expert rows added, timings of
  // the slowest rank) with the last of them. INTERNAL, with rank and step, for a result that nobody
  // waits for.
  absl::StatusOr<std::optional<v1::StepResult>> Add(int rank, const v1::StepResult& result);

  bool open() const { return num_missing_ > 0; }
  // The open step.
  uint64_t step() const { return merged_.step(); }
  // The ranks whose results are missing, ascending.
  std::vector<int> MissingRanks() const;

 private:
  std::vector<bool> received_;  // [world]
  int num_missing_ = 0;
  v1::StepResult merged_;
};

}  // namespace switchyard::fleet

#endif  // SWITCHYARD_COORDINATOR_FLEET_STEP_COLLECTOR_H_
