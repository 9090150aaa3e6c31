// C (fp32) = A * B^T, bf16, one warpgroup: operands written by ordinary stores (as after a
// dequantisation), read by wgmma; the result leaves through shared memory and TMA stores, 32
// columns at a time through one buffer.
//
// MUTATION 1: no fence.proxy.async between the stores and wgmma.
// MUTATION 2: one warp fences, behind the barrier: that makes its own stores visible, not the
// others'. MUTATION 3: the stores do not swizzle. MUTATION 4: no fence.proxy.async between the
// stores and the TMA store. MUTATION 5: the buffer is refilled before the TMA store has read it.
// MUTATION 6: no barrier between filling the buffer and the TMA store.
#include "tests/emulator/mutations/kernels/device.cuh"

constexpr int kThreads = 128;
constexpr int kTileBytes = 64 * 128;

extern "C" __global__ void __launch_bounds__(kThreads, 1)
    GemmDirect(const __nv_bfloat16* a, const __nv_bfloat16* b,
               const __grid_constant__ CUtensorMap c, int k) {
  extern __shared__ __align__(1024) uint8_t shared[];
  const uint32_t base = SharedAddress(shared);
  auto* buffer = reinterpret_cast<float*>(shared + 2 * kTileBytes);  // [64][32]
  const int lane = threadIdx.x % 32;
  float sum[32] = {};
  for (int begin = 0; begin < k; begin += 64) {
    for (int chunk = threadIdx.x; chunk < 128 * 8; chunk += kThreads) {
      const int row = chunk / 8;
      const int column = chunk % 8;
      const __nv_bfloat16* source =
          (row < 64 ? a + size_t(row) * k : b + size_t(row - 64) * k) + begin + column * 8;
      const int place = MUTATION == 3 ? column : column ^ row % 8;
      *reinterpret_cast<uint4*>(shared + row * 128 + place * 16) =
          *reinterpret_cast<const uint4*>(source);
    }
    if (MUTATION != 1 && MUTATION != 2) FenceProxyAsync();
    __syncthreads();
    if (MUTATION == 2 && threadIdx.x < 32) FenceProxyAsync();
    WgmmaFence();
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      WgmmaBf16(sum, Descriptor(base) + step * 2, Descriptor(base + kTileBytes) + step * 2);
    }
    WgmmaCommit();
    WgmmaWait<0>();
    __syncthreads();
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      const int row = threadIdx.x / 32 * 16 + lane / 4 + i / 2 % 2 * 8;
      buffer[row * 32 + i / 4 * 8 + lane % 4 * 2 + i % 2] = sum[half * 16 + i];
    }
    if (MUTATION != 4) FenceProxyAsync();
    if (MUTATION != 6) __syncthreads();
    if (threadIdx.x == 0) {
      TmaStore2d(&c, base + 2 * kTileBytes, half * 32, 0);
      BulkCommit();
      if (MUTATION != 5) BulkWaitRead<0>();
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) BulkWaitRead<0>();
}
