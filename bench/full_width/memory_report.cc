#include "bench/full_width/memory_report.h"

#include <fmt/format.h>

#include "coordinator/core/plan/model_memory.h"
#include "coordinator/core/plan/rank_memory.h"

namespace switchyard::bench {
namespace {

struct Row {
  int64_t planned = 0;
  int64_t held = 0;
};

void Print(const char* what, const Row& row) {
  fmt::print("  {:<28}{:>16}{:>16}{:>9.2f} %\n", what, row.planned, row.held,
             row.planned == 0 ? 0.0 : 100 * (double(row.held) / double(row.planned) - 1));
}

}  // namespace

void PrintMemory(const v1::ShardPlan& plan, const std::vector<LoadedRank>& ranks) {
  Row weights, cache, activations, exchange, all, read;
  int64_t working = 0;
  for (const LoadedRank& rank : ranks) {
    const core::RankMemory memory = core::MemoryOfRank(plan, rank.rank, {});
    const worker::Executor& held = *rank.executor;
    weights.planned += memory.weights.Total() + memory.rope_table;
    weights.held += held.weight_bytes();
    cache.planned += memory.Cache();
    cache.held += held.kv_bytes();
    activations.planned += memory.arena + memory.gather;
    activations.held += held.activation_bytes();
    exchange.planned += memory.exchange;
    exchange.held += held.exchange_bytes();
    working += memory.working;
    const core::WeightBytes stored = core::RankWeightBytes(plan, rank.rank);
    read.planned += stored.Total() - stored.absorbed;
    read.held += held.weight_bytes_read();
  }
  for (const Row* row : {&weights, &cache, &activations, &exchange}) {
    all.planned += row->planned;
    all.held += row->held;
  }
  fmt::print("\n  {:<28}{:>16}{:>16}{:>11}\n", "bytes", "planned", "held", "more");
  Print("weights and rotary tables", weights);
  Print("cache", cache);
  Print("activations", activations);
  Print("exchange, worst case", exchange);
  Print("together", all);
  fmt::print("  {:<28}{:>16}\n", "working memory, worst case", working);
  Print("read of the checkpoint", read);
}

int64_t PlannedBytes(const v1::ShardPlan& plan, const std::vector<LoadedRank>& ranks) {
  int64_t sum = 0;
  for (const LoadedRank& rank : ranks) sum += core::MemoryOfRank(plan, rank.rank, {}).Total();
  return sum;
}

}  // namespace switchyard::bench
