// Routing tokens to experts and bringing their outputs together (MODEL_SPECS 1.4).
//
// Symbols: T tokens, E routed experts, k experts per token, H hidden size. act =
// Ops::activation_dtype().
#ifndef SWITCHYARD_KERNELS_ARGS_MOE_H_
#define SWITCHYARD_KERNELS_ARGS_MOE_H_

#include <cstdint>
#include <span>

#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// Bounds of E, k and num_groups.
inline constexpr int64_t kMaxExperts = 1024;
inline constexpr int64_t kMaxExpertsPerToken = 64;
inline constexpr int64_t kMaxExpertGroups = 64;

// The `noaux_tc` gate: sigmoid scores, bias for selection only, group mask by -inf, ties to the
// lower id.
struct GateArgs {
  TensorView logits;  // f32 [T, E]
  TensorView bias;    // f32 [E]
  int64_t num_groups = 1;
  int64_t top_groups = 1;
  bool normalize = true;
  float scale = 1;     // routed_scaling_factor
  TensorView ids;      // i32 [T, k], ascending: the slot order of the combine
  TensorView weights;  // f32 [T, k]
};

// y[t] = base[t] + sum over slots j, in order, of weights[t, j] * rows[row_of[t, j]]; FP32 sums,
// begun with slot 0, base added last.
struct CombineRowsArgs {
  TensorView rows;     // f32 or bf16 [M, H]
  TensorView row_of;   // i32 [T, k]
  TensorView weights;  // f32 [T, k]
  TensorView base;     // act [T, H]: the shared expert's output; may be empty
  TensorView y;        // act [T, H]
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_MOE_H_
