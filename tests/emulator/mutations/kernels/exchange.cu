// Exchanges through shared memory below the block: lanes of a warp, and two warps with named
// barriers (one fills a buffer, the other empties it).
//
// MUTATION 1: lanes exchange without __syncwarp.
// MUTATION 2: a shuffle stands where __syncwarp should (it orders no memory).
// MUTATION 3: the filling warp does not wait until the buffer is empty.
// MUTATION 4: the emptying warp does not wait until the buffer is full.
// MUTATION 5: the buffer is announced as full before it is filled.
#include "tests/emulator/mutations/kernels/device.cuh"

constexpr int kRounds = 6;

// y[i] = x[31 - i] + 1 per row of 32, through shared memory.
extern "C" __global__ void __launch_bounds__(32) ReverseWarp(const float* x, float* y) {
  __shared__ float buffer[32];
  const int lane = threadIdx.x;
  float value = x[blockIdx.x * 32 + lane];
  buffer[lane] = value + 1;
  if (MUTATION == 0) __syncwarp();
  if (MUTATION == 2) value = __shfl_sync(0xffffffffu, value, lane);
  y[blockIdx.x * 32 + lane] = buffer[31 - lane] + (value - x[blockIdx.x * 32 + lane]);
}

// Warp 0 brings rows of x, warp 1 takes them to y, reversed.
extern "C" __global__ void __launch_bounds__(64) PassOn(const float* x, float* y) {
  __shared__ float buffer[32];
  constexpr int kFull = 1;
  constexpr int kEmpty = 2;
  const int lane = threadIdx.x % 32;
  for (int round = 0; round < kRounds; ++round) {
    if (threadIdx.x < 32) {
      if (MUTATION != 3) NamedSync(kEmpty, 64);
      if (MUTATION == 5) NamedArrive(kFull, 64);
      buffer[lane] = x[round * 32 + lane];
      if (MUTATION != 5) NamedArrive(kFull, 64);
    } else {
      if (MUTATION != 3) NamedArrive(kEmpty, 64);
      if (MUTATION != 4) NamedSync(kFull, 64);
      y[round * 32 + lane] = buffer[31 - lane];
      if (MUTATION == 4) NamedSync(kFull, 64);
    }
  }
}
