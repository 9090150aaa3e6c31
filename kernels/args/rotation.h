// How an op that caches keys rotates them on the way.
#ifndef SWITCHYARD_KERNELS_ARGS_ROTATION_H_
#define SWITCHYARD_KERNELS_ARGS_ROTATION_H_

#include <cstdint>
#include <span>

#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// As RopeArgs says it. The keys of a token that has a slot are rotated in place, then cached: the
// bits of a Rope before the write, in one pass over them. Those of a token without a slot may stay
// as they are.
struct KeyRotation {
  std::span<const int32_t> positions;  // T
  TensorView table;  // f32 [max_positions, E]: of the first E elements of a head; null: no rotation
  bool halves = false;

  bool empty() const { return table.empty(); }
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_ROTATION_H_
