// The gate and the combine. Meaning and shapes: kernels/args/moe.h.
#ifndef SWITCHYARD_KERNELS_CUDA_MOE_H_
#define SWITCHYARD_KERNELS_CUDA_MOE_H_

#include "kernels/args/moe.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

void Gate(CudaContext& cuda, const GateArgs& args);
void CombineRows(CudaContext& cuda, const CombineRowsArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_MOE_H_
