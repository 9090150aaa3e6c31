// The rotation of a head's pairs (MODEL_SPECS 1.6 and 5), in place and on the way into a cache.
#ifndef SWITCHYARD_KERNELS_CUDA_ROPE_CUH_
#define SWITCHYARD_KERNELS_CUDA_ROPE_CUH_

#include "kernels/args/rotation.h"
#include "kernels/cuda/rows_common.cuh"
#include "kernels/cuda/staged_slots.h"

namespace switchyard::kernels::cuda {

// Every step is rounded as it stands here: the assembler joins none, and all places get one result.
__device__ inline __nv_bfloat162 RotatePair(const __nv_bfloat162& pair, const float2& angle) {
  const float a = ToF32(pair.x), b = ToF32(pair.y);
  const float first = __fsub_rn(__fmul_rn(a, angle.x), __fmul_rn(b, angle.y));
  const float second = __fmaf_rn(a, angle.y, __fmul_rn(b, angle.x));
  return {FromF32<__nv_bfloat16>(first), FromF32<__nv_bfloat16>(second)};
}

struct Rotary {
  const int32_t* positions;  // of tokens
  const float* table;        // f32 [positions, dim]; null: nothing is rotated
  int64_t dim;
  bool halves;       // the second of a pair stands in the second half
  bool whole_pairs;  // pairs of all heads and of the table stand together and are aligned

  __device__ int64_t pairs() const { return dim / 2; }
  __device__ int64_t First(int64_t pair) const { return halves ? pair : 2 * pair; }
  __device__ int64_t ToSecond() const { return halves ? pairs() : 1; }

  // A pair of `head`, which is of token `token`, rotated.
  __device__ __nv_bfloat162 Turned(const __nv_bfloat16* head, int64_t token, int64_t pair) const {
    const float* const angle = table + positions[token] * dim + First(pair);
    const __nv_bfloat16* const at = head + First(pair);
    if (whole_pairs) {
      const uint32_t bits = *reinterpret_cast<const uint32_t*>(at);  // one load
      return RotatePair(reinterpret_cast<const __nv_bfloat162&>(bits),
                        *reinterpret_cast<const float2*>(angle));
    }
    return RotatePair({at[0], at[ToSecond()]}, {angle[0], angle[ToSecond()]});
  }
  __device__ void Put(__nv_bfloat16* head, int64_t pair, const __nv_bfloat162& turned) const {
    __nv_bfloat16* const at = head + First(pair);
    if (whole_pairs) {
      *reinterpret_cast<__nv_bfloat162*>(at) = turned;
      return;
    }
    at[0] = turned.x;
    at[ToSecond()] = turned.y;
  }
};

// `even`: pairs that stand together are aligned in all heads.
inline Rotary RotaryOf(CudaContext& cuda, const KeyRotation& rotation, bool even) {
  if (rotation.empty()) return {};
  const auto table = reinterpret_cast<uintptr_t>(rotation.table.data);
  return {.positions = StagePositions(cuda, rotation.positions, rotation.table.rows()),
          .table = static_cast<const float*>(rotation.table.data),
          .dim = rotation.table.dims[1],
          .halves = rotation.halves,
          .whole_pairs = even && !rotation.halves && table % sizeof(float2) == 0};
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROPE_CUH_
