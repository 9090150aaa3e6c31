// The second kernel of decode attention: joins the softmaxes of a row's splits. A launch of its
// own, because splits of one row are blocks that end in any order, and the sum has one.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_MERGE_H_
#define SWITCHYARD_KERNELS_CUDA_DECODE_MERGE_H_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/decode_waves.h"

namespace switchyard::kernels::cuda {

// Where the rows of a decode op go.
struct DecodeOutput {
  const float* sinks;  // [heads]: of scores that have no value; may be null
  __nv_bfloat16* out;  // [rows, heads, width], rows `out_stride` elements apart
  int64_t out_stride;
};

// Of a wave whose splits are done. Does nothing where no row of it has several.
void LaunchMerges(CudaContext& cuda, const DecodeWave& wave, const StagedWave& staged,
                  const PartialShape& partial, const DecodeOutput& output);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_MERGE_H_
