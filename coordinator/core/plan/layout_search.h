// Which layouts of a model fit a cluster, and how fast each can be at most.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_LAYOUT_SEARCH_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_LAYOUT_SEARCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/core/plan/rank_memory.h"
#include "coordinator/core/plan/step_bound.h"
#include "proto/cluster.pb.h"
#include "proto/model.pb.h"

namespace switchyard::core {

struct ClusterShape {
  int32_t hosts = 1;
  int32_t devices_per_host = 8;
  DeviceFigures device = kH100;
  Figure disk_bytes_per_s;  // of a host, for loading; 0: not known

  int64_t num_devices() const { return int64_t{hosts} * devices_per_host; }
};

inline constexpr int32_t kMaxHosts = 4096;
inline constexpr int32_t kMaxDevicesPerHost = 64;

// What the layouts are held against.
struct Load {
  int64_t context = 4096;  // tokens of each request that is being answered
  int64_t running = 0;     // requests at a time, of the whole cluster; 0: 128 for each device
  int32_t max_batched_tokens = 512;  // of one group and step; more where more decode at a time
  std::optional<int32_t> micro_batch_tokens;  // see PlanRequest
  int32_t max_running = 0;                    // of one group; 0: as many as the load has
};

// What is known of the layout beforehand; 0: any.
struct LayoutFilter {
  int32_t data_parallel = 0;
  int32_t tensor_parallel = 0;
  int32_t expert_parallel = 0;  // ranks that experts are spread over: all of the layout
};

struct LayoutRequest {
  v1::ModelSpec model;
  ClusterShape cluster;
  Load load;
  LayoutFilter only;
  v1::ComputeMode compute = v1::COMPUTE_MODE_BF16;
  v1::WeightForm weights = v1::WEIGHT_FORM_STORED;
  v1::DraftPlan drafts;  // in memory; bounds of time are of steps without any
  int64_t redundant_experts = 0;
  int32_t kv_block_tokens = 16;
};

// One layout on the cluster. A cluster of more devices than a layout has ranks runs it several
// times side by side.
struct LayoutPlan {
  v1::ShardPlan plan;
  int64_t copies = 1;
  int32_t rank = 0;          // the fullest, which is shown
  RankMemory memory;         // of it
  int64_t memory_limit = 0;  // bytes of a device that the cluster may use
  // Missing on each rank for one request of the load's context; 0: it fits, and only then all that
  // follows is set.
  int64_t shortfall = 0;
  int64_t running = 0;  // requests of one group: what the load asks for, or what the cache holds
  bool limited_by_cache = false;
  StepShape decode_shape;   // a step with `running` rows in each group
  StepShape prefill_shape;  // a step with max_batched_tokens of prompts of the load's context
  StepSeconds decode;
  StepSeconds prefill;
  double decode_tokens_per_s = 0;  // of the cluster
  double prefill_tokens_per_s = 0;

  int64_t ranks() const {
    return int64_t{plan.layout().data_parallel()} * plan.layout().tensor_parallel();
  }
  bool fits() const { return shortfall == 0; }
  // Requests of the cluster at a time.
  int64_t total_running() const { return copies * plan.layout().data_parallel() * running; }
  int64_t kv_tokens() const { return int64_t{plan.kv().num_blocks()} * plan.kv().block_tokens(); }
  // "HBM", "FLOPs, KV"
  std::string DecodeLimit() const;
};

// Every layout that the filter lets through and that uses as many devices as whole copies of it
// can, best first: those that fit by the bound on generated tokens per second, the others by what
// they lack. INVALID_ARGUMENT: no layout of the model is left, naming the nearest; numbers out of
// range.
absl::StatusOr<std::vector<LayoutPlan>> SearchLayouts(const LayoutRequest& request);

// The layouts that fit, best first, whatever the filter: on the cluster's hosts, or else on the
// fewest of that kind, up to `most`. NOT_FOUND if there are none.
struct NearestFit {
  int32_t hosts = 0;
  std::vector<LayoutPlan> layouts;
};
absl::StatusOr<NearestFit> FindNearestFit(LayoutRequest request, int32_t most);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_LAYOUT_SEARCH_H_
