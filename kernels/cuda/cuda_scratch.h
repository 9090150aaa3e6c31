// Device memory that an op keeps between calls: it grows while the first, largest steps run, and
// never shrinks.
#ifndef SWITCHYARD_KERNELS_CUDA_CUDA_SCRATCH_H_
#define SWITCHYARD_KERNELS_CUDA_CUDA_SCRATCH_H_

#include <cstdint>

#include "kernels/cuda/cuda_device.h"

namespace switchyard::kernels::cuda {

// What it held is lost when it grows. One op uses it at a time: ops run in stream order.
class CudaScratch {
 public:
  explicit CudaScratch(CudaDevice& device) : device_(device) {}

  // Room for `count` elements, aligned to 256 bytes; contents undefined.
  template <typename T>
  T* Reserve(int64_t count) {
    const int64_t num_bytes = count * static_cast<int64_t>(sizeof(T));
    if (num_bytes > memory_.num_bytes()) {
      device_.Synchronize();  // ops under way still use the old memory
      memory_ = Buffer();
      memory_ = device_.Allocate(num_bytes);
      device_.CountMove();
    }
    return static_cast<T*>(memory_.data());
  }

 private:
  CudaDevice& device_;
  Buffer memory_;
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CUDA_SCRATCH_H_
