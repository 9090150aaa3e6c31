// What grouped-query attention's kernels share: sinks, and how rows of heads come into shared
// memory.
#ifndef SWITCHYARD_KERNELS_CUDA_GQA_COMMON_CUH_
#define SWITCHYARD_KERNELS_CUDA_GQA_COMMON_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/shared_tile.cuh"

namespace switchyard::kernels::cuda {

// The score of a head's sink as kernels have scores, for powers of 2; -inf: none.
__device__ __forceinline__ float SinkOf(const float* sinks, int64_t head) {
  constexpr float kLog2E = 1.44269504f;
  return sinks == nullptr ? -INFINITY : sinks[head] * kLog2E;
}

__device__ __forceinline__ uint32_t PackBf16(float low, float high) {
  const __nv_bfloat162 two = __floats2bfloat162_rn(low, high);
  return reinterpret_cast<const uint32_t&>(two);
}

// Rows [first, first + count) of a tile of kColumns, by one warp: `dim` elements each, then zeros.
// source(row): where they come from, or null for zeros; all lanes ask for a row at once, each for
// the row that it copies of. `fast`: all pointers and dim are multiples of 16 bytes; then the
// copies are asynchronous. `memory` is where the tile begins.
template <int kColumns, typename Source>
__device__ __forceinline__ void FillRows(uint8_t* memory, const SharedTile& tile, int first,
                                         int count, int dim, bool fast, int lane,
                                         const Source& source) {
  constexpr int kChunks = kColumns / kChunkElements;
  if (fast) {
    // 32 chunks at once, of one row or of several.
#pragma unroll 2
    for (int i = 0; i < count * kChunks / 32; ++i) {
      const int row = first + (i * 32 + lane) / kChunks, chunk = (i * 32 + lane) % kChunks;
      const __nv_bfloat16* const from = source(row);
      const bool read = from != nullptr && chunk * kChunkElements < dim;
      const void* const at = read ? from + chunk * kChunkElements : nullptr;
      ptx::CopyAsync(tile.At(row, chunk), at, read ? 16 : 0);
    }
    return;
  }
  for (int row = first; row < first + count; ++row) {
    const __nv_bfloat16* const from = source(row);
    for (int column = lane; column < kColumns; column += 32) {
      *ElementAt(memory, tile, row, column) =
          from != nullptr && column < dim ? from[column] : __float2bfloat16_rn(0.0f);
    }
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GQA_COMMON_CUH_
