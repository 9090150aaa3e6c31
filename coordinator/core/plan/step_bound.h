// What a step must move and multiply on one device, op by op, and so the least time it can take
// there. A bound, not a forecast: no launch, no imbalance, no memory that is read twice, every
// transfer hidden behind arithmetic or the other way round.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_STEP_BOUND_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_STEP_BOUND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/core/plan/device_figures.h"
#include "kernels/op_cost.h"
#include "proto/model.pb.h"

namespace switchyard::core {

// What travels between ranks for a token's experts.
struct ExchangeForm {
  // How often a token's row leaves: once for each of its experts, for each rank that has one, or
  // for each host. On the way back each expert's row travels (for kHost: one sum from each host).
  enum class Once { kExpert, kRank, kHost };
  Once once = Once::kExpert;
  double dispatch_element_bytes = 1 + 4.0 / 128;  // e4m3 with a scale for 128
  double combine_element_bytes = 2;
};

struct StepShape {
  int64_t rows = 0;             // tokens that one attention group computes
  int64_t context = 0;          // decode: keys of each; prefill: tokens of one prompt
  bool decode = true;           // over what is cached (latents: absorbed), else causal
  int64_t tensor_parallel = 1;  // ranks of the group
  int64_t experts_per_gpu = 0;  // routed
  int64_t gpus = 0;             // over which experts are spread
  int64_t gpus_per_node = 8;    // what crosses between nodes takes the network
  // As the rank keeps the linears that a checkpoint quantises.
  kernels::DType weight = kernels::DType::kF8E4M3;
  bool fp8_products = true;  // in FP8, else in BF16
  bool keeps_codes = false;  // of 4 bits, where the checkpoint has them
  double cache_element_bytes = 2;
  ExchangeForm exchange;
};

enum class Unit { kFp8, kBf16, kLink, kNetwork };

// One kind of op, all layers together, on one device.
struct OpBound {
  std::string name;
  kernels::OpCost cost;
  Unit unit = Unit::kFp8;
  // Seconds: the larger of memory's and arithmetic's time, or the link's or the network's.
  double Seconds(const DeviceFigures& device) const;
  // Of the first two.
  bool LimitedByMemory(const DeviceFigures& device) const;
};

// Head and attention's core in BF16. REQUIRES: tensor_parallel is one that the model can have.
std::vector<OpBound> StepBound(const v1::ModelSpec& model, const StepShape& shape);

enum class Limit { kMemory, kFlops, kLink, kNetwork };
std::string_view Name(Limit limit);

struct StepSeconds {
  double memory = 0;  // of ops that memory limits
  double flops = 0;   // of ops that arithmetic limits
  double link = 0;
  double network = 0;

  double computing() const { return memory + flops; }
  double total() const;  // the largest of computing, link and network
  Limit limit() const;   // what total is made of, for the most part
};
StepSeconds SecondsOf(const std::vector<OpBound>& ops, const DeviceFigures& device);

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_STEP_BOUND_H_
