// Absorbed attention of a wave as its kernels see it.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_STEP_CUH_
#define SWITCHYARD_KERNELS_CUDA_DECODE_STEP_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/decode_waves.h"
#include "kernels/cuda/latent_cache.h"

namespace switchyard::kernels::cuda {

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
  const int32_t* tables;
  float* partial_sums;    // [partials, heads, latent_dim]: values weighted, not yet divided
  float2* partial_stats;  // [partials, heads]: maximum, sum of the weights
  __nv_bfloat16* out;
  int64_t out_stride;
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_STEP_CUH_
