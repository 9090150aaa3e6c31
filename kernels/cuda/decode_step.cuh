// What absorbed attention's two kernels share, and the second of them, which merges the splits of a
// row.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_STEP_CUH_
#define SWITCHYARD_KERNELS_CUDA_DECODE_STEP_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/latent_cache.h"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

// Work of a block.
struct DecodeSplit {
  int32_t row;
  int32_t begin, end;  // keys, by position
  int32_t table;       // place of the sequence's first block in DecodeStep::tables
  int32_t partial;     // where its softmax goes; below 0: it is the only split, and writes `out`
};

// A row whose softmax has come in several pieces, one after the other.
struct DecodeMerge {
  int32_t row;
  int32_t first_partial;
  int32_t num_partials;
};

struct DecodeStep {
  const __nv_bfloat16* qa;
  int64_t qa_stride;
  const __nv_bfloat16* q_pe;
  int64_t q_pe_stride, q_pe_head_stride;
  int heads, latent_dim, rope_dim;
  bool fast_queries, fast_keys;  // multiples of 16 bytes throughout
  LatentCache cache;
  float scale_log2;  // softmax scale, for powers of 2
  const DecodeSplit* splits;
  const DecodeMerge* merges;
  const int32_t* tables;
  float* partial_sums;    // [partials, heads, latent_dim]: values weighted, not yet divided
  float2* partial_stats;  // [partials, heads]: maximum, sum of the weights
  __nv_bfloat16* out;
  int64_t out_stride;
};

// Grid: rows, heads. A row's splits are added in their order, all relative to the highest maximum.
inline __global__ void DecodeMergeKernel(const __grid_constant__ DecodeStep step) {
  const DecodeMerge merge = step.merges[blockIdx.x];
  if (merge.num_partials == 0) return;  // room that is not used
  const int64_t head = blockIdx.y, heads = step.heads, latent_dim = step.latent_dim;
  const float2* const stats = step.partial_stats + merge.first_partial * heads + head;
  const float* const sums = step.partial_sums + (merge.first_partial * heads + head) * latent_dim;
  float max = -INFINITY;
  for (int i = 0; i < merge.num_partials; ++i) max = fmaxf(max, stats[i * heads].x);
  __nv_bfloat16* const out = step.out + merge.row * step.out_stride + head * latent_dim;
  for (int64_t column = threadIdx.x; column < latent_dim; column += blockDim.x) {
    float sum = 0, total = 0;
#pragma unroll 4
    for (int i = 0; i < merge.num_partials; ++i) {
      const float2 of_split = stats[i * heads];
      const float weight = exp2f(of_split.x - max);
      total = fmaf(weight, of_split.y, total);
      sum = fmaf(weight, sums[i * heads * latent_dim + column], sum);
    }
    out[column] = FromF32<__nv_bfloat16>(sum / total);
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_STEP_CUH_
