// The inner loops of row ops, one table per instruction set. Each function walks one row and does
// no checking: the ops (rows.cc, latent_cache.cc, moe_combine.cc) know the shapes.
#ifndef SWITCHYARD_KERNELS_CPU_ROW_KERNELS_H_
#define SWITCHYARD_KERNELS_CPU_ROW_KERNELS_H_

#include <cstdint>

#include "kernels/cpu/cpu_context.h"
#include "kernels/dtype.h"

namespace switchyard::kernels::cpu {

// One token's sum over its experts' rows; see CombineRowsArgs. All pointers are at the first column
// of the piece to be done.
template <typename T>
struct WeightedSum {
  const T* const* rows;  // num_slots
  const float* weights;  // num_slots
  int64_t num_slots;     // at least 1
  const float* base;     // may be null
  float* y;
  int64_t num_columns;
};

struct RowKernels {
  void (*widen_bf16)(const Bf16* x, float* y, int64_t n);
  void (*widen_f16)(const F16* x, float* y, int64_t n);
  void (*narrow_bf16)(const float* x, Bf16* y, int64_t n);
  // x += delta
  void (*add)(float* x, const float* delta, int64_t n);
  void (*scale)(float* x, float factor, int64_t n);
  // x += delta unless delta is null; y = weight * x / sqrt(mean(x^2) + eps)
  void (*rms_norm)(float* x, const float* delta, const float* weight, float eps, float* y,
                   int64_t n);
  // Pairs (x[2i], x[2i + 1]) turned by (cos, sin) = (table[2i], table[2i + 1]).
  void (*rope)(float* x, const float* table, int64_t n);
  // The same of pairs (x[i], x[n / 2 + i]), table alike.
  void (*rope_halves)(float* x, const float* table, int64_t n);
  // y = balanced tree sum of num_parts rows, `stride` apart; num_parts is a power of two.
  void (*tree_sum)(const float* parts, int64_t num_parts, int64_t stride, float* y, int64_t n);
  void (*weighted_sum_f32)(const WeightedSum<float>& args);
  void (*weighted_sum_bf16)(const WeightedSum<Bf16>& args);
};

const RowKernels& RowKernelsOf(Isa isa);

extern const RowKernels kRowKernelsPortable;
extern const RowKernels kRowKernelsAvx2;    // x86-64 alone
extern const RowKernels kRowKernelsAvx512;  // x86-64 alone

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROW_KERNELS_H_
