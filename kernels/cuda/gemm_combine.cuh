// Adds the sums of virtual shards as a balanced binary tree, then does what else makes a sum a
// result.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_COMBINE_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_COMBINE_CUH_

#include "kernels/cuda/choose/gemm_tile.h"
#include "kernels/cuda/gemm_common.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kMaxPartLevels = 10;
static_assert(kMostPartsBeside < 1 << kMaxPartLevels);

// The tree over parts[i * stride], i < num_parts, a power of two: pending[l] is a finished tree of
// 2^l parts.
__device__ inline float TreeOf(const float* parts, int num_parts, int64_t stride) {
  float pending[kMaxPartLevels];
  float sum = 0;
  for (int part = 0; part < num_parts; ++part) {
    sum = parts[part * stride];
    bool placed = false;
#pragma unroll  // `pending` stays in registers
    for (int level = 0; level < kMaxPartLevels; ++level) {
      const bool full = (part >> level & 1) != 0;
      if (!placed && full) sum = pending[level] + sum;
      if (!placed && !full) pending[level] = sum;
      placed = placed || !full;
    }
  }
  return sum;
}

// The column of `sums` that holds an output, of a gate-up weight its gate; up is kAtomRows on.
__device__ inline int SumColumn(int output, bool gate_up) {
  return gate_up ? output / kAtomRows * (2 * kAtomRows) + output % kAtomRows : output;
}

// blockIdx.y: the job; its outputs are walked in strides of the grid.
__global__ void CombineKernel(const __grid_constant__ JobList<GemmJob> jobs) {
  const GemmJob job = jobs.many == nullptr ? jobs.single : jobs.many[blockIdx.y];
  if (job.sums == nullptr) return;
  const GemmWeight& weight = job.weight;
  const int64_t width = int64_t{weight.row_tiles} * kTileRows;
  const int64_t part_stride = job.rows * width;
  const int64_t count = int64_t{job.rows} * weight.n;
  const bool gate_up = weight.gate_up != 0;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count;
       i += int64_t{gridDim.x} * blockDim.x) {
    const int64_t row = i / weight.n;
    const int output = static_cast<int>(i % weight.n);
    const float* const parts = job.sums + row * width + SumColumn(output, gate_up);
    float value = TreeOf(parts, weight.parts, part_stride);
    if (gate_up) {
      value = Gated(weight, output, value, TreeOf(parts + kAtomRows, weight.parts, part_stride));
    } else if (weight.bias != nullptr) {
      value += weight.bias[output];
    }
    const int64_t to = row * job.y_stride + output;
    if (job.y_is_f32 != 0) {
      static_cast<float*>(job.y)[to] = value;
    } else {
      static_cast<__nv_bfloat16*>(job.y)[to] = FromF32<__nv_bfloat16>(value);
    }
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_COMBINE_CUH_
