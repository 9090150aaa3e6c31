// Matrix products by a warpgroup: D (f32 registers) = A B^T, or added to D, both operands in shared
// memory. One function per instruction; meaning: PTX ISA, section 9.7.15.
//
// Operands are K-major rows of 128 bytes in the 128-byte swizzle: groups of 8 rows (1 KiB,
// aligned), one after the other, in which 16-byte chunk c of row r lies at place c ^ r. A has 64
// rows, B has kN. A step of 32 bytes along K adds kDescriptorStep to a descriptor.
//
// Of the 64 x kN results, thread t of the warpgroup holds, at index 4 j + i, row
// 16 (t / 32) + t % 32 / 4 + 8 (i / 2) and column 8 j + 2 (t % 4) + i % 2.
#ifndef SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_CUH_
#define SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda::ptx {

// Before the first product, and before one whose registers were touched since.
__device__ __forceinline__ void WgmmaFence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

// The products issued since the last call become a group.
__device__ __forceinline__ void WgmmaCommit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

// Returns when at most kKeep groups are still running.
template <int kKeep>
__device__ __forceinline__ void WgmmaWait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kKeep) : "memory");
}

// The registers are written by products under way: the compiler must not move their use or reuse
// across this point.
__device__ __forceinline__ void HoldRegister(float& value) {
  asm volatile("" : "+f"(value)::"memory");
}

inline constexpr uint64_t kDescriptorStep = 32 >> 4;

// Of an operand at `address`, a multiple of 1024.
__device__ __forceinline__ uint64_t OperandDescriptor(uint32_t address) {
  constexpr uint64_t kGroupBytes = 1024;  // from 8 rows to the next 8
  constexpr uint64_t kSwizzle128 = 1;
  return static_cast<uint64_t>((address & 0x3ffff) >> 4) | uint64_t{1} << 16 |
         kGroupBytes >> 4 << 32 | kSwizzle128 << 62;
}

// D = A B^T (+ D where `add`), for kN columns: kN / 2 registers of each thread.
template <int kN>
struct Wgmma;

#define SY_OUT4(i) "+f"(d[i]), "+f"(d[(i) + 1]), "+f"(d[(i) + 2]), "+f"(d[(i) + 3])
#define SY_OUT8(i) SY_OUT4(i), SY_OUT4((i) + 4)
#define SY_OUT16(i) SY_OUT8(i), SY_OUT8((i) + 8)
#define SY_OUT32(i) SY_OUT16(i), SY_OUT16((i) + 16)
#define SY_OUT64(i) SY_OUT32(i), SY_OUT32((i) + 32)

#define SY_REGISTERS_4 "%0, %1, %2, %3"
#define SY_REGISTERS_8 \
  SY_REGISTERS_4       \
  ", "                 \
  "%4, %5, %6, %7"
#define SY_REGISTERS_16 \
  SY_REGISTERS_8        \
  ", "                  \
  "%8, %9, %10, %11, %12, %13, %14, %15"
#define SY_REGISTERS_32 \
  SY_REGISTERS_16       \
  ", "                  \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define SY_REGISTERS_64                                                              \
  SY_REGISTERS_32                                                                    \
  ", "                                                                               \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
// `o0` to `o5`: the operands behind D's registers. Bf16Left: A lies in registers, each warp's 16
// rows of a step as mma.cuh has them.
#define SY_WGMMA(columns, registers, o0, o1, o2, o3, o4, o5)                                     \
  template <>                                                                                    \
  struct Wgmma<columns> {                                                                        \
    using Sums = float[registers];                                                               \
    __device__ __forceinline__ static void E4m3(Sums& d, uint64_t a, uint64_t b, int add) {      \
      asm volatile(                                                                              \
          "{\n"                                                                                  \
          ".reg .pred add;\n"                                                                    \
          "setp.ne.b32 add, " o2                                                                 \
          ", 0;\n"                                                                               \
          "wgmma.mma_async.sync.aligned.m64n" #columns                                           \
          "k32.f32.e4m3.e4m3 {" SY_REGISTERS_##registers "}, " o0 ", " o1                        \
                                                         ", add, 1, 1;\n"                        \
                                                         "}"                                     \
          : SY_OUT##registers(0)                                                                 \
          : "l"(a), "l"(b), "r"(add));                                                           \
    }                                                                                            \
    __device__ __forceinline__ static void Bf16(Sums& d, uint64_t a, uint64_t b, int add) {      \
      asm volatile(                                                                              \
          "{\n"                                                                                  \
          ".reg .pred add;\n"                                                                    \
          "setp.ne.b32 add, " o2                                                                 \
          ", 0;\n"                                                                               \
          "wgmma.mma_async.sync.aligned.m64n" #columns                                           \
          "k16.f32.bf16.bf16 {" SY_REGISTERS_##registers "}, " o0 ", " o1                        \
                                                         ", add, 1, 1, 0, 0;\n"                  \
                                                         "}"                                     \
          : SY_OUT##registers(0)                                                                 \
          : "l"(a), "l"(b), "r"(add));                                                           \
    }                                                                                            \
    __device__ __forceinline__ static void Bf16Left(Sums& d, const uint32_t (&a)[4], uint64_t b, \
                                                    int add) {                                   \
      asm volatile(                                                                              \
          "{\n"                                                                                  \
          ".reg .pred add;\n"                                                                    \
          "setp.ne.b32 add, " o5                                                                 \
          ", 0;\n"                                                                               \
          "wgmma.mma_async.sync.aligned.m64n" #columns                                           \
          "k16.f32.bf16.bf16 {" SY_REGISTERS_##registers "}, {" o0 ", " o1 ", " o2 ", " o3       \
                                                         "}, " o4                                \
                                                         ", add, 1, 1, 0;\n"                     \
                                                         "}"                                     \
          : SY_OUT##registers(0)                                                                 \
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));                       \
    }                                                                                            \
  }

SY_WGMMA(8, 4, "%4", "%5", "%6", "%7", "%8", "%9");
SY_WGMMA(16, 8, "%8", "%9", "%10", "%11", "%12", "%13");
SY_WGMMA(32, 16, "%16", "%17", "%18", "%19", "%20", "%21");
SY_WGMMA(64, 32, "%32", "%33", "%34", "%35", "%36", "%37");
SY_WGMMA(128, 64, "%64", "%65", "%66", "%67", "%68", "%69");

#undef SY_OUT4
#undef SY_REGISTERS_4
#undef SY_OUT8
#undef SY_REGISTERS_8
#undef SY_OUT16
#undef SY_REGISTERS_16
#undef SY_OUT32
#undef SY_REGISTERS_32
#undef SY_OUT64
#undef SY_REGISTERS_64
#undef SY_WGMMA

}  // namespace switchyard::kernels::cuda::ptx

#endif  // SWITCHYARD_KERNELS_CUDA_PTX_WGMMA_CUH_
