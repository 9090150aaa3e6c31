// Matrix products by one warp, and the loads that lay out their operands. One function per
// instruction; meaning: PTX ISA, section 9.7.14.
//
// In what follows g is lane / 4 and i is 2 (lane % 4). A [16, 16]: a[0] holds row g, columns i and
// i + 1; a[1] row g + 8; a[2] and a[3] the same, 8 columns on. B [16, 8]: b[0] holds column g, rows
// i and i + 1; b[1] 8 rows on. D [16, 8]: d[0], d[1] row g, columns i and i + 1; d[2], d[3] row g +
// 8.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_MMA_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_MMA_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda::ptx {

// Matrices of 8 rows of 16 bytes, at any places of shared memory: lane 8 m + r has the address of
// row r of matrix m. to[m]: elements i and i + 1 of row g.
__device__ __forceinline__ void LoadMatrices(uint32_t (&to)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}
// Two; lanes 16 and up are not asked.
__device__ __forceinline__ void LoadMatrices(uint32_t (&to)[2], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1])
               : "r"(row)
               : "memory");
}
// Transposed: to[m] holds column g, rows i and i + 1.
__device__ __forceinline__ void LoadTransposed(uint32_t (&to)[4], uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}

// D += A B, of BF16, in F32.
__device__ __forceinline__ void MmaBf16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0,
                                        uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_MMA_CUH_
