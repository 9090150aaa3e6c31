// The CUDA backend as Ops. An op is one launch, but for products (linear.h), decode attention
// (attention.h) and EditLogits (logits.cu), which say there why not.
#ifndef SWITCHYARD_KERNELS_CUDA_CUDA_OPS_H_
#define SWITCHYARD_KERNELS_CUDA_CUDA_OPS_H_

#include <memory>

#include "kernels/cuda/cuda_device.h"
#include "kernels/ops.h"

namespace switchyard::kernels::cuda {

// `device` outlives the result. Activations are BF16.
std::unique_ptr<Ops> MakeCudaOps(CudaDevice& device);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CUDA_OPS_H_
