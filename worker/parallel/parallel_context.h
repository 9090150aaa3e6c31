// Who this rank is in the layout: its group, its slice of every sharded dimension, its experts, and
// who has the others. Immutable after Create; safe to read from any thread. Everything here is a
// pure function of the ShardPlan and the rank, so that all ranks agree without asking each other.
//
// Words: world = groups x tensor_parallel ranks; rank = group * tensor_parallel + tensor_rank
// (proto/cluster.proto). Routed experts are spread over the whole world.
#ifndef SWITCHYARD_WORKER_PARALLEL_PARALLEL_CONTEXT_H_
#define SWITCHYARD_WORKER_PARALLEL_PARALLEL_CONTEXT_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "proto/cluster.pb.h"

namespace switchyard::worker {

// Half-open: [begin, end).
struct IndexRange {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t size() const { return end - begin; }
  friend bool operator==(const IndexRange&, const IndexRange&) = default;
};

// Part `index` of [0, total) cut into `num_parts` contiguous parts whose sizes differ by one at
// most.
constexpr IndexRange BalancedSlice(int64_t total, int64_t num_parts, int64_t index) {
  return {.begin = total * index / num_parts, .end = total * (index + 1) / num_parts};
}

class ParallelContext {
 public:
  static constexpr int kMaxWorld = 4096;

  // INVALID_ARGUMENT, naming the field, for a layout without ranks or over kMaxWorld, a rank
  // outside of it, virtual shards that are no power of two or no multiple of tensor_parallel, or a
  // placement that does not name one rank of the world for every routed expert.
  static absl::StatusOr<ParallelContext> Create(const v1::ShardPlan& plan, int rank);

  int rank() const { return rank_; }
  int world() const { return num_groups_ * tensor_parallel_; }
  // The attention group: data-parallel index.
  int group() const { return rank_ / tensor_parallel_; }
  int num_groups() const { return num_groups_; }
  int tensor_rank() const { return rank_ % tensor_parallel_; }
  int tensor_parallel() const { return tensor_parallel_; }
  // Shards of every row-parallel sum, and how many of them this rank holds.
  int virtual_shards() const { return virtual_shards_; }
  int local_virtual_shards() const { return virtual_shards_ / tensor_parallel_; }

  // The tokens of this rank's group that this tensor rank routes to experts (and computes shared
  // experts for).
  IndexRange TokenSlice(int64_t num_tokens) const {
    return TokenSliceOf(num_tokens, tensor_rank());
  }
  IndexRange TokenSliceOf(int64_t num_tokens, int tensor_rank) const {
    return BalancedSlice(num_tokens, tensor_parallel_, tensor_rank);
  }
  // The largest slice that a group with `max_tokens` tokens gives to any of its ranks.
  int64_t MaxTokenSlice(int64_t max_tokens) const {
    return (max_tokens + tensor_parallel_ - 1) / tensor_parallel_;
  }

  // Rows of embed_tokens and lm_head on a tensor rank; sizes differ by one where the vocabulary
  // does not divide.
  IndexRange VocabularyRows() const { return VocabularyRowsOf(tensor_rank()); }
  IndexRange VocabularyRowsOf(int tensor_rank) const {
    return BalancedSlice(vocab_size_, tensor_parallel_, tensor_rank);
  }

  // Routed experts; 0 for a dense model.
  int num_experts() const { return static_cast<int>(rank_of_expert_.size()); }
  int RankOfExpert(int expert) const { return rank_of_expert_[expert]; }
  // Index of an expert among the experts of its rank, which are numbered in ascending order of
  // their id.
  int LocalIndexOfExpert(int expert) const { return local_index_of_expert_[expert]; }
  int NumExpertsOnRank(int rank) const { return num_experts_on_rank_[rank]; }
  // The most experts of one token, which has `experts_per_token`, that any rank holds; alike on all
  // ranks, so it may size what travels.
  int64_t MostExpertsOfToken(int64_t experts_per_token) const {
    return std::min<int64_t>(experts_per_token, *std::max_element(num_experts_on_rank_.begin(),
                                                                  num_experts_on_rank_.end()));
  }
  // Ids of the experts that this rank holds, ascending; may be empty.
  std::span<const int32_t> local_experts() const { return local_experts_; }
  uint64_t placement_version() const { return placement_version_; }

 private:
  ParallelContext() = default;
  absl::Status ReadLayout(const v1::ShardPlan& plan, int rank);
  absl::Status ReadPlacement(const v1::ShardPlan& plan);

  int rank_ = 0;
  int num_groups_ = 1;
  int tensor_parallel_ = 1;
  int virtual_shards_ = 1;
  int64_t vocab_size_ = 0;
  uint64_t placement_version_ = 0;
  std::vector<int32_t> rank_of_expert_;         // [experts]
  std::vector<int32_t> local_index_of_expert_;  // [experts]
  std::vector<int32_t> num_experts_on_rank_;    // [world]
  std::vector<int32_t> local_experts_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_PARALLEL_CONTEXT_H_
