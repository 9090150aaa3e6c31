// Ops from logits to tokens. Meaning and shapes: kernels/args/logits.h. They wait for the device:
// their results are the host's.
#ifndef SWITCHYARD_KERNELS_CUDA_LOGITS_H_
#define SWITCHYARD_KERNELS_CUDA_LOGITS_H_

#include "kernels/args/logits.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

void EditLogits(CudaContext& cuda, const EditLogitsArgs& args);
void LogitMax(CudaContext& cuda, const LogitMaxArgs& args);
void LogitHistogram(CudaContext& cuda, const LogitHistogramArgs& args);
void LogitMassOf(CudaContext& cuda, const LogitMassArgs& args);
void LogitPick(CudaContext& cuda, const LogitPickArgs& args);
void LogitCollect(CudaContext& cuda, const LogitCollectArgs& args);
void LogitGather(CudaContext& cuda, const LogitGatherArgs& args);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_LOGITS_H_
