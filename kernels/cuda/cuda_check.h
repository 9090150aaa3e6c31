// What the CUDA runtime answers. A call that fails after the device was opened is a bug of ours or
// a broken device: there is nothing to recover, so it aborts and names the call.
#ifndef SWITCHYARD_KERNELS_CUDA_CUDA_CHECK_H_
#define SWITCHYARD_KERNELS_CUDA_CUDA_CHECK_H_

#include <cuda_runtime_api.h>

#include "base/check.h"

#define SY_CUDA_CHECK(call)                                                                       \
  do {                                                                                            \
    const cudaError_t sy_cuda_error = (call);                                                     \
    SY_CHECK(sy_cuda_error == cudaSuccess) << #call << ": " << cudaGetErrorString(sy_cuda_error); \
  } while (false)

#endif  // SWITCHYARD_KERNELS_CUDA_CUDA_CHECK_H_
