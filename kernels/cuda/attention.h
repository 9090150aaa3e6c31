// Latent attention, naive and absorbed, and grouped-query attention, over their paged caches.
// Meaning and shapes: kernels/args/attention.h, kernels/args/gqa.h. The cache is BF16. Softmax
// weights are rounded to BF16 before they multiply values; their sum is that of the unrounded ones.
#ifndef SWITCHYARD_KERNELS_CUDA_ATTENTION_H_
#define SWITCHYARD_KERNELS_CUDA_ATTENTION_H_

#include "kernels/args/attention.h"
#include "kernels/args/gqa.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

void LatentWrite(CudaContext& cuda, const LatentWriteArgs& args);
void LatentGather(CudaContext& cuda, const LatentGatherArgs& args);
void PrefillAttention(CudaContext& cuda, const PrefillAttentionArgs& args);
void DecodeAttention(CudaContext& cuda, const DecodeAttentionArgs& args);

void GqaWrite(CudaContext& cuda, const GqaWriteArgs& args);
void GqaPrefill(CudaContext& cuda, const GqaPrefillArgs& args);
void GqaDecode(CudaContext& cuda, const GqaDecodeArgs& args);

// Decode with memory for so many unfinished softmaxes, each of all heads over one run of keys:
// rows that have more between them go one after the other. For tests. REQUIRES: some rows.
void DecodeAttentionInWaves(CudaContext& cuda, const DecodeAttentionArgs& args,
                            int64_t max_partials);
void GqaDecodeInWaves(CudaContext& cuda, const GqaDecodeArgs& args, int64_t max_partials);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ATTENTION_H_
