// What ranks hold, beside what `switchyard plan` says that they take.
#ifndef SWITCHYARD_BENCH_FULL_WIDTH_MEMORY_REPORT_H_
#define SWITCHYARD_BENCH_FULL_WIDTH_MEMORY_REPORT_H_

#include <cstdint>
#include <vector>

#include "proto/cluster.pb.h"
#include "worker/exec/executor.h"

namespace switchyard::bench {

struct LoadedRank {
  int rank = 0;
  const worker::Executor* executor = nullptr;
};

// A row for each kind of memory, all `ranks` together, as planned and as allocated; and what they
// read beside what the plan's shards are in the checkpoint. CPU backend.
void PrintMemory(const v1::ShardPlan& plan, const std::vector<LoadedRank>& ranks);

// Bytes that the plan gives all `ranks` together.
int64_t PlannedBytes(const v1::ShardPlan& plan, const std::vector<LoadedRank>& ranks);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_FULL_WIDTH_MEMORY_REPORT_H_
