// How a gated MLP joins its halves.
#ifndef SWITCHYARD_KERNELS_ARGS_GATING_H_
#define SWITCHYARD_KERNELS_ARGS_GATING_H_

#include <cstdint>

namespace switchyard::kernels {

// Of gate g and up u, in FP32:
//   kSilu           silu(g) * u
//   kGeluTanh       gelu(g) * u, gelu by its tanh form (MODEL_SPECS 8b)
//   kClampedSwiglu  g' sigmoid(1.702 g') (u' + 1), g' = min(g, limit), u' = u clamped to +-limit
//                   (MODEL_SPECS 8)
enum class GateFunction : uint8_t { kSilu, kGeluTanh, kClampedSwiglu };
inline constexpr int kNumGateFunctions = 3;

struct Gating {
  GateFunction function = GateFunction::kSilu;
  float limit = 0;  // of kClampedSwiglu
  bool operator==(const Gating&) const = default;
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_GATING_H_
