// What kernels over rows share: activations in and out, sums over a block of threads.
#ifndef SWITCHYARD_KERNELS_CUDA_ROWS_COMMON_CUH_
#define SWITCHYARD_KERNELS_CUDA_ROWS_COMMON_CUH_

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/dtype.h"

namespace switchyard::kernels::cuda {

inline constexpr int kWarpThreads = 32;

// Elements [count, width] at a free row stride; `data` may be null.
template <typename T>
struct Rows {
  T* data;
  int64_t count;
  int64_t width;
  int64_t stride;
};

__device__ inline float ToF32(float value) { return value; }
__device__ inline float ToF32(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ inline float ToF32(__half value) { return __half2float(value); }

// To nearest even.
template <typename T>
__device__ T FromF32(float value);
template <>
__device__ inline float FromF32<float>(float value) {
  return value;
}
template <>
__device__ inline __nv_bfloat16 FromF32<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

// Calls `body` with a value of the element type of `dtype`, which must be f32, f16 or bf16.
template <typename Body>
void WithFloatType(DType dtype, Body&& body) {
  switch (dtype) {
    case DType::kF32:
      return body(float{});
    case DType::kF16:
      return body(__half{});
    default:
      return body(__nv_bfloat16{});
  }
}

// By a block: 16 bytes a thread where both sides allow, else one.
__device__ inline void CopyRow(const uint8_t* from, uint8_t* to, int64_t num_bytes) {
  const uint64_t bits = reinterpret_cast<uintptr_t>(from) | reinterpret_cast<uintptr_t>(to) |
                        static_cast<uint64_t>(num_bytes);
  if (bits % sizeof(uint4) != 0) {
    for (int64_t i = threadIdx.x; i < num_bytes; i += blockDim.x) to[i] = from[i];
    return;
  }
  const int64_t words = num_bytes / static_cast<int64_t>(sizeof(uint4));
  for (int64_t i = threadIdx.x; i < words; i += blockDim.x) {
    reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(from)[i];
  }
}

// The sum of `value` over the block, on every thread, always added in one order. `partial`: one
// float of shared memory per warp. REQUIRES: whole warps, all threads call.
__device__ inline float BlockSum(float value, float* partial) {
  for (int step = kWarpThreads / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, step);
  }
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  if (threadIdx.x % kWarpThreads == 0) partial[warp] = value;
  __syncthreads();
  float sum = 0;
  for (unsigned i = 0; i < blockDim.x / kWarpThreads; ++i) sum += partial[i];
  __syncthreads();  // `partial` may be written again
  return sum;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROWS_COMMON_CUH_
