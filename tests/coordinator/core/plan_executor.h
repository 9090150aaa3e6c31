// The obvious worker: what a StepPlan means, written down slowly, and every rule of it checked.
// Instead of keys and values a cache slot remembers which token of which sequence it holds, so a
// wrong block, position or order of steps cannot go unseen.
#ifndef SWITCHYARD_TESTS_COORDINATOR_CORE_PLAN_EXECUTOR_H_
#define SWITCHYARD_TESTS_COORDINATOR_CORE_PLAN_EXECUTOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "proto/step.pb.h"

namespace switchyard::core {

// All ranks of a cluster in one. Failed checks fail the current test.
class PlanExecutor {
 public:
  struct Limits {
    int32_t num_groups = 1;
    int32_t num_blocks = 1;
    int32_t block_tokens = 1;
    int32_t max_batched_tokens = 1;
    int32_t max_running = 1;
  };
  explicit PlanExecutor(const Limits& limits);

  // The token at `position` of a sequence, if the model says it.
  static int32_t TokenAt(uint64_t sequence, int32_t position);
  static constexpr int32_t kVocabSize = 1000;

  v1::StepResult Execute(const v1::StepPlan& plan);

  int64_t num_tokens_computed() const { return num_tokens_computed_; }

 private:
  struct Slot {
    uint64_t sequence = 0;
    int32_t position = -1;
    int32_t token = -1;
    bool operator==(const Slot&) const = default;
  };
  struct Sequence {
    int32_t group = 0;
    std::vector<int32_t> blocks;
    std::vector<int32_t> tokens;  // computed ones
    std::optional<int32_t> last_sampled;
  };

  void Compute(int32_t group, const v1::SequenceWork& work, v1::StepResult& result);
  Slot& SlotOf(const Sequence& sequence, int32_t position);

  const Limits limits_;
  uint64_t last_step_ = 0;
  int64_t num_tokens_computed_ = 0;
  std::map<uint64_t, Sequence> sequences_;
  std::vector<std::vector<Slot>> cache_;  // [group][block * block_tokens + offset]
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_TESTS_COORDINATOR_CORE_PLAN_EXECUTOR_H_
