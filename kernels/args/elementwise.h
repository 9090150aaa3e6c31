// Ops that walk rows. Symbols: T tokens, H hidden size, V rows of a vocabulary shard. act =
// Ops::activation_dtype().
#ifndef SWITCHYARD_KERNELS_ARGS_ELEMENTWISE_H_
#define SWITCHYARD_KERNELS_ARGS_ELEMENTWISE_H_

#include <cstdint>
#include <span>

#include "kernels/args/quantised.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// y[t] = scale * table[ids[t] - first_row], or zeros where that row is not in this shard.
struct EmbeddingArgs {
  std::span<const int32_t> ids;  // T
  TensorView table;              // f32, f16 or bf16 [V, H]
  int64_t first_row = 0;         // vocabulary id of table[0]
  float scale = 1;
  TensorView y;  // act [T, H]
};

// y = weight * x / sqrt(mean(x^2) + eps), FP32 inside. With `delta`, first x += delta (the residual
// sum), in place. With `quantised`, also y quantised, or that alone.
struct RmsNormArgs {
  TensorView x;       // act [T, H]; written only when delta is given
  TensorView delta;   // act [T, H]; may be empty
  TensorView weight;  // f32 [H]
  float eps = 0;
  TensorView y;  // act [T, H]; may be x when delta is empty; may be empty when quantised is not
  QuantisedRows quantised;    // of T rows, H columns; may be empty
  bool ue8m0_scales = false;  // of quantised: scales are powers of two
};

// x += delta.
struct AddArgs {
  TensorView x;      // act [T, H]
  TensorView delta;  // act or f32 [T, H]; row stride 0: one row for every t
};

// Rotary embedding in place: pair i of each head is (x[2i], x[2i + 1]) (MODEL_SPECS 1.6) or, with
// `halves`, (x[i], x[D/2 + i]) (MODEL_SPECS 5).
struct RopeArgs {
  TensorView x;  // act [T, heads, D], row stride free
  int64_t head_stride =
      0;  // elements from head to head; 0: D. Lets x be the rope part of wider heads.
  std::span<const int32_t> positions;  // T
  // f32 [max_positions, D]: cos and sin of each pair, placed as the pair is.
  TensorView table;
  bool halves = false;
};

// y[i] = x[rows[i]].
struct GatherRowsArgs {
  TensorView x;                   // any type [T, H]
  std::span<const int32_t> rows;  // M, each < T
  TensorView y;                   // the type of x [M, H]
};

// y = x in another type (f32 <-> bf16; to nearest even).
struct CastArgs {
  TensorView x;  // f32 or bf16 [T, H]
  TensorView y;  // f32 or bf16 [T, H]
};

// y = the balanced binary tree sum of parts[0 .. P - 1], P a power of two: (p0 + p1) + (p2 + p3)
// ...
struct TreeSumArgs {
  TensorView parts;  // f32 [P, n]
  TensorView y;      // act or f32 [n]; may be parts[0]
};

// y = the largest of parts[0 .. P - 1], a NaN where any is one.
struct LargestPartArgs {
  TensorView parts;  // f32 [P, n], P at least 1
  TensorView y;      // f32 [n]; may be parts[0]
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_ELEMENTWISE_H_
