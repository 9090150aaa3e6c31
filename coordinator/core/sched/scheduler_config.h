// What the Scheduler is told once: the sizes of the cluster, and how it is to be shared.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_SCHEDULER_CONFIG_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_SCHEDULER_CONFIG_H_

#include <cstdint>

#include "base/status.h"
#include "coordinator/core/events.h"
#include "coordinator/core/kv/window_blocks.h"
#include "coordinator/core/sched/prompt_cost.h"
#include "proto/cluster.pb.h"

namespace switchyard::core {

struct SchedulerConfig {
  uint64_t epoch = 1;
  uint64_t placement_version = 0;
  int32_t num_groups = 1;
  int32_t max_batched_tokens = 2048;  // per group and step
  int32_t max_running = 256;          // per group; at most max_batched_tokens
  int32_t max_prompt_chunk = 0;       // of one prompt in a step that others need; 0: half of it
  double max_stretch = 0;             // of a step in which requests write, by a prompt; 0: any
  int32_t max_waiting = 1024;         // new requests are refused while so many wait
  int32_t max_under_way = 1;          // plans without a result; 1 or 2
  int32_t num_blocks = 0;             // per group
  int32_t block_tokens = 16;
  WindowBlocks::Size windows;  // per group; of no blocks: all layers are of one kind
  int32_t max_context = 0;     // longest sequence that the model takes, tokens
  int32_t vocab_size = 0;
  bool prefix_cache = true;
  int32_t max_drafts = 0;            // of one sequence in a step; 0: workers do not draft
  int32_t max_forced = 0;            // the same of text that a grammar leaves no choice about
  bool drafts_from_history = false;  // workers draft from what was said before
  int32_t max_full_logprobs = 0;     // of the whole vocabulary, in one group's step; see StepLimits
  PromptCost prompt_cost;

  // What a plan prescribes.
  struct Limits {
    int32_t max_waiting = 1024;
    int32_t max_under_way = 2;
    int32_t max_prompt_chunk = 0;
    double max_stretch = 0;
    bool prefix_cache = true;
  };
  static SchedulerConfig FromPlan(const v1::ShardPlan& plan, const Limits& limits);

  // Whether an empty cluster could answer it; INVALID_ARGUMENT, which names the field at fault.
  absl::Status CheckFits(const NewRequest& request) const;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_SCHEDULER_CONFIG_H_
