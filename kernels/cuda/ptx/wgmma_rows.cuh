// Matrix products by a warpgroup whose B lies in shared memory by rows: D (f32 registers) += A B,
// without a transpose. One function per instruction; meaning: PTX ISA, section 9.7.15.
//
// A is as in wgmma.cuh. B has K rows; each panel of 64 columns is K-many rows of 128 bytes in the
// 128-byte swizzle. Results lie as in wgmma.cuh.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_ROWS_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_ROWS_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda::ptx {

// Of B at `address`, a multiple of 1024, with so many bytes from one panel to the next. 16 rows on
// is 2048 bytes on.
__device__ __forceinline__ uint64_t RowsDescriptor(uint32_t address, uint32_t panel_bytes) {
  constexpr uint64_t kGroupBytes = 1024;  // from 8 rows to the next 8
  constexpr uint64_t kSwizzle128 = 1;
  return static_cast<uint64_t>((address & 0x3ffff) >> 4) | uint64_t{panel_bytes >> 4} << 16 |
         kGroupBytes >> 4 << 32 | kSwizzle128 << 62;
}

#define SY_OUT4(i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define SY_OUT16(i) SY_OUT4(i), SY_OUT4((i) + 4), SY_OUT4((i) + 8), SY_OUT4((i) + 12)

// 64 x 128 results, of BF16, 16 along K.
__device__ __forceinline__ void WgmmaRowsBf16(float (&d)[64], uint64_t a, uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
      "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
      "%64, %65, 1, 1, 1, 0, 1;"
      : SY_OUT16(0), SY_OUT16(16), SY_OUT16(32), SY_OUT16(48)
      : "l"(a), "l"(b));
}

#undef SY_OUT4
#undef SY_OUT16

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_ROWS_CUH_
