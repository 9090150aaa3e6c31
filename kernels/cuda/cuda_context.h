// What every launcher gets: the device and its stream, a way in for host arrays, working memory.
#ifndef SWITCHYARD_KERNELS_CUDA_CUDA_CONTEXT_H_
#define SWITCHYARD_KERNELS_CUDA_CUDA_CONTEXT_H_

#include "kernels/cuda/cuda_device.h"
#include "kernels/cuda/cuda_scratch.h"
#include "kernels/cuda/host_staging.h"
#include "kernels/cuda/upload_lane.h"

namespace switchyard::kernels::cuda {

struct CudaContext {
  explicit CudaContext(CudaDevice& cuda_device) : device(cuda_device) {}

  CudaDevice& device;
  HostStaging staging{device};
  UploadLane uploads{device};
  // Working memory, one piece for each use that may be live within one op.
  CudaScratch activations{device};   // rows in the form that products take them
  CudaScratch row_scales{device};    // their quantisation scales
  CudaScratch hidden{device};        // rows between the two halves of an MLP
  CudaScratch hidden_atoms{device};  // the same in the form of the second half
  CudaScratch hidden_scales{device};
  CudaScratch arrivals{device};   // all zeros between launches, see GemmJob
  CudaScratch sums{device};       // unfinished sums of products
  CudaScratch attention{device};  // unfinished softmaxes
  CudaScratch results{device};    // what an op hands to the host

  cudaStream_t stream() const { return device.stream(); }
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CUDA_CONTEXT_H_
