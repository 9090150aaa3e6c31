// Opens a GPU. Apart from cuda_device.h because nvcc does not read what absl::Status needs.
#ifndef SWITCHYARD_KERNELS_CUDA_OPEN_DEVICE_H_
#define SWITCHYARD_KERNELS_CUDA_OPEN_DEVICE_H_

#include <memory>

#include "base/status.h"
#include "kernels/cuda/cuda_device.h"

namespace switchyard::kernels::cuda {

// NOT_FOUND where there is no such device or others hold it, UNIMPLEMENTED for one that is no
// Hopper.
absl::StatusOr<std::unique_ptr<CudaDevice>> OpenDevice(int ordinal);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_OPEN_DEVICE_H_
