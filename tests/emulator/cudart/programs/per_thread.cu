// Built with --default-stream per-thread: each thread's null stream is its own, and a thread that
// waits for it does not wait for the others'.
#include <thread>
#include <vector>

#include "tests/emulator/cudart/gate.h"
#include "tests/emulator/cudart/programs/check.h"

__global__ void Accumulate(int* cell, int value) { *cell += value; }

static void Work(int* cell, int value, int* result) {
  for (int i = 0; i < 10; ++i) Accumulate<<<1, 1>>>(cell, value);
  CHECK_CUDA(cudaMemcpyAsync(result, cell, sizeof(int), cudaMemcpyDeviceToHost, nullptr));
  CHECK_CUDA(cudaStreamSynchronize(nullptr));
}

__device__ int variable;
__global__ void AddTo(int* cell, int value) { *cell += value + variable; }

// All of it in the thread's own stream, which the gate does not hold.
static void LaunchInEveryWay(int* cell) {
  cudaStream_t blocking;
  CHECK_CUDA(cudaStreamCreate(&blocking));
  emu::Gate gate;  // holds back a blocking stream, and with it the legacy stream
  CHECK_CUDA(gate.Queue(blocking));
  int one = 1, back = 0;
  CHECK_CUDA(cudaMemset(cell, 0, sizeof(int)));
  CHECK_CUDA(cudaMemcpyToSymbol(variable, &one, sizeof one));
  void* args[] = {&cell, &one};
  const void* kernel = reinterpret_cast<const void*>(AddTo);
  CHECK_CUDA(cudaLaunchKernel(kernel, dim3(1), dim3(1), args, 0, nullptr));
  CHECK_CUDA(cudaLaunchCooperativeKernel(kernel, dim3(1), dim3(1), args, 0, nullptr));
  cudaLaunchConfig_t config = {};
  config.gridDim = config.blockDim = dim3(1);
  CHECK_CUDA(cudaLaunchKernelExC(&config, kernel, args));
  CHECK_CUDA(cudaMemcpyToSymbolAsync(variable, &back, sizeof back, 0, cudaMemcpyDefault, nullptr));
  AddTo<<<1, 1>>>(cell, 10);
  CHECK_CUDA(cudaMemcpy(&back, cell, sizeof back, cudaMemcpyDeviceToHost));
  CHECK(back == 3 * 2 + 10);
  CHECK_CUDA(
      cudaMemcpyFromSymbolAsync(&back, variable, sizeof back, 0, cudaMemcpyDefault, nullptr));
  CHECK(back == 0);
  back = 7;
  CHECK_CUDA(cudaMemcpyFromSymbol(&back, variable, sizeof back));
  CHECK(back == 0);
  gate.Open();
  CHECK_CUDA(cudaStreamSynchronize(blocking));  // the gate outlives it
  CHECK_CUDA(cudaStreamDestroy(blocking));
}

int main() {
  int* cells;
  CHECK_CUDA(cudaMalloc(&cells, 4 * sizeof(int)));
  CHECK_CUDA(cudaMemset(cells, 0, 4 * sizeof(int)));
  CHECK_CUDA(cudaDeviceSynchronize());
  int results[4] = {};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(Work, cells + i, i + 1, results + i);
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 4; ++i) CHECK(results[i] == 10 * (i + 1));
  LaunchInEveryWay(cells);
  return 0;
}
