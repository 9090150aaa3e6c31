// Scheduling decisions -> StepPlan: the one place that knows how a plan spells them.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_STEP_BUILDER_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_STEP_BUILDER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "coordinator/core/sched/request.h"
#include "proto/step.pb.h"

namespace switchyard::core {

// Writes one plan over another, whose memory it uses again: a step has a message for each sequence,
// and making these anew costs more than all decisions. Lives for one call of Scheduler::NextPlan.
class StepBuilder {
 public:
  struct Header {
    uint64_t epoch = 0;
    uint64_t step = 0;
    uint64_t placement_version = 0;
    int32_t num_groups = 0;
    int32_t num_drafts = 0;      // for each sequence that samples
    bool tells_history = false;  // workers draft from what was said before
  };
  StepBuilder(const Header& header, v1::StepPlan& plan);

  // The workers forget this sequence before the step.
  void Release(RequestId id) { plan_.add_released(id); }

  // The workers meet this request, in group `request.group`; what is computed of it already is in
  // the cache, in the first blocks of the table that its first work brings.
  void Start(const Request& request);

  // Blocks that a sequence's tables did not have before, by kind of layers.
  struct NewBlocks {
    std::span<const int32_t> all;
    std::span<const int32_t> windowed;
  };

  // The next `count` tokens of the request, in blocks of which `new_blocks` are new. Call it before
  // `num_computed` moves. The last known token is followed by a sampled one. A token that the
  // workers sampled themselves is not sent back to them; up to `num_drafts` that they drafted are
  // computed behind it. REQUIRES: 0 < count <= request.num_remaining(); no drafts unless
  // request.goes_on().
  void AddWork(const Request& request, int32_t count, int32_t num_drafts,
               const NewBlocks& new_blocks);

  int32_t num_samples() const { return num_samples_; }
  int32_t num_works() const { return num_works_; }

 private:
  v1::StepPlan& plan_;
  const bool tells_history_;
  int32_t num_samples_ = 0;
  int32_t num_works_ = 0;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_STEP_BUILDER_H_
