// Built with --default-stream per-thread: each thread's null stream is its own, and a thread that
// waits for it does not wait for the others'.
#include <thread>
#include <vector>

#include "tests/emulator/cudart/programs/check.h"

__global__ void Accumulate(int* cell, int value) { *cell += value; }

static void Work(int* cell, int value, int* result) {
  for (int i = 0; i < 10; ++i) Accumulate<<<1, 1>>>(cell, value);
  CHECK_CUDA(cudaMemcpyAsync(result, cell, sizeof(int), cudaMemcpyDeviceToHost, nullptr));
  CHECK_CUDA(cudaStreamSynchronize(nullptr));
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
  return 0;
}
