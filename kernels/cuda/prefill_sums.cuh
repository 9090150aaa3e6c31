// A tile of naive attention as its kernel sees it, and the online softmax of a warp's queries,
// which goes through memory from tile to tile.
#ifndef SWITCHYARD_KERNELS_CUDA_PREFILL_SUMS_CUH_
#define SWITCHYARD_KERNELS_CUDA_PREFILL_SUMS_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/shared_tile.cuh"

namespace switchyard::kernels::cuda {

// PrefillAttentionArgs. Strides are in elements, from row to row.
struct PrefillTile {
  const __nv_bfloat16* q;
  const __nv_bfloat16* kv;
  const __nv_bfloat16* k_pe;
  float* state;
  __nv_bfloat16* out;
  int64_t q_stride, kv_stride, k_pe_stride, state_stride, out_stride;
  int num_queries, first_position;
  int num_keys, tile_begin;
  int nope, rope, value;
  bool fast;        // multiples of 16 bytes throughout q, kv and k_pe
  bool even_state;  // pairs of floats are aligned
  bool fast_out;    // multiples of 16 bytes throughout out
  bool last;
  float scale_log2;  // softmax scale, for powers of 2
};

// Of kMmaRows queries, of which each thread has two: laid out as results of products.
template <int kColumns>
struct PrefillSums {
  static constexpr int kColumnTiles = kColumns / 8;

  float max[2];
  float total[2];                 // of the weights
  float values[kColumnTiles][4];  // times their weights

  __device__ static float* StateOf(const PrefillTile& tile, int query, int64_t head) {
    return tile.state + query * tile.state_stride + head * (tile.value + 2);
  }

  __device__ void Load(const PrefillTile& tile, int first_query, int64_t head, int lane) {
    const bool first = tile.tile_begin == 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = first_query + FragmentRow(lane, half);
      const bool read = !first && query < tile.num_queries;
      const float* const state = StateOf(tile, query, head);
      max[half] = read ? state[tile.value] : -INFINITY;
      total[half] = read ? state[tile.value + 1] : 0;
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j) {
        const int column = FragmentColumn(lane, j, 0);
        float2 two{0, 0};
        if (read && tile.even_state && column < tile.value) {
          two = *reinterpret_cast<const float2*>(state + column);
        } else if (read) {
          if (column < tile.value) two.x = state[column];
          if (column + 1 < tile.value) two.y = state[column + 1];
        }
        values[j][2 * half] = two.x;
        values[j][2 * half + 1] = two.y;
      }
    }
  }

  __device__ void Store(const PrefillTile& tile, int first_query, int64_t head, int lane) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = first_query + FragmentRow(lane, half);
      if (query >= tile.num_queries) continue;
      float* const state = StateOf(tile, query, head);
      if (lane % 4 == 0) {
        state[tile.value] = max[half];
        state[tile.value + 1] = total[half];
      }
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j) {
        const int column = FragmentColumn(lane, j, 0);
        StorePair(state + column, values[j][2 * half], values[j][2 * half + 1],
                  tile.value - column);
      }
    }
  }

  // The softmax is done: divides.
  __device__ void StoreOut(const PrefillTile& tile, int first_query, int64_t head, int lane) const {
    if (tile.fast_out) return StoreChunks(tile, first_query, head, lane);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = first_query + FragmentRow(lane, half);
      if (query >= tile.num_queries) continue;
      __nv_bfloat16* const out = tile.out + query * tile.out_stride + head * tile.value;
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j) {
        const int column = FragmentColumn(lane, j, 0);
        StorePair(out + column, values[j][2 * half] / total[half],
                  values[j][2 * half + 1] / total[half], tile.value - column);
      }
    }
  }

 private:
  // By 16 bytes a lane: 64 of each of eight rows at once, whole sectors.
  __device__ void StoreChunks(const PrefillTile& tile, int first_query, int64_t head,
                              int lane) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = first_query + FragmentRow(lane, half);
      __nv_bfloat16* const out = tile.out + query * tile.out_stride + head * tile.value;
#pragma unroll
      for (int j = 0; j < kColumnTiles; j += 4) {
        uint32_t words[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const __nv_bfloat162 two = __floats2bfloat162_rn(
              values[j + i][2 * half] / total[half], values[j + i][2 * half + 1] / total[half]);
          words[i] = reinterpret_cast<const uint32_t&>(two);
        }
        const uint4 chunk = TurnAmongFour(words, lane);
        const int column = 8 * (j + lane % 4);
        if (query < tile.num_queries && column < tile.value) {
          *reinterpret_cast<uint4*>(out + column) = chunk;
        }
      }
    }
  }
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PREFILL_SUMS_CUH_
