// Bodies of absorbed attention. A block takes one split of one sequence's keys and some heads; the
// heads are the rows of two products, scores [heads, keys] = q latents^T and sums [heads, columns]
// = weights latents, so that a latent in shared memory serves all of them, and serves twice. A
// second kernel merges the splits of a row in their order.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_ATTENTION_CUH_
#define SWITCHYARD_KERNELS_CUDA_DECODE_ATTENTION_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/decode_step.cuh"
#include "kernels/cuda/rows_common.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace switchyard::kernels::cuda {

// One head tile per kMmaRows heads. Scores: warps share out tile groups and parts of the keys.
// Sums: each warp takes every 8th group of 16 columns, for all heads.
template <int kHeadTiles>
class DecodeBlock {
 public:
  static constexpr int kHeads = kHeadTiles * kMmaRows;

  __device__ DecodeBlock(const DecodeStep& step, uint8_t* memory)
      : step_(step),
        split_(step.splits[blockIdx.x]),
        first_head_(static_cast<int>(blockIdx.y) * kHeads),
        first_column_(static_cast<int>(blockIdx.z) * kDecodeColumns),
        memory_(memory),
        shared_(DecodeSharedOf(kHeadTiles, step.cache.width)),
        queries_{ptx::SharedAddress(memory), kHeads},
        weights_{ptx::SharedAddress(memory + shared_.weights_begin), kHeads},
        stats_(reinterpret_cast<float*>(memory + shared_.stats_begin)) {}

  __device__ void Run() {
    FillQueries();
    if (thread_ < kHeads) {
      Max(0)[thread_] = -INFINITY;
      Total()[thread_] = 0;
    }
    FillKeys(0);
    float sums[kHeadTiles][kColumnGroups][2][4] = {};
    const int turns = (split_.end - split_.begin + kDecodeStepTokens - 1) / kDecodeStepTokens;
    for (int turn = 0; turn < turns; ++turn) {
      ptx::WaitForCopies<0>();
      __syncthreads();  // keys have landed, and the other stage is no longer read
      if (turn + 1 < turns) FillKeys(turn + 1);
      float scores[kTilesPerWarp][kKeyTiles][4] = {};
      Scores(turn, scores);
      __syncthreads();  // maxima of the parts
      Weights(turn, scores);
      __syncthreads();  // weights and their sums
      AddTotals(turn);
      AddSums(turn, sums);
    }
    __syncthreads();  // totals
    Store(turns, sums);
  }

 private:
  static constexpr int kTileGroups = kHeadTiles > 1 ? 2 : 1;
  static constexpr int kTilesPerWarp = kHeadTiles / kTileGroups;
  static constexpr int kParts = kAttentionWarps / kTileGroups;
  static constexpr int kPartKeys = kDecodeStepTokens / kParts;
  static constexpr int kKeyTiles = kPartKeys / 8;
  static constexpr int kColumnGroups = kDecodeColumns / 16 / kAttentionWarps;

  // Of heads: of a part's scores, a part's weights, of the turns so far (two, in turn).
  __device__ float* PartMax(int part) const { return stats_ + part * kHeads; }
  __device__ float* PartSum(int part) const { return stats_ + (kParts + part) * kHeads; }
  __device__ float* Max(int turn) const { return stats_ + (2 * kParts + turn % 2) * kHeads; }
  __device__ float* Total() const { return stats_ + (2 * kParts + 2) * kHeads; }

  __device__ int StageBegin(int turn) const {
    return shared_.keys_begin + turn % kDecodeStages * kDecodeStepTokens * shared_.row_bytes;
  }
  __device__ SharedTile Keys(int turn) const {
    return {ptx::SharedAddress(memory_ + StageBegin(turn)), kDecodeStepTokens};
  }

  __device__ void FillQueries() {
    for (int row = warp_; row < kHeads; row += kAttentionWarps) {
      const int head = first_head_ + row;
      const bool exists = head < step_.heads;
      const int64_t from = exists ? head : 0;
      FillRow(memory_, queries_, row,
              {.head = step_.qa + split_.row * step_.qa_stride + from * step_.latent_dim,
               .tail = step_.q_pe + split_.row * step_.q_pe_stride + from * step_.q_pe_head_stride,
               .head_count = step_.latent_dim,
               .tail_count = step_.rope_dim},
              exists, step_.fast_queries, lane_);
    }
  }

  // A warp fetches consecutive keys; its lanes look up one place each.
  __device__ void FillKeys(int turn) {
    constexpr int kKeysPerWarp = kDecodeStepTokens / kAttentionWarps;
    const int first = split_.begin + turn * kDecodeStepTokens + warp_ * kKeysPerWarp;
    const int own = first + lane_ % kKeysPerWarp;
    const __nv_bfloat16* entry = step_.cache.data;
    if (own < split_.end) entry = step_.cache.AtPosition(step_.tables + split_.table, own);
    for (int i = 0; i < kKeysPerWarp; ++i) {
      const auto place = __shfl_sync(0xffffffffu, reinterpret_cast<uint64_t>(entry), i);
      FillRow(memory_ + StageBegin(turn), Keys(turn), warp_ * kKeysPerWarp + i,
              {.head = reinterpret_cast<const __nv_bfloat16*>(place),
               .tail = nullptr,
               .head_count = step_.cache.width,
               .tail_count = 0},
              first + i < split_.end, step_.fast_keys, lane_);
    }
    ptx::CommitCopies();
  }

  // Scaled scores, -inf for keys that the split does not have, and their maxima.
  __device__ void Scores(int turn, float (&scores)[kTilesPerWarp][kKeyTiles][4]) {
    const SharedTile keys = Keys(turn);
    const int first_key = part_ * kPartKeys;
    const int k_steps = (step_.cache.width + 15) / 16;
#pragma unroll 4
    for (int k = 0; k < k_steps; ++k) {
      uint32_t b[2 * kKeyTiles];
      if constexpr (kKeyTiles == 2) LoadTwoB(b, keys, first_key, 2 * k, lane_);
      if constexpr (kKeyTiles == 1) LoadOneB(b, keys, first_key, 2 * k, lane_);
#pragma unroll
      for (int tile = 0; tile < kTilesPerWarp; ++tile) {
        uint32_t a[4];
        LoadA(a, queries_, FirstRow(tile), 2 * k, lane_);
#pragma unroll
        for (int j = 0; j < kKeyTiles; ++j) {
          ptx::MmaBf16(scores[tile][j], a, b[2 * j], b[2 * j + 1]);
        }
      }
    }
    const int keys_left = split_.end - split_.begin - turn * kDecodeStepTokens;
#pragma unroll
    for (int tile = 0; tile < kTilesPerWarp; ++tile) {
      float highest[2] = {-INFINITY, -INFINITY};
#pragma unroll
      for (int j = 0; j < kKeyTiles; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          float& score = scores[tile][j][i];
          score = Column(first_key, j, i) < keys_left ? score * step_.scale_log2 : -INFINITY;
          highest[i / 2] = fmaxf(highest[i / 2], score);
        }
      }
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float max = QuadMax(highest[half]);
        if (lane_ % 4 == 0) PartMax(part_)[FirstRow(tile) + Row(half)] = max;
      }
    }
  }

  // Scores become weights, relative to the new maximum.
  __device__ void Weights(int turn, float (&scores)[kTilesPerWarp][kKeyTiles][4]) {
#pragma unroll
    for (int tile = 0; tile < kTilesPerWarp; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = FirstRow(tile) + Row(half);
        float max = Max(turn)[row];
#pragma unroll
        for (int part = 0; part < kParts; ++part) max = fmaxf(max, PartMax(part)[row]);
        float sum = 0;
#pragma unroll
        for (int j = 0; j < kKeyTiles; ++j) {
          const float p0 = exp2f(scores[tile][j][2 * half] - max);
          const float p1 = exp2f(scores[tile][j][2 * half + 1] - max);
          sum += p0 + p1;
          *reinterpret_cast<__nv_bfloat162*>(ElementAt(memory_ + shared_.weights_begin, weights_,
                                                       row, Column(part_ * kPartKeys, j, 0))) =
              __floats2bfloat162_rn(p0, p1);
        }
        sum = QuadSum(sum);
        if (lane_ % 4 == 0) {
          PartSum(part_)[row] = sum;
          if (part_ == 0) Max(turn + 1)[row] = max;
        }
      }
    }
  }

  __device__ void AddTotals(int turn) {
    if (thread_ >= kHeads) return;
    float total = Total()[thread_] * exp2f(Max(turn)[thread_] - Max(turn + 1)[thread_]);
    for (int part = 0; part < kParts; ++part) total += PartSum(part)[thread_];
    Total()[thread_] = total;
  }

  __device__ void AddSums(int turn, float (&sums)[kHeadTiles][kColumnGroups][2][4]) {
#pragma unroll
    for (int tile = 0; tile < kHeadTiles; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = tile * kMmaRows + Row(half);
        const float shrink = exp2f(Max(turn)[row] - Max(turn + 1)[row]);
#pragma unroll
        for (int group = 0; group < kColumnGroups; ++group) {
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            sums[tile][group][j][2 * half] *= shrink;
            sums[tile][group][j][2 * half + 1] *= shrink;
          }
        }
      }
    }
    const SharedTile keys = Keys(turn);
#pragma unroll
    for (int k = 0; k < kDecodeStepTokens / 16; ++k) {
      uint32_t a[kHeadTiles][4];
#pragma unroll
      for (int tile = 0; tile < kHeadTiles; ++tile) {
        LoadA(a[tile], weights_, tile * kMmaRows, 2 * k, lane_);
      }
#pragma unroll
      for (int group = 0; group < kColumnGroups; ++group) {
        if (GroupColumn(group) >= step_.latent_dim) continue;
        uint32_t b[4];
        LoadTwoBRows(b, keys, 16 * k, GroupColumn(group) / kChunkElements, lane_);
#pragma unroll
        for (int tile = 0; tile < kHeadTiles; ++tile) {
          ptx::MmaBf16(sums[tile][group][0], a[tile], b[0], b[1]);
          ptx::MmaBf16(sums[tile][group][1], a[tile], b[2], b[3]);
        }
      }
    }
  }

  __device__ void Store(int turns, const float (&sums)[kHeadTiles][kColumnGroups][2][4]) {
    const bool whole = split_.partial < 0;
    const int64_t base = int64_t{split_.partial} * step_.heads;
    if (!whole && thread_ < kHeads && first_head_ + thread_ < step_.heads && first_column_ == 0) {
      step_.partial_stats[base + first_head_ + thread_] =
          make_float2(Max(turns)[thread_], Total()[thread_]);
    }
#pragma unroll
    for (int tile = 0; tile < kHeadTiles; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = tile * kMmaRows + Row(half), head = first_head_ + row;
        if (head >= step_.heads) continue;
        const float total = Total()[row];
        __nv_bfloat16* const out =
            step_.out + split_.row * step_.out_stride + int64_t{head} * step_.latent_dim;
        float* const partial = step_.partial_sums + (base + head) * step_.latent_dim;
#pragma unroll
        for (int group = 0; group < kColumnGroups; ++group) {
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            const int column = Column(GroupColumn(group), j, 0);
            const float a = sums[tile][group][j][2 * half], b = sums[tile][group][j][2 * half + 1];
            const int left = step_.latent_dim - column;
            if (whole) StorePair(out + column, a / total, b / total, left);
            if (!whole) StorePair(partial + column, a, b, left);
          }
        }
      }
    }
  }

  __device__ int Row(int half) const { return FragmentRow(lane_, half); }
  __device__ int Column(int first, int j, int i) const {
    return first + FragmentColumn(lane_, j, i);
  }
  // First row of this warp's `tile` in the first product, first column of its `group` in the
  // second.
  __device__ int FirstRow(int tile) const {
    return (warp_ / kParts * kTilesPerWarp + tile) * kMmaRows;
  }
  __device__ int GroupColumn(int group) const {
    return first_column_ + (group * kAttentionWarps + warp_) * 16;
  }

  const DecodeStep& step_;
  const DecodeSplit split_;
  const int first_head_, first_column_;
  uint8_t* const memory_;
  const DecodeShared shared_;
  const SharedTile queries_, weights_;
  float* const stats_;
  const int thread_ = static_cast<int>(threadIdx.x);
  const int warp_ = thread_ / kWarpThreads, lane_ = thread_ % kWarpThreads;
  const int part_ = warp_ % kParts;
};

// Grid: splits, groups of heads, groups of columns.
template <int kHeadTiles>
__global__ void __launch_bounds__(kAttentionThreads, 1)
    DecodeKernel(const __grid_constant__ DecodeStep step) {
  extern __shared__ __align__(1024) uint8_t decode_memory[];
  DecodeBlock<kHeadTiles>(step, decode_memory).Run();
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_ATTENTION_CUH_
