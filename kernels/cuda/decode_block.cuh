// What the two forms of absorbed attention's block share: how queries and keys come, and the online
// softmax of a turn's scores.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_BLOCK_CUH_
#define SWITCHYARD_KERNELS_CUDA_DECODE_BLOCK_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/decode_step.cuh"
#include "kernels/cuda/rows_common.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace switchyard::kernels::cuda {

// One head tile per kMmaRows heads. Of the scores, a warp has some tiles of heads and a part of the
// turn's keys: tile groups go to neighbouring warps, or parts do.
template <int kHeadTiles, int kTileGroups, bool kGroupsFirst>
class DecodeBlock {
 public:
  static constexpr int kHeads = kHeadTiles * kMmaRows;

 protected:
  static constexpr int kTilesPerWarp = kHeadTiles / kTileGroups;
  static constexpr int kParts = kAttentionWarps / kTileGroups;
  static constexpr int kPartKeys = kDecodeStepTokens / kParts;
  static constexpr int kKeyTiles = kPartKeys / 8;
  using Scores = float[kTilesPerWarp][kKeyTiles][4];

  __device__ DecodeBlock(const DecodeStep& step, uint8_t* memory)
      : step_(step),
        split_(step.splits[blockIdx.x]),
        first_head_(static_cast<int>(blockIdx.y) * kHeads),
        memory_(memory),
        shared_(DecodeSharedOf(kHeadTiles, step.cache.width)),
        queries_{ptx::SharedAddress(memory), kHeads},
        weights_{ptx::SharedAddress(memory + shared_.weights_begin), kHeads},
        stats_(reinterpret_cast<float*>(memory + shared_.stats_begin)) {}

  __device__ int NumTurns() const {
    return (split_.end - split_.begin + kDecodeStepTokens - 1) / kDecodeStepTokens;
  }

  // Of a split without keys: all that there is to do.
  __device__ void StoreZeros(int first_column, int columns) {
    if (split_.partial >= 0) return;
    const int end = min(first_column + columns, step_.latent_dim);
    for (int row = warp_; row < kHeads && first_head_ + row < step_.heads; row += kAttentionWarps) {
      __nv_bfloat16* const out =
          step_.out + split_.row * step_.out_stride + int64_t{first_head_ + row} * step_.latent_dim;
      for (int i = first_column + lane_; i < end; i += kWarpThreads) out[i] = __nv_bfloat16{};
    }
  }

  // Before the first turn.
  __device__ void Begin() {
    FillQueries();
    if (thread_ < kHeads) {
      Max(0)[thread_] = -INFINITY;
      Total()[thread_] = 0;
    }
    FillKeys(0);
  }

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

  // Of the turn: scores become scaled ones, -inf for keys that the split does not have; the maxima
  // of this warp's part.
  __device__ void Finish(int turn, Scores& scores) {
    const int first_key = part_ * kPartKeys;
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
  __device__ void Weights(int turn, Scores& scores) {
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

  // By how much the sums of a head shrink in this turn.
  __device__ float Shrink(int turn, int row) const {
    return exp2f(Max(turn)[row] - Max(turn + 1)[row]);
  }

  // Unfinished softmaxes, of heads of this block.
  __device__ void StoreStats(int turns) {
    const int head = first_head_ + thread_;
    if (split_.partial < 0 || thread_ >= kHeads || head >= step_.heads) return;
    step_.partial_stats[int64_t{split_.partial} * step_.heads + head] =
        make_float2(Max(turns)[thread_], Total()[thread_]);
  }
  // Two sums of head `row` of this block, from `column` on.
  __device__ void StoreSums(int row, int column, float a, float b) {
    const int64_t head = first_head_ + row;
    if (head >= step_.heads) return;
    const int left = step_.latent_dim - column;
    const int64_t place = head * step_.latent_dim + column;
    if (split_.partial >= 0) {
      const int64_t partial = int64_t{split_.partial} * step_.heads * step_.latent_dim;
      return StorePair(step_.partial_sums + partial + place, a, b, left);
    }
    const float total = Total()[row];
    StorePair(step_.out + split_.row * step_.out_stride + place, a / total, b / total, left);
  }

  // Of the results of a product: their rows in a tile, their columns from `first` on.
  __device__ int Row(int half) const { return FragmentRow(lane_, half); }
  __device__ int Column(int first, int j, int i) const {
    return first + FragmentColumn(lane_, j, i);
  }
  // First row of this warp's `tile` of scores.
  __device__ int FirstRow(int tile) const { return (group_ * kTilesPerWarp + tile) * kMmaRows; }

  const DecodeStep& step_;
  const DecodeSplit split_;
  const int first_head_;
  uint8_t* const memory_;
  const DecodeShared shared_;
  const SharedTile queries_, weights_;
  float* const stats_;
  const int thread_ = static_cast<int>(threadIdx.x);
  const int warp_ = thread_ / kWarpThreads, lane_ = thread_ % kWarpThreads;
  const int group_ = kGroupsFirst ? warp_ % kTileGroups : warp_ / kParts;
  const int part_ = kGroupsFirst ? warp_ / kTileGroups : warp_ % kParts;
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_BLOCK_CUH_
