// Keeps values that are no numbers from rows that do not see them. A product takes a weight of 0
// times every value of a key that a row does not see, which is 0 only if the value is finite.
#ifndef SWITCHYARD_KERNELS_CUDA_BAD_VALUES_CUH_
#define SWITCHYARD_KERNELS_CUDA_BAD_VALUES_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/rows_common.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace switchyard::kernels::cuda {

// The values of 64 keys, in a tile of kColumns, and for each column the keys whose values are bad.
template <int kColumns, int kThreads>
struct BadValues {
  uint8_t* memory;  // of the tile
  SharedTile tile;
  uint64_t* keys_of;  // [kColumns], shared memory

  static constexpr int kKeys = 64;
  static_assert(kThreads >= kColumns);  // a column per thread

  // Bad values become 0, and keys_of says where they were. False, and keys_of is not written, where
  // there are none. All threads of the block call; what has been written is there for ordinary
  // loads when it returns.
  __device__ bool Hide(int thread) const {
    bool bad = false;
    constexpr int kChunks = kColumns / kChunkElements;
    for (int i = thread; i < kKeys * kChunks; i += kThreads) {
      const uint4 chunk = *reinterpret_cast<const uint4*>(
          ElementAt(memory, tile, i / kChunks, i % kChunks * kChunkElements));
      bad = bad || HasBad(chunk.x) || HasBad(chunk.y) || HasBad(chunk.z) || HasBad(chunk.w);
    }
    if (!__syncthreads_or(bad)) return false;
    if (thread < kColumns) {
      uint64_t keys = 0;
      for (int key = 0; key < kKeys; ++key) {
        __nv_bfloat16* const value = ElementAt(memory, tile, key, thread);
        if (isfinite(ToF32(*value))) continue;
        keys |= uint64_t{1} << key;
        *value = FromF32<__nv_bfloat16>(0);
      }
      keys_of[thread] = keys;
    }
    __syncthreads();
    return true;
  }

  // Of a row that sees keys [begin, end), which may lie outside: it sees a bad value of a column
  // where this and keys_of share a bit.
  __device__ static uint64_t SeenBits(int begin, int end) {
    const int first = begin > 0 ? begin : 0, last = end < kKeys ? end : kKeys;
    return first < last ? ~uint64_t{0} >> (kKeys - (last - first)) << first : 0;
  }

 private:
  // Whether one of two elements has an exponent of all ones.
  __device__ static bool HasBad(uint32_t two) {
    constexpr uint32_t kLow = 0x7f80u, kHigh = kLow << 16;
    return (two & kLow) == kLow || (two & kHigh) == kHigh;
  }
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_BAD_VALUES_CUH_
