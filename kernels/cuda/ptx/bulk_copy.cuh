// Copies by the TMA unit, and the fence between its view of memory and that of ordinary stores. One
// function per instruction; meaning: PTX ISA, sections 9.7.9.25 and 9.7.13.4.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_BULK_COPY_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_BULK_COPY_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda::ptx {

// Consecutive bytes from global to shared memory; they count at `barrier` when they have landed.
// REQUIRES: addresses and num_bytes are multiples of 16.
__device__ __forceinline__ void BulkLoad(uint32_t to, const void* from, uint32_t num_bytes,
                                         uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(to),
      "l"(from), "r"(num_bytes), "r"(barrier)
      : "memory");
}

// Makes this thread's stores to shared memory visible to wgmma and TMA, which must then be ordered
// behind by a barrier.
__device__ __forceinline__ void FenceProxyAsync() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_BULK_COPY_CUH_
