// The gate, the combine, and the way of tokens to experts. Meaning and shapes: kernels/args/moe.h.
#ifndef SWITCHYARD_KERNELS_CUDA_MOE_H_
#define SWITCHYARD_KERNELS_CUDA_MOE_H_

#include "kernels/args/moe.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

void Gate(CudaContext& cuda, const GateArgs& args);
void CombineRows(CudaContext& cuda, const CombineRowsArgs& args);
void PlaceTokens(CudaContext& cuda, const PlaceTokensArgs& args);
void RouteTokens(CudaContext& cuda, const RouteTokensArgs& args);
void DispatchTokens(CudaContext& cuda, const DispatchTokensArgs& args);
void ReceiveTokens(CudaContext& cuda, const ReceiveTokensArgs& args);
void SelectRows(CudaContext& cuda, const SelectRowsArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_MOE_H_
