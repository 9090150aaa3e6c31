// Registers that warpgroups of a block hand to each other. One function per instruction; meaning:
// PTX ISA, section 9.7.19.5.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_REGISTERS_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_REGISTERS_CUH_

namespace switchyard::kernels::cuda::ptx {

// Waits until the block has so many for each thread of this warpgroup. REQUIRES: a multiple of 8;
// a whole warpgroup calls.
template <int kRegisters>
__device__ __forceinline__ void GrowRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

template <int kRegisters>
__device__ __forceinline__ void ShrinkRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
}

// threadIdx.x, read where it stands: what is computed of it is not kept from one round of a loop to
// the next.
__device__ __forceinline__ uint32_t ThreadReadAnew() {
  uint32_t thread;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
  return thread;
}

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_REGISTERS_CUH_
