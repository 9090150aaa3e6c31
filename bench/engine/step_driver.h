// Plays the coordinator for a LocalEngine: random sequences, plans made by hand, each step timed.
#ifndef SWITCHYARD_BENCH_ENGINE_STEP_DRIVER_H_
#define SWITCHYARD_BENCH_ENGINE_STEP_DRIVER_H_

#include <cstdint>
#include <vector>

#include "base/status.h"
#include "cli/local_engine.h"

namespace switchyard::bench {

class StepDriver {
 public:
  // `engine` outlives the driver and has run no step yet.
  StepDriver(cli::LocalEngine& engine, uint64_t seed) : engine_(engine), seed_(seed) {}

  // Drops all sequences, starts `per_group` in each group, and computes `prompt_length` random
  // prompt tokens of each. Seconds of all steps together.
  absl::StatusOr<double> Prefill(int per_group, int prompt_length);

  // One more random token of every sequence, as generated ones are computed. Seconds.
  absl::StatusOr<double> Decode();

 private:
  struct Sequence {
    uint64_t id = 0;
    int group = 0;
    int place = 0;  // within its group
    int num_computed = 0;
  };
  // Adds the next `count` tokens of a sequence to the plan.
  void AddWork(Sequence& sequence, int count, bool sample, v1::StepPlan* plan);
  v1::StepPlan NextPlan();
  absl::StatusOr<double> TimeStep(const v1::StepPlan& plan);

  cli::LocalEngine& engine_;
  const uint64_t seed_;
  uint64_t num_random_ = 0;
  uint64_t last_step_ = 0;
  uint64_t last_id_ = 0;
  std::vector<Sequence> sequences_;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_ENGINE_STEP_DRIVER_H_
