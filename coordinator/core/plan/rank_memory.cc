#include "coordinator/core/plan/rank_memory.h"

#include <algorithm>

#include "base/check.h"
#include "base/units.h"
#include "coordinator/core/plan/kv_kinds.h"
#include "coordinator/core/plan/step_memory.h"
#include "coordinator/core/plan/topology.h"
#include "coordinator/core/plan/weight_memory.h"

namespace switchyard::core {
namespace {

// Of the CUDA backend: pinned arrays on their way to the device take as much there.
constexpr int64_t kStagingBytes = 32 * kMiB;

int64_t RopeTableBytes(const v1::ModelSpec& model) {
  const v1::GqaSpec& gqa = model.gqa();
  const int64_t of_gqa = gqa.rotary_dim() > 0 ? gqa.rotary_dim() : gqa.head_dim();
  const int64_t rotated = model.has_gqa() ? of_gqa : model.mla().qk_rope_head_dim();
  const int64_t tables = gqa.has_windowed_rope() ? 2 : 1;
  return tables * model.max_position_embeddings() * rotated * int64_t{sizeof(float)};
}

std::vector<int64_t> ExpertsOfRanks(const v1::ShardPlan& plan) {
  std::vector<int64_t> experts(static_cast<size_t>(World(plan.layout())));
  for (const int32_t rank : plan.placement().rank_of_expert()) {
    ++experts[static_cast<size_t>(rank)];
  }
  return experts;
}

int64_t VocabularyRows(const v1::ShardPlan& plan, int32_t rank) {
  const int64_t ranks = plan.layout().tensor_parallel(), index = rank % ranks;
  const int64_t vocab = plan.model().vocab_size();
  return vocab * (index + 1) / ranks - vocab * index / ranks;
}

RankShape ShapeOf(const v1::ShardPlan& plan, int32_t rank, const MemoryOptions& options) {
  RankShape shape{.backend = options.backend, .vocab_rows = VocabularyRows(plan, rank)};
  if (!plan.model().has_moe()) return shape;
  const std::vector<int64_t> experts = ExpertsOfRanks(plan);
  shape.local_experts = experts[static_cast<size_t>(rank)];
  shape.most_local_experts = *std::max_element(experts.begin(), experts.end());
  if (options.redundant_experts > 0) {
    shape.local_experts = CeilDiv(
        plan.model().moe().num_routed_experts() + options.redundant_experts, std::ssize(experts));
    shape.most_local_experts = shape.local_experts;
  }
  return shape;
}

// The world's and the group's.
int64_t CollectiveBytes(const v1::Layout& layout) {
  return kAssumedNcclBytes * ((World(layout) > 1 ? 1 : 0) + (layout.tensor_parallel() > 1 ? 1 : 0));
}

}  // namespace

int64_t WorkerMemory(double device_bytes, const v1::Layout& layout, BackendKind backend) {
  const auto usable = static_cast<int64_t>(device_bytes * (1 - kAssumedReserve));
  if (backend == BackendKind::kCpu) return usable;
  return usable - kAssumedCudaContextBytes - CollectiveBytes(layout);
}

RankMemory MemoryOfRank(const v1::ShardPlan& plan, int32_t rank, const MemoryOptions& options) {
  SY_CHECK(rank >= 0 && rank < World(plan.layout())) << rank;
  const RankShape shape = ShapeOf(plan, rank, options);
  RankMemory memory;
  memory.weights = PackedWeightBytes(plan, rank, shape.local_experts, options.backend);
  memory.rope_table = RopeTableBytes(plan.model());
  memory.kv_blocks = KvBytes(plan, options.backend);
  memory.kv_expanded = plan.kv().expanded_tokens() / kTileTokens * kTileTokens *
                       ExpandedBytesPerToken(plan, options.backend);
  memory.arena = ArenaBytes(plan, shape);
  memory.gather = GatherBytes(plan);
  memory.exchange = ExchangeBytes(plan, shape);
  memory.working = WorkingBytes(plan, shape);
  if (options.backend == BackendKind::kCpu) return memory;
  memory.staging = kStagingBytes;
  memory.graphs = kMostRecordings * kRecordingBytes;
  memory.context = kAssumedCudaContextBytes;
  memory.collectives = CollectiveBytes(plan.layout());
  return memory;
}

int32_t FullestRank(const v1::ShardPlan& plan) {
  const std::vector<int64_t> experts = ExpertsOfRanks(plan);
  int32_t fullest = 0;
  for (int32_t rank = 1; rank < World(plan.layout()); ++rank) {
    const auto size = [&](int32_t of) {
      return std::pair(experts[static_cast<size_t>(of)], VocabularyRows(plan, of));
    };
    if (size(rank) > size(fullest)) fullest = rank;
  }
  return fullest;
}

}  // namespace switchyard::core
