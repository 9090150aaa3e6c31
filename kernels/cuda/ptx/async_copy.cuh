// Copies of 16 bytes from global to shared memory that a thread does not wait for. One function per
// instruction; meaning: PTX ISA, section 9.7.9.25.3.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_ASYNC_COPY_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_ASYNC_COPY_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda::ptx {

// Reads `num_bytes` (0 or 16) and fills up with zeros. REQUIRES: addresses are multiples of 16.
__device__ __forceinline__ void CopyAsync(uint32_t to, const void* from, uint32_t num_bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(num_bytes)
               : "memory");
}

// The copies that this thread issued since the last call become a group.
__device__ __forceinline__ void CommitCopies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

// Returns when at most kKeep groups of this thread are still on their way.
template <int kKeep>
__device__ __forceinline__ void WaitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kKeep) : "memory");
}

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_ASYNC_COPY_CUH_
