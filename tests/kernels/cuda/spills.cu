// More values than a block of 1,024 threads has registers for. For build_test alone.
__global__ void __launch_bounds__(1024) SpillKernel(float* out, const float* in) {
  constexpr int kValues = 200;
  float values[kValues];
#pragma unroll
  for (int i = 0; i < kValues; ++i) values[i] = in[i * 1024 + threadIdx.x];
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kValues; ++i) sum += values[i] * values[(i * 7 + 3) % kValues];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < kValues; ++i) out[i * 1024 + threadIdx.x] = values[i] * sum;
}
