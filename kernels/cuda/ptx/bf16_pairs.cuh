// Arithmetic of two bf16 in a register, each rounded once to nearest even, subnormals kept. One
// function per instruction; meaning: PTX ISA, section 9.7.4.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_BF16_PAIRS_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_BF16_PAIRS_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda::ptx {

__device__ __forceinline__ uint32_t SubBf16(uint32_t a, uint32_t b) {
  uint32_t d;
  asm("sub.rn.bf16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}

__device__ __forceinline__ uint32_t MulBf16(uint32_t a, uint32_t b) {
  uint32_t d;
  asm("mul.rn.bf16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
  return d;
}

// a b + c.
__device__ __forceinline__ uint32_t FmaBf16(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t d;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_BF16_PAIRS_CUH_
