// Every byte of a rank's device memory, by kind: what its worker allocates, and what its device
// takes beside. The planner sizes the cache by it, `switchyard plan` shows it, and
// rank_memory_test holds it against what running workers have allocated.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_RANK_MEMORY_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_RANK_MEMORY_H_

#include <cstdint>

#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/packed_linear.h"
#include "proto/cluster.pb.h"

namespace switchyard::core {

// Of CUDA: assumed, measured by nobody yet. What the driver, its modules and their local memory
// take of a device before anything is allocated.
inline constexpr int64_t kAssumedCudaContextBytes = int64_t{640} << 20;
// NCCL's channels and their buffers, of one communicator over more than one rank.
inline constexpr int64_t kAssumedNcclBytes = int64_t{512} << 20;
// Left free of a device's memory: what an allocator cannot fill, and what others take.
inline constexpr double kAssumedReserve = 0.02;

// Of the CUDA backend: passes that are kept recorded (worker/exec/step_recorder), and what one
// takes.
inline constexpr int64_t kMostRecordings = 32;
inline constexpr int64_t kRecordingBytes = int64_t{8} << 20;

struct RankMemory {
  WeightBytes weights;     // as packed
  int64_t rope_table = 0;  // cosines and sines of all positions
  // The cache as the plan has it.
  int64_t kv_blocks = 0;
  int64_t kv_expanded = 0;  // keys and values of prompts in progress

  int64_t arena = 0;     // activations of the largest step, and its logits
  int64_t gather = 0;    // what the ranks of a group sample by
  int64_t exchange = 0;  // tokens on their way to experts and back, in the worst case
  int64_t working = 0;   // grows in the ops' largest calls up to this, in the worst case
  int64_t staging = 0;   // of host arrays that ops read
  int64_t graphs = 0;    // of recorded steps

  // Beside what the worker allocates; assumed.
  int64_t collectives = 0;
  int64_t context = 0;

  int64_t Cache() const { return kv_blocks + kv_expanded; }
  // What the worker allocates beside its cache.
  int64_t Fixed() const {
    return weights.Total() + rope_table + arena + gather + exchange + working + staging + graphs;
  }
  int64_t Beside() const { return collectives + context; }
  int64_t Total() const { return Fixed() + Cache() + Beside(); }
};

// Of a device's memory: what its worker may allocate, beside the reserve and what is assumed above.
int64_t WorkerMemory(double device_bytes, const v1::Layout& layout, BackendKind backend);

struct MemoryOptions {
  BackendKind backend = BackendKind::kCpu;
  // Copies of routed experts beside the placement's, of each layer, spread evenly over the ranks.
  int64_t redundant_experts = 0;
};

// REQUIRES: a plan that CheckShardPlan accepts, up to `kv` and `hash`; rank in the world.
RankMemory MemoryOfRank(const v1::ShardPlan& plan, int32_t rank, const MemoryOptions& options);

// The rank that needs most beside its cache. Ranks differ in their experts and by a row of the
// vocabulary; the lowest of several.
int32_t FullestRank(const v1::ShardPlan& plan);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_RANK_MEMORY_H_
