// What a forward pass must read and multiply at the least: the numerators of bench_engine's shares.
#ifndef SWITCHYARD_BENCH_ENGINE_MODEL_COST_H_
#define SWITCHYARD_BENCH_ENGINE_MODEL_COST_H_

#include <cstdint>

#include "proto/cluster.pb.h"
#include "proto/model.pb.h"

namespace switchyard::bench {

// Bytes of weights, as CPU workers pack them, that all ranks together read for one step of
// generated tokens (their attention is absorbed). `active_experts`: routed experts with at least
// one token, summed over layers.
double DecodeWeightBytes(const v1::ShardPlan& plan, int64_t active_experts);

// Multiplications and additions for one prompt of `num_tokens` computed in one piece (naive causal
// attention), with logits of its last token.
double PrefillFlops(const v1::ModelSpec& model, int64_t num_tokens);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_ENGINE_MODEL_COST_H_
