// Barriers: mbarriers in shared memory, which also count the bytes of copies, and named barriers of
// some warps of a block. One function per instruction; meaning: PTX ISA, section 9.7.13.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_MBARRIER_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_MBARRIER_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda::ptx {

// The address of shared memory that other instructions take.
__device__ __forceinline__ uint32_t SharedAddress(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// A phase of `barrier` (8 bytes, aligned) ends after `count` arrivals and the bytes expected.
__device__ __forceinline__ void InitMbarrier(uint32_t barrier, uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
}

// Between InitMbarrier and the block's barrier: copies see the initialised barriers too.
__device__ __forceinline__ void FenceMbarrierInit() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ __forceinline__ void Arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// Arrives, and the phase also waits for so many bytes of copies.
__device__ __forceinline__ void ArriveExpectBytes(uint32_t barrier, uint32_t num_bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier),
               "r"(num_bytes)
               : "memory");
}

// True when the phase of this parity has ended; may sleep a while before it says false.
__device__ __forceinline__ bool TryWait(uint32_t barrier, uint32_t parity) {
  uint32_t done;
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
      "selp.u32 %0, 1, 0, done;\n"
      "}"
      : "=r"(done)
      : "r"(barrier), "r"(parity)
      : "memory");
  return done != 0;
}

__device__ __forceinline__ void Wait(uint32_t barrier, uint32_t parity) {
  while (!TryWait(barrier, parity)) {
  }
}

// Barrier `id` (1 to 15; 0 is __syncthreads) of the `num_threads` threads that call it, whole
// warps.
__device__ __forceinline__ void SyncNamed(uint32_t id, uint32_t num_threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(num_threads) : "memory");
}

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_MBARRIER_CUH_
