// C (fp32) = A * B^T, bf16, by mma.sync: tiles of 64 x 64 x 32, four warps of 32 x 32, two stages
// filled by cp.async. M, N, K are multiples of the tile.
//
// MUTATION 1: cp.async is waited for one group too late.
// MUTATION 2: no barrier at the end of a step, so a stage is refilled while others read it.
// MUTATION 3: two columns of the accumulator are swapped.
// MUTATION 4: no barrier after the wait: a thread knows of its own copies only.
#include "tests/emulator/mutations/kernels/device.cuh"

constexpr int kTile = 64;
constexpr int kDepth = 32;
constexpr int kRow = kDepth + 8;  // 80 bytes: ldmatrix without bank conflicts
constexpr int kThreads = 128;
constexpr int kStage = 2 * kTile * kRow;  // elements

DEVICE void Fill(__nv_bfloat16* stage, const __nv_bfloat16* a, const __nv_bfloat16* b, int k,
                 int step) {
  for (int c = threadIdx.x; c < 2 * kTile * kDepth / 8; c += kThreads) {
    const int row = c / (kDepth / 8);
    const int column = c % (kDepth / 8) * 8;
    const __nv_bfloat16* source = row < kTile ? a + size_t(row) * k : b + size_t(row - kTile) * k;
    CopyAsync16(SharedAddress(stage + row * kRow + column), source + step * kDepth + column);
  }
  CopyAsyncCommit();
}

DEVICE void Multiply(const __nv_bfloat16* stage, float (&sum)[2][4][4]) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int row = warp / 2 * 32;
  const int column = warp % 2 * 32;
#pragma unroll
  for (int k = 0; k < kDepth; k += 16) {
    uint32_t a[2][4];
    uint32_t b[4][2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      LoadMatrix4(a[i],
                  SharedAddress(stage + (row + i * 16 + lane % 16) * kRow + k + lane / 16 * 8));
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      LoadMatrix2(b[j], SharedAddress(stage + (kTile + column + j * 8 + lane % 8) * kRow + k +
                                      lane / 8 % 2 * 8));
    }
#pragma unroll
    for (int i = 0; i < 2; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) Mma16816(sum[i][j], a[i], b[j]);
    }
  }
}

extern "C" __global__ void __launch_bounds__(kThreads)
    GemmMma(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c, int n, int k) {
  __shared__ __align__(128) __nv_bfloat16 stages[2][kStage];
  a += size_t{blockIdx.y} * kTile * k;
  b += size_t{blockIdx.x} * kTile * k;
  float sum[2][4][4] = {};
  const int steps = k / kDepth;
  Fill(stages[0], a, b, k, 0);
  for (int step = 0; step < steps; ++step) {
    if (step + 1 < steps) {
      Fill(stages[(step + 1) % 2], a, b, k, step + 1);
    } else {
      CopyAsyncCommit();  // an empty group, so that the count below stays right
    }
    CopyAsyncWait<MUTATION == 1 ? 2 : 1>();
    if (MUTATION != 4) __syncthreads();
    Multiply(stages[step % 2], sum);
    if (MUTATION != 2) __syncthreads();
  }
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int row = blockIdx.y * kTile + warp / 2 * 32 + i * 16 + lane / 4 + e / 2 * 8;
        const int pair = MUTATION == 3 ? 1 - e % 2 : e % 2;
        const int column = blockIdx.x * kTile + warp % 2 * 32 + j * 8 + lane % 4 * 2 + pair;
        c[size_t(row) * n + column] = sum[i][j][e];
      }
    }
  }
}
