// A row's tile of K on its way into the form of a product: some lanes own it, eight columns a lane.
#ifndef SWITCHYARD_KERNELS_CUDA_QUANTISE_LANES_CUH_
#define SWITCHYARD_KERNELS_CUDA_QUANTISE_LANES_CUH_

#include <cuda_fp8.h>

#include "kernels/cuda/activation_scale.cuh"
#include "kernels/cuda/gemm_job.h"

namespace switchyard::kernels::cuda {

inline constexpr int kLaneColumns = 8;

// Columns [first, first + 8) of `row`, zeros from `end` on.
__device__ inline void LoadColumns(const __nv_bfloat16* row, int first, int end,
                                   __nv_bfloat16 (&values)[kLaneColumns]) {
  const __nv_bfloat16* const from = row + first;
  if (first + kLaneColumns <= end && reinterpret_cast<uintptr_t>(from) % sizeof(uint4) == 0) {
    const uint4 words = *reinterpret_cast<const uint4*>(from);
    *reinterpret_cast<uint4*>(values) = words;
    return;
  }
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) {
    values[i] = first + i < end ? from[i] : __float2bfloat16_rn(0.0f);
  }
}

__device__ inline float AmaxOf(const __nv_bfloat16 (&values)[kLaneColumns]) {
  float amax = 0;
#pragma unroll
  for (int i = 0; i < kLaneColumns; ++i) amax = fmaxf(amax, fabsf(__bfloat162float(values[i])));
  return amax;
}

struct LanePlace {
  int row_of_atom, lane;  // of 16
};

// The codes of a lane, and by its first lane the row's scale, in atom `place` of `to`.
__device__ inline void StoreCodes(const __nv_bfloat16 (&values)[kLaneColumns], float scale,
                                  const GemmActivations& to, int64_t place, const LanePlace& at) {
  __nv_fp8x2_storage_t codes[kLaneColumns / 2];
#pragma unroll
  for (int i = 0; i < kLaneColumns / 2; ++i) {
    const float2 pair{__bfloat162float(values[2 * i]) / scale,
                      __bfloat162float(values[2 * i + 1]) / scale};
    codes[i] = __nv_cvt_float2_to_fp8x2(pair, __NV_SATFINITE, __NV_E4M3);
  }
  uint8_t* const bytes = to.atoms + place * kAtomBytes;
  *reinterpret_cast<uint2*>(bytes + SwizzledChunk(at.row_of_atom, at.lane / 2) +
                            at.lane % 2 * 8) = {codes[0] | uint32_t{codes[1]} << 16,
                                                codes[2] | uint32_t{codes[3]} << 16};
  if (at.lane == 0) to.scales[place * kAtomRows + at.row_of_atom] = scale;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_QUANTISE_LANES_CUH_
