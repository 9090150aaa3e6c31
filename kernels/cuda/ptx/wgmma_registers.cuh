// Matrix products by a warpgroup whose A lies in registers and whose B lies in shared memory by
// rows: D (f32 registers) += A B. One function per instruction; meaning: PTX ISA, section 9.7.15.
//
// B and results are as in wgmma_rows.cuh. Of A, 64 x 16, each warp holds its 16 rows as mma.cuh has
// them.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_REGISTERS_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_REGISTERS_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda::ptx {

#define SY_OUT4(i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define SY_OUT16(i) SY_OUT4(i), SY_OUT4((i) + 4), SY_OUT4((i) + 8), SY_OUT4((i) + 12)

// 64 x 64 results, of BF16, 16 along K.
__device__ __forceinline__ void WgmmaRowsBf16(float (&d)[32], const uint32_t (&a)[4], uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "{%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
      : SY_OUT16(0), SY_OUT16(16)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

// 64 x 128 results.
__device__ __forceinline__ void WgmmaRowsBf16(float (&d)[64], const uint32_t (&a)[4], uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "{%64, %65, %66, %67}, %68, 1, 1, 1, 1;"
      : SY_OUT16(0), SY_OUT16(16), SY_OUT16(32), SY_OUT16(48)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

#undef SY_OUT4
#undef SY_OUT16

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_REGISTERS_CUH_
