// Sums over blocks: each block leaves its part in global memory and counts itself; who counts last
// adds the parts. And a chain: each block waits for the flag of the one before it.
//
// MUTATION 1: no fence between the part and the counter.
// MUTATION 2: the fence's scope is the block.
// MUTATION 3: the last block reads the parts without a fence of its own.
// MUTATION 4: no barrier between the parts of a block's threads and the count.
// MUTATION 5: the flag is set before the value that it stands for.
// MUTATION 6: the flag is polled by one thread, and the others do not wait for it.
// MUTATION 7: parts of two blocks share a place.
#include "tests/emulator/mutations/kernels/device.cuh"

constexpr int kThreads = 64;

// parts [blocks, 64], total [64]; *counter is 0 at the start and at the end.
extern "C" __global__ void __launch_bounds__(kThreads)
    LastBlockSum(const float* x, float* parts, unsigned* counter, float* total, int n) {
  __shared__ bool last;
  float part = 0;
  for (int i = 0; i < n; ++i) part += x[(size_t{blockIdx.x} * n + i) * kThreads + threadIdx.x];
  const int place = MUTATION == 7 ? blockIdx.x / 2 : blockIdx.x;
  parts[place * kThreads + threadIdx.x] = part;
  if (MUTATION == 2) {
    __threadfence_block();
  } else if (MUTATION != 1) {
    __threadfence();
  }
  if (MUTATION != 4) __syncthreads();
  if (threadIdx.x == 0) {
    if (MUTATION != 1 && MUTATION != 2) __threadfence();
    last = atomicAdd(counter, 1) == gridDim.x - 1;
    if (MUTATION != 3) __threadfence();
  }
  __syncthreads();
  if (!last) return;
  float sum = 0;
  for (int block = 0; block < gridDim.x; ++block) sum += parts[block * kThreads + threadIdx.x];
  total[threadIdx.x] = sum;
  if (threadIdx.x == 0) *counter = 0;
}

DEVICE int LoadAcquire(const int* flag) {
  int value;
  asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(value) : "l"(flag) : "memory");
  return value;
}
DEVICE void StoreRelease(int* flag, int value) {
  asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(flag), "r"(value) : "memory");
}

// prefix[b] = the sum of x[0] to x[b], each [64]; flags are 0 at the start.
extern "C" __global__ void __launch_bounds__(kThreads)
    ChainSum(const float* x, float* prefix, int* flags) {
  const int block = blockIdx.x;
  float sum = x[block * kThreads + threadIdx.x];
  if (block > 0) {
    if (threadIdx.x == 0) {
      while (LoadAcquire(flags + block - 1) == 0) {
      }
    }
    if (MUTATION != 6) __syncthreads();
    sum += prefix[(block - 1) * kThreads + threadIdx.x];
  }
  if (MUTATION == 5) {
    __syncthreads();
    if (threadIdx.x == 0) StoreRelease(flags + block, 1);
  }
  prefix[block * kThreads + threadIdx.x] = sum;
  if (MUTATION != 5) {
    __syncthreads();
    if (threadIdx.x == 0) StoreRelease(flags + block, 1);
  }
}
