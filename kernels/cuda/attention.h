// Latent attention, naive and absorbed, and grouped-query attention, over their paged caches.
// Meaning and shapes: kernels/args/attention.h, kernels/args/gqa.h. The cache is BF16. Softmax
// weights are rounded to BF16 before they multiply values; their sum is that of the unrounded ones.
#ifndef SWITCHYARD_KERNELS_CUDA_ATTENTION_H_
#define SWITCHYARD_KERNELS_CUDA_ATTENTION_H_

#include "kernels/args/attention.h"
#include "kernels/args/gqa.h"
#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

void LatentWrite(CudaContext& cuda, const LatentWriteArgs& args);
void LatentGather(CudaContext& cuda, const LatentGatherArgs& args);
void PrefillAttention(CudaContext& cuda, const PrefillAttentionArgs& args);
void DecodeAttention(CudaContext& cuda, const DecodeAttentionArgs& args);

void GqaWrite(CudaContext& cuda, const GqaWriteArgs& args);
void GqaPrefill(CudaContext& cuda, const GqaPrefillArgs& args);
void GqaDecode(CudaContext& cuda, const GqaDecodeArgs& args);

// Decode is a launch over splits of the keys and, where a row has several, one that merges their
// softmaxes: blocks that wait for others would hold processors that these need. Rows that need more
// than the bounds between them go in waves, each with its launches. Given bounds: for tests.
// REQUIRES: some rows.
void DecodeAttentionInWaves(CudaContext& cuda, const DecodeAttentionArgs& args,
                            const WaveBounds& bounds);
void GqaDecodeInWaves(CudaContext& cuda, const GqaDecodeArgs& args, const WaveBounds& bounds);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ATTENTION_H_
