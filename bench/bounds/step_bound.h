// What a step of a DeepSeek-V3 must move and multiply on one GPU, op by op, and so the least time
// it can take there. A bound, not a forecast: no launch, no imbalance, no memory that is read
// twice.
#ifndef SWITCHYARD_BENCH_BOUNDS_STEP_BOUND_H_
#define SWITCHYARD_BENCH_BOUNDS_STEP_BOUND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "bench/bounds/gpu.h"
#include "kernels/op_cost.h"
#include "proto/model.pb.h"

namespace switchyard::bench {

struct StepShape {
  int64_t rows = 0;             // tokens that this GPU's attention group computes
  int64_t context = 0;          // decode: keys of each; prefill: tokens of one prompt
  bool decode = true;           // absorbed attention over cached latents, else naive and causal
  int64_t experts_per_gpu = 0;  // routed
  int64_t gpus = 0;             // over which experts are spread
  int64_t gpus_per_node = 8;    // what crosses between nodes takes the network
};

enum class Unit { kFp8, kBf16, kNetwork };

// One kind of op, all layers together.
struct OpBound {
  std::string name;
  kernels::OpCost cost;
  Unit unit = Unit::kFp8;
  // Seconds: the larger of memory's and arithmetic's time, or the network's.
  double Seconds(const Gpu& gpu) const;
};

// REQUIRES: latent attention and routed experts. Linears in FP8 (the head and attention in BF16),
// attention by data parallelism.
std::vector<OpBound> StepBound(const v1::ModelSpec& model, const StepShape& shape);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_BOUNDS_STEP_BOUND_H_
