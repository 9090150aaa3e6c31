// The second kernel of decode attention: joins the softmaxes of a row's splits. A launch of its
// own, because splits of one row are blocks that end in any order, and the sum has one.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_MERGE_H_
#define SWITCHYARD_KERNELS_CUDA_DECODE_MERGE_H_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/decode_waves.h"

namespace switchyard::kernels::cuda {

struct DecodeMerges {
  const DecodeMerge* merges;
  int heads, width;             // of a head's values
  const float* partial_sums;    // [partials, heads, width]: values weighted, not yet divided
  const float2* partial_stats;  // [partials, heads]: maximum, sum of the weights
  const float* sinks;           // [heads]: of scores that have no value; may be null
  __nv_bfloat16* out;
  int64_t out_stride;
};

// Does nothing where no row of the wave has several splits.
void LaunchMerges(CudaContext& cuda, const DecodeWave& wave, const DecodeMerges& merges);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_MERGE_H_
