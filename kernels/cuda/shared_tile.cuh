// A tile of BF16 rows in shared memory, laid out so that neither rows that are filled nor columns
// of rows that ldmatrix reads meet in a bank.
#ifndef SWITCHYARD_KERNELS_CUDA_SHARED_TILE_CUH_
#define SWITCHYARD_KERNELS_CUDA_SHARED_TILE_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/ptx/async_copy.cuh"
#include "kernels/cuda/ptx/mbarrier.cuh"
#include "kernels/cuda/ptx/mma.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kChunkElements = 8;  // of 16 bytes

// Panels of 64 columns, one after the other, each with all rows of 128 bytes, in which chunk c of
// row r, 16 bytes, lies at place c ^ (r % 8). It is the 128-byte swizzle of wgmma too.
struct SharedTile {
  uint32_t address;  // of shared memory, a multiple of 128; of 1024 for wgmma
  int rows;

  __device__ __forceinline__ uint32_t At(int row, int chunk) const {
    const uint32_t r = static_cast<uint32_t>(row), c = static_cast<uint32_t>(chunk);
    return address + c / 8 * static_cast<uint32_t>(rows * 128) + r * 128 + (((c ^ r) & 7) << 4);
  }
};

// What lies next to what in the tile that a warp's matrix product takes, by lane.
//
// A [16 rows, 16 columns] from `row`, and column 8 * chunk, on.
__device__ __forceinline__ void LoadA(uint32_t (&a)[4], const SharedTile& tile, int row, int chunk,
                                      int lane) {
  ptx::LoadMatrices(a, tile.At(row + lane % 16, chunk + lane / 16));
}
// Two of B, for products with the transpose of the tile: b[0], b[1] of rows `row` .. row + 7 (the
// columns of B), b[2], b[3] of the next 8; 16 columns (the rows of B).
__device__ __forceinline__ void LoadTwoB(uint32_t (&b)[4], const SharedTile& tile, int row,
                                         int chunk, int lane) {
  ptx::LoadMatrices(b, tile.At(row + lane / 16 * 8 + lane % 8, chunk + lane / 8 % 2));
}
// One of them.
__device__ __forceinline__ void LoadOneB(uint32_t (&b)[2], const SharedTile& tile, int row,
                                         int chunk, int lane) {
  ptx::LoadMatrices(b, tile.At(row + lane % 8, chunk + lane / 8 % 2));
}
// Two of B, for products with the tile itself: 16 rows from `row` on, b[0], b[1] of columns
// 8 * chunk .. + 7, b[2], b[3] of the next 8.
__device__ __forceinline__ void LoadTwoBRows(uint32_t (&b)[4], const SharedTile& tile, int row,
                                             int chunk, int lane) {
  ptx::LoadTransposed(b, tile.At(row + lane % 16, chunk + lane / 16));
}

// Where a lane's results lie in D: their rows by half, their columns in the j-th D of a row of
// them.
__device__ __forceinline__ int FragmentRow(int lane, int half) { return lane / 4 + 8 * half; }
__device__ __forceinline__ int FragmentColumn(int lane, int j, int i) {
  return 8 * j + 2 * (lane % 4) + i % 2;
}
// Over the four lanes that share a row, on each of them.
__device__ __forceinline__ float QuadMax(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffffu, x, 2));
}
__device__ __forceinline__ float QuadSum(float x) {
  x += __shfl_xor_sync(0xffffffffu, x, 1);
  return x + __shfl_xor_sync(0xffffffffu, x, 2);
}

// Four D of a row of them, turned around among the four lanes that share rows. words[j]: this
// lane's two columns of D j. Lane i of the four gets all columns of D i. All lanes of a warp call.
__device__ __forceinline__ uint4 TurnAmongFour(uint32_t (&words)[4], int lane) {
#pragma unroll
  for (int step = 1; step <= 2; step *= 2) {
    const bool upper = (lane & step) != 0;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if ((i & step) != 0) continue;
      uint32_t &low = words[i], &high = words[i + step];
      const uint32_t got = __shfl_xor_sync(0xffffffffu, upper ? low : high, step);
      (upper ? low : high) = got;
    }
  }
  return {words[0], words[1], words[2], words[3]};
}

// The same place for ordinary loads and stores; `memory` is where the tile begins.
__device__ __forceinline__ __nv_bfloat16* ElementAt(uint8_t* memory, const SharedTile& tile,
                                                    int row, int column) {
  const uint32_t place = tile.At(row, column / kChunkElements) - tile.address;
  return reinterpret_cast<__nv_bfloat16*>(memory + place) + column % kChunkElements;
}

// Two neighbours of a row of results, in one store where that can be; `left` elements of the row
// begin at `to`.
__device__ __forceinline__ void StorePair(float* to, float a, float b, int left) {
  if (left > 1 && reinterpret_cast<uintptr_t>(to) % sizeof(float2) == 0) {
    *reinterpret_cast<float2*>(to) = make_float2(a, b);
    return;
  }
  if (left > 0) to[0] = a;
  if (left > 1) to[1] = b;
}
__device__ __forceinline__ void StorePair(__nv_bfloat16* to, float a, float b, int left) {
  const __nv_bfloat162 two = __floats2bfloat162_rn(a, b);
  if (left > 1 && reinterpret_cast<uintptr_t>(to) % sizeof(two) == 0) {
    *reinterpret_cast<__nv_bfloat162*>(to) = two;
    return;
  }
  if (left > 0) to[0] = two.x;
  if (left > 1) to[1] = two.y;
}

// A row on its way into a tile: `head` (head_count elements), then `tail` (tail_count), then zeros
// up to a whole number of pairs of chunks; both pointers may be null where the count is 0.
struct RowSource {
  const __nv_bfloat16* head;
  const __nv_bfloat16* tail;
  int head_count, tail_count;

  __device__ __forceinline__ int width() const { return head_count + tail_count; }
};

// By one warp. `fast`: all pointers and counts are multiples of 16 bytes; then the copies are
// asynchronous. `exists`: else the row is zeros, and no pointer is read.
__device__ __forceinline__ void FillRow(uint8_t* memory, const SharedTile& tile, int row,
                                        const RowSource& source, bool exists, bool fast, int lane) {
  const int chunks = (source.width() + 15) / 16 * 2;
  if (fast) {
    for (int chunk = lane; chunk < chunks; chunk += 32) {
      const int column = chunk * kChunkElements;
      const bool in_head = column < source.head_count;
      const __nv_bfloat16* const from =
          in_head ? source.head + column : source.tail + (column - source.head_count);
      const bool read = exists && column < source.width();
      ptx::CopyAsync(tile.At(row, chunk), read ? from : source.head, read ? 16 : 0);
    }
    return;
  }
  for (int column = lane; column < chunks * kChunkElements; column += 32) {
    __nv_bfloat16 value = __float2bfloat16_rn(0.0f);
    if (exists && column < source.head_count) {
      value = source.head[column];
    } else if (exists && column < source.width()) {
      value = source.tail[column - source.head_count];
    }
    *ElementAt(memory, tile, row, column) = value;
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_SHARED_TILE_CUH_
