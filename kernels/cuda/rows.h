// Ops that walk rows: embedding, norm, rotary embedding, casts, sums. Meaning and shapes:
// kernels/args/elementwise.h.
#ifndef SWITCHYARD_KERNELS_CUDA_ROWS_H_
#define SWITCHYARD_KERNELS_CUDA_ROWS_H_

#include "kernels/args/elementwise.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

void Embedding(CudaContext& cuda, const EmbeddingArgs& args);
void RmsNorm(CudaContext& cuda, const RmsNormArgs& args);
void Add(CudaContext& cuda, const AddArgs& args);
void Rope(CudaContext& cuda, const RopeArgs& args);
void GatherRows(CudaContext& cuda, const GatherRowsArgs& args);
void Cast(CudaContext& cuda, const CastArgs& args);
void TreeSum(CudaContext& cuda, const TreeSumArgs& args);
void LargestPart(CudaContext& cuda, const LargestPartArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROWS_H_
