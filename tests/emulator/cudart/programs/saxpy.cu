// <<<>>>, variables of all kinds, attributes and occupancy.
#include <vector>

#include "tests/emulator/cudart/programs/check.h"

__constant__ float offsets[2];
__device__ int num_blocks_run;
__managed__ int managed_sum;

__global__ void __launch_bounds__(256) Saxpy(int n, float a, const float* x, float* y) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = a * x[i] + y[i] + offsets[1];
  if (threadIdx.x == 0) atomicAdd(&num_blocks_run, 1);
  if (i < 10) atomicAdd(&managed_sum, i);
}

__global__ void FillShared(int* out) {
  extern __shared__ int tile[];
  tile[threadIdx.x] = threadIdx.x;
  __syncthreads();
  out[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

static void TestSaxpy() {
  constexpr int n = 1000;
  std::vector<float> x(n), y(n);
  for (int i = 0; i < n; ++i) x[i] = static_cast<float>(i), y[i] = 1.0f;
  float *dx, *dy;
  CHECK_CUDA(cudaMalloc(&dx, n * sizeof(float)));
  CHECK_CUDA(cudaMalloc(&dy, n * sizeof(float)));
  CHECK_CUDA(cudaMemcpy(dx, x.data(), n * sizeof(float), cudaMemcpyHostToDevice));
  CHECK_CUDA(cudaMemcpy(dy, y.data(), n * sizeof(float), cudaMemcpyHostToDevice));
  const float host_offsets[2] = {0.0f, 0.5f};
  CHECK_CUDA(cudaMemcpyToSymbol(offsets, host_offsets, sizeof host_offsets));
  const int zero = 0;
  CHECK_CUDA(cudaMemcpyToSymbol(num_blocks_run, &zero, sizeof zero));
  managed_sum = 100;
  Saxpy<<<4, 256>>>(n, 2.0f, dx, dy);
  CHECK_CUDA(cudaGetLastError());
  CHECK_CUDA(cudaMemcpy(y.data(), dy, n * sizeof(float), cudaMemcpyDeviceToHost));
  for (int i = 0; i < n; ++i) CHECK(y[i] == 2.0f * static_cast<float>(i) + 1.5f);
  int blocks = 0;
  CHECK_CUDA(cudaMemcpyFromSymbol(&blocks, num_blocks_run, sizeof blocks));
  CHECK(blocks == 4);
  CHECK(managed_sum == 145);
  CHECK_CUDA(cudaMemcpyToSymbolAsync(offsets, host_offsets + 1, 4, 0, cudaMemcpyHostToDevice, 0));
  float first = 0;
  CHECK_CUDA(cudaMemcpyFromSymbolAsync(&first, offsets, 4, 0, cudaMemcpyDeviceToHost, 0));
  CHECK_CUDA(cudaStreamSynchronize(nullptr));
  CHECK(first == 0.5f);
  void* address = nullptr;
  size_t bytes = 0;
  CHECK_CUDA(cudaGetSymbolAddress(&address, offsets));
  CHECK_CUDA(cudaGetSymbolSize(&bytes, offsets));
  CHECK(bytes == 8);
  EXPECT_CUDA(cudaErrorInvalidSymbol, cudaGetSymbolAddress(&address, &zero));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemcpyToSymbol(offsets, &host_offsets, 8, 4));
  cudaGetLastError();
  CHECK_CUDA(cudaFree(dx));
  CHECK_CUDA(cudaFree(dy));
}

static void TestLimits() {
  int* out;
  CHECK_CUDA(cudaMalloc(&out, 4096));
  FillShared<<<1, 1024, 49153>>>(out);
  EXPECT_CUDA(cudaErrorInvalidValue, cudaGetLastError());
  CHECK_CUDA(cudaFuncSetAttribute(FillShared, cudaFuncAttributeMaxDynamicSharedMemorySize, 232448));
  EXPECT_CUDA(
      cudaErrorInvalidValue,
      cudaFuncSetAttribute(FillShared, cudaFuncAttributeMaxDynamicSharedMemorySize, 232449));
  cudaGetLastError();
  FillShared<<<1, 1024, 232448>>>(out);
  CHECK_CUDA(cudaGetLastError());
  int back[1024];
  CHECK_CUDA(cudaMemcpy(back, out, sizeof back, cudaMemcpyDeviceToHost));
  CHECK(back[0] == 1023 && back[1023] == 0);
  FillShared<<<0, 32>>>(out);
  EXPECT_CUDA(cudaErrorInvalidConfiguration, cudaGetLastError());
  FillShared<<<1, 1025>>>(out);
  EXPECT_CUDA(cudaErrorInvalidConfiguration, cudaGetLastError());
  Saxpy<<<1, 257>>>(0, 0.0f, nullptr, nullptr);
  EXPECT_CUDA(cudaErrorInvalidValue, cudaGetLastError());
  CHECK_CUDA(cudaFree(out));
}

static void TestAttributes() {
  cudaFuncAttributes attributes;
  CHECK_CUDA(cudaFuncGetAttributes(&attributes, Saxpy));
  CHECK(attributes.maxThreadsPerBlock == 256);
  CHECK(attributes.numRegs >= 8 && attributes.numRegs <= 40);
  CHECK(attributes.binaryVersion == 90);
  int blocks = 0;
  CHECK_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, Saxpy, 256, 0));
  CHECK(blocks == 8);
  CHECK_CUDA(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, FillShared, 128, 100000));
  CHECK(blocks == 2);
  int min_grid = 0, block_size = 0;
  CHECK_CUDA(cudaOccupancyMaxPotentialBlockSize(&min_grid, &block_size, FillShared));
  CHECK(block_size == 1024 && min_grid == 2 * 132);
  size_t offset = 0, bytes = 0;
  CHECK_CUDA(cudaFuncGetParamInfo(reinterpret_cast<const void*>(Saxpy), 2, &offset, &bytes));
  CHECK(offset == 8 && bytes == 8);
  const char* name = nullptr;
  CHECK_CUDA(cudaFuncGetName(&name, reinterpret_cast<const void*>(Saxpy)));
  CHECK(name[0] == '_');
}

int main() {
  TestSaxpy();
  TestLimits();
  TestAttributes();
  return 0;
}
