// The CUDA backend as Ops.
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
