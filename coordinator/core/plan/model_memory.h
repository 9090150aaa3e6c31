// How many bytes a model takes: its checkpoint, and its cache per token. What a rank holds in
// device memory, all of it: rank_memory.h.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_MODEL_MEMORY_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_MODEL_MEMORY_H_

#include <cstdint>

#include "coordinator/core/plan/packed_linear.h"
#include "proto/cluster.pb.h"
#include "proto/model.pb.h"

namespace switchyard::core {

// Bytes of weights by kind of tensor. FP8 linears count one byte a weight and four a scale block;
// embeddings, head, norms, gates and the MTP projection are never FP8; the gate's correction bias
// is F32. Norms within a kind's layer count under `norms`.
struct WeightBytes {
  int64_t embedding = 0;  // embed_tokens, with its copies in MTP blocks
  int64_t head = 0;  // lm_head, with its copies in MTP blocks; tied: nothing in a checkpoint, on a
                     // rank a packed copy of the embedding
  int64_t attention = 0;  // projections (and their biases)
  int64_t absorbed =
      0;  // kv_b_proj once more, dequantised per head for the absorbed form; not in checkpoints
  int64_t dense_mlp = 0;
  int64_t gate = 0;  // with correction biases
  int64_t shared_experts = 0;
  int64_t routed_experts = 0;
  int64_t mtp_projection = 0;  // eh_proj
  int64_t norms = 0;

  int64_t Total() const;
};

// The checkpoint as published: one copy of everything.
WeightBytes CheckpointBytes(const v1::ModelSpec& model);

// Weights of the model itself: without MTP blocks and block scales.
int64_t NumParameters(v1::ModelSpec model);

// `rank`'s part of it, in the stored types: its shards, its experts, all that is replicated, and
// the absorbed form. What packing makes of it: weight_memory.h. REQUIRES: a plan that
// CheckShardPlan accepts, up to `kv` and `hash`; rank in the world.
WeightBytes RankWeightBytes(const v1::ShardPlan& plan, int32_t rank);

// Cache of one token on every rank of its group: latent and rotary key of every layer, or keys and
// values of the rank's heads. An MTP block has a layer of its own where it drafts.
int64_t KvBytesPerToken(const v1::ShardPlan& plan, BackendKind backend = BackendKind::kCpu);

// What one token of a prompt in progress takes beside it while its keys and values are kept
// expanded (KvPlan.expanded_tokens). 0 where nothing is expanded: a cache of keys and values.
int64_t ExpandedBytesPerToken(const v1::ShardPlan& plan, BackendKind backend = BackendKind::kCpu);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_MODEL_MEMORY_H_
