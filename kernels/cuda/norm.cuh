// Bodies of the RMS norm, alone and with the quantisation of what it makes. A block owns a row.
#ifndef SWITCHYARD_KERNELS_CUDA_NORM_CUH_
#define SWITCHYARD_KERNELS_CUDA_NORM_CUH_

#include <cuda_fp8.h>

#include "kernels/cuda/activation_scale.cuh"
#include "kernels/cuda/gemm_job.h"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kMaxNormThreads = 1024;

struct NormRows {
  Rows<__nv_bfloat16> x;
  Rows<const __nv_bfloat16> delta;  // data may be null
  const float* weight;
  float eps;
  Rows<__nv_bfloat16> y;  // data may be null where rows are quantised
};

// Adds delta and returns what the row is multiplied by; afterwards all threads see the row. The
// residual sum is rounded to its stored type first; the norm is of what was stored.
__device__ inline float AddAndScale(const NormRows& rows, float* partial) {
  __nv_bfloat16* const row = rows.x.data + blockIdx.x * rows.x.stride;
  float squares = 0;
  for (int64_t i = threadIdx.x; i < rows.x.width; i += blockDim.x) {
    float value = ToF32(row[i]);
    if (rows.delta.data != nullptr) {
      row[i] = FromF32<__nv_bfloat16>(value +
                                      ToF32(rows.delta.data[blockIdx.x * rows.delta.stride + i]));
      value = ToF32(row[i]);
    }
    squares = fmaf(value, value, squares);
  }
  const float mean = BlockSum(squares, partial) / static_cast<float>(rows.x.width);
  return 1.0f / sqrtf(mean + rows.eps);
}

inline __global__ void __launch_bounds__(kMaxNormThreads)
    RmsNormKernel(const __grid_constant__ NormRows rows) {
  __shared__ float partial[kMaxNormThreads / kWarpThreads];
  const float scale = AddAndScale(rows, partial);
  const __nv_bfloat16* const row = rows.x.data + blockIdx.x * rows.x.stride;
  __nv_bfloat16* const to = rows.y.data + blockIdx.x * rows.y.stride;
  for (int64_t i = threadIdx.x; i < rows.x.width; i += blockDim.x) {
    to[i] = FromF32<__nv_bfloat16>(rows.weight[i] * (ToF32(row[i]) * scale));
  }
}

// The grid has whole atoms: rows after the last one become zeros. A warp takes a group of 128
// columns; a lane has every 32nd of them, so that any width and place is read and written in whole
// sectors. What is quantised is the row as y holds it. Two of the widest blocks fit a
// multiprocessor.
inline __global__ void __launch_bounds__(kMaxNormThreads, 2)
    RmsNormQuantisedKernel(const __grid_constant__ NormRows rows, GemmActivations to, bool ue8m0) {
  constexpr int kColumns = static_cast<int>(kScaleColumns) / kWarpThreads;
  __shared__ float partial[kMaxNormThreads / kWarpThreads];
  const bool exists = blockIdx.x < rows.x.count;
  const __nv_bfloat16* const row = rows.x.data + blockIdx.x * rows.x.stride;
  const float scale = exists ? AddAndScale(rows, partial) : 0;
  __nv_bfloat16* const y =
      rows.y.data == nullptr ? nullptr : rows.y.data + blockIdx.x * rows.y.stride;
  const int width = static_cast<int>(rows.x.width);
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int row_of_atom = static_cast<int>(blockIdx.x) % kAtomRows;
  for (int begin = (static_cast<int>(threadIdx.x) - lane) * kColumns; begin < width;
       begin += static_cast<int>(blockDim.x) * kColumns) {
    __nv_bfloat16 values[kColumns];
    float amax = 0;
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {
      const int column = begin + i * kWarpThreads + lane;
      values[i] = FromF32<__nv_bfloat16>(0);
      if (column >= width || !exists) continue;
      values[i] = FromF32<__nv_bfloat16>(rows.weight[column] * (ToF32(row[column]) * scale));
      if (y != nullptr) y[column] = values[i];
      amax = fmaxf(amax, fabsf(ToF32(values[i])));
    }
    const float group_scale = ActivationScale(LanesAmax<kWarpThreads>(amax), ue8m0);
    const int64_t place =
        int64_t{begin / static_cast<int>(kScaleColumns)} * to.num_atoms + blockIdx.x / kAtomRows;
    uint8_t* const bytes = to.atoms + place * kAtomBytes;
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {
      const int byte = i * kWarpThreads + lane;
      bytes[SwizzledChunk(row_of_atom, byte / 16) + byte % 16] =
          __nv_cvt_float_to_fp8(ToF32(values[i]) / group_scale, __NV_SATFINITE, __NV_E4M3);
    }
    if (lane == 0) to.scales[place * kAtomRows + row_of_atom] = group_scale;
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_NORM_CUH_
