// Operands the other ways: A out of registers (ldmatrix) with an N-major B for wgmma; mma.sync with
// a transposing ldmatrix; B tiles multicast over a cluster of two.
#include "tests/emulator/ptx/kernels/tensor_device.cuh"

namespace {

using device::TensorMap;

// The A fragment of this warp's 16 rows and 16 columns out of 128-byte swizzled rows.
__device__ void LoadFragment(uint32_t (&a)[4], uint32_t tile, int first_row, int chunk) {
  const int lane = threadIdx.x % 32;
  const int row = first_row + lane % 16;
  device::LoadMatrix4(
      a, tile + static_cast<uint32_t>(row * 128 + (((chunk + lane / 16) ^ row % 8) << 4)));
}

__device__ void WriteResults(const float (&acc)[32], float* c, int row, int n, int column) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    const int r = row + threadIdx.x / 32 % 4 * 16 + lane / 4 + (i & 2 ? 8 : 0);
    c[r * n + column + i / 4 * 8 + lane % 4 * 2 + (i & 1)] = acc[i];
  }
}

}  // namespace

// C[M, N] = A[M, K] B[K, N], all multiples of 64; one warpgroup per 64 x 64 tile, one stage.
extern "C" __global__ void __launch_bounds__(128)
    GemmRegisters(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                  float* c, int n, int k) {
  extern __shared__ __align__(1024) uint8_t shared[];
  const uint32_t tile_a = device::SharedAddress(shared);
  const uint32_t tile_b = tile_a + 64 * 128;
  const uint32_t full = tile_b + 64 * 128;
  if (threadIdx.x == 0) {
    device::InitBarrier(full, 1);
    device::FenceBarrierInit();
  }
  __syncthreads();
  const int row = blockIdx.y * 64;
  const int column = blockIdx.x * 64;
  float acc[32] = {};
  for (int step = 0; step < k / 64; ++step) {
    if (threadIdx.x == 0) {
      device::ArriveExpect(full, 2 * 64 * 128);
      device::LoadBox2(tile_a, &a, full, step * 64, row);
      device::LoadBox2(tile_b, &b, full, column, step * 64);
    }
    device::Wait(full, step & 1);
    uint32_t fragments[4][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) LoadFragment(fragments[i], tile_a, threadIdx.x / 32 * 16, i * 2);
    device::FenceWgmma();
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      // 16 rows of K are two groups of 8; SBO steps them, LBO would step blocks of 64 columns.
      device::WgmmaBf16Registers(acc, fragments[i],
                                 device::Descriptor(tile_b + i * 2048, 8192, 1024), 1);
    }
    device::CommitWgmma();
    device::WaitWgmma<0>();
    __syncthreads();
  }
  WriteResults(acc, c, row, n, column);
}

// C[16, 8] += A[16, 16 k] B[16 k, 8] by one warp, B transposed on its way out of shared memory.
extern "C" __global__ void MmaTransposed(const __nv_bfloat16* a, const __nv_bfloat16* b, float* c,
                                         int steps) {
  __shared__ __align__(16) __nv_bfloat16 tile_a[16][24];
  __shared__ __align__(16) __nv_bfloat16 tile_b[16][8];
  const int lane = threadIdx.x;
  float acc[4] = {};
  for (int step = 0; step < steps; ++step) {
    for (int i = lane; i < 256; i += 32)
      tile_a[i / 16][i % 16] = a[i / 16 * 16 * steps + step * 16 + i % 16];
    for (int i = lane; i < 128; i += 32) tile_b[i / 8][i % 8] = b[(step * 16 + i / 8) * 8 + i % 8];
    __syncwarp();
    uint32_t fragment_a[4];
    uint32_t fragment_b[2];
    device::LoadMatrix4(fragment_a, device::SharedAddress(&tile_a[lane % 16][lane / 16 * 8]));
    device::LoadMatrix2Transposed(fragment_b, device::SharedAddress(&tile_b[lane % 16][0]));
    device::MmaBf16(acc, fragment_a, fragment_b);
    __syncwarp();
  }
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = acc[i];
}

// C[M, N] = A[M, K] B[N, K]^T over clusters of two blocks that share B: each loads half of a B tile
// for both. Tiles of 64 x 64, two stages; M is a multiple of 128, N and K of 64.
extern "C" __global__ void __cluster_dims__(1, 2, 1) __launch_bounds__(160)
    GemmMulticast(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                  float* c, int n, int k) {
  extern __shared__ __align__(1024) uint8_t shared[];
  constexpr int kTile = 64 * 128;
  constexpr int kStages = 2;
  const uint32_t stages = device::SharedAddress(shared);
  const uint32_t barriers = stages + kStages * 2 * kTile;
  const uint32_t rank = device::ClusterRank();
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) {
      device::InitBarrier(barriers + s * 16, 1);
      device::InitBarrier(barriers + s * 16 + 8, 8);  // four consumer warps of each block
    }
    device::FenceBarrierInit();
  }
  device::SyncCluster();
  const int row = blockIdx.y * 64;
  const int column = blockIdx.x * 64;
  const int steps = k / 64;
  if (threadIdx.x == 128) {
    for (int step = 0; step < steps; ++step) {
      const uint32_t stage = stages + step % kStages * 2 * kTile;
      const uint32_t full = barriers + step % kStages * 16;
      device::Wait(full + 8, (step / kStages & 1) ^ 1);
      device::ArriveExpect(full, 2 * kTile);
      device::LoadBox2(stage, &a, full, step * 64, row);
      device::LoadBox2Multicast(stage + kTile + rank * kTile / 2, &b, full, 3, step * 64,
                                column + static_cast<int>(rank) * 32);
    }
  }
  if (threadIdx.x < 128) {
    float acc[32] = {};
    for (int step = 0; step < steps; ++step) {
      const uint32_t stage = stages + step % kStages * 2 * kTile;
      const uint32_t full = barriers + step % kStages * 16;
      device::Wait(full, step / kStages & 1);
      const uint64_t da = device::Descriptor(stage, 16, 1024);
      const uint64_t db = device::Descriptor(stage + kTile, 16, 1024);
      device::FenceWgmma();
#pragma unroll
      for (int i = 0; i < 4; ++i) device::WgmmaBf16(acc, da + i * 2, db + i * 2, 1);
      device::CommitWgmma();
      device::WaitWgmma<0>();
      if (threadIdx.x % 32 < 2) device::ArriveRemote(full + 8, threadIdx.x % 32);
    }
    WriteResults(acc, c, row, n, column);
  }
  device::SyncCluster();  // no block leaves while the other may still write to it
}
