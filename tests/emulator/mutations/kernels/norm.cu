// Row kernels with a block-wide reduction. One block per row.
//
// MUTATION 1: the reduction array is reused without a barrier.
// MUTATION 2: the butterfly begins at 8, so half a warp is left out.
// MUTATION 3: no barrier between writing and reading the reduction array.
// MUTATION 4: all 32 places of the array are read, also those that no warp wrote.
#include "tests/emulator/mutations/kernels/device.cuh"

constexpr int kThreads = 128;
constexpr int kWarps = kThreads / 32;

template <bool kMax>
DEVICE float Combine(float a, float b) {
  return kMax ? fmaxf(a, b) : a + b;
}

template <bool kMax>
DEVICE float WarpReduce(float value) {
#pragma unroll
  for (int step = MUTATION == 2 ? 8 : 16; step > 0; step >>= 1) {
    value = Combine<kMax>(value, __shfl_xor_sync(0xffffffffu, value, step));
  }
  return value;
}

template <bool kMax>
DEVICE float BlockReduce(float value, float* partial) {
  const int lane = threadIdx.x % 32;
  value = WarpReduce<kMax>(value);
  if (MUTATION != 1) __syncthreads();  // the array may still be read for the reduction before
  if (lane == 0) partial[threadIdx.x / 32] = value;
  if (MUTATION != 3) __syncthreads();
  const bool mine = MUTATION == 4 ? true : lane < kWarps;
  const float neutral = kMax ? -INFINITY : 0.0f;
  return WarpReduce<kMax>(mine ? partial[lane] : neutral);
}

// y = softmax(x), rows of n
extern "C" __global__ void __launch_bounds__(kThreads) Softmax(const float* x, float* y, int n) {
  __shared__ float partial[32];
  const float* in = x + size_t{blockIdx.x} * n;
  float* out = y + size_t{blockIdx.x} * n;
  float largest = -INFINITY;
  for (int i = threadIdx.x; i < n; i += kThreads) largest = fmaxf(largest, in[i]);
  largest = BlockReduce<true>(largest, partial);
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += kThreads) sum += __expf(in[i] - largest);
  sum = BlockReduce<false>(sum, partial);
  for (int i = threadIdx.x; i < n; i += kThreads) out[i] = __expf(in[i] - largest) / sum;
}

// y = x / sqrt(mean(x^2) + 1e-6) * weight, bf16
extern "C" __global__ void __launch_bounds__(kThreads)
    RmsNorm(const __nv_bfloat16* x, const __nv_bfloat16* weight, __nv_bfloat16* y, int n) {
  __shared__ float partial[32];
  const __nv_bfloat16* in = x + size_t{blockIdx.x} * n;
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += kThreads) {
    const float v = __bfloat162float(in[i]);
    sum += v * v;
  }
  const float scale = rsqrtf(BlockReduce<false>(sum, partial) / n + 1e-6f);
  for (int i = threadIdx.x; i < n; i += kThreads) {
    y[size_t{blockIdx.x} * n + i] =
        __float2bfloat16(__bfloat162float(in[i]) * scale * __bfloat162float(weight[i]));
  }
}
