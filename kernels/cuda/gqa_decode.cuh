// Body of grouped-query attention of single queries. A block takes one split of a row's keys, of
// one key-value head, and the query heads that share it: they are the rows of the products scores
// [heads, keys] = q k^T and sums [heads, columns] = weights v, so that a key which has come from
// memory serves all of them.
//
// The op waits for memory, so nothing else may be waited for: each warp fetches, several steps
// ahead, and multiplies keys of its own, and meets the others only when it is through.
#ifndef SWITCHYARD_KERNELS_CUDA_GQA_DECODE_CUH_
#define SWITCHYARD_KERNELS_CUDA_GQA_DECODE_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/choose/gqa_shape.h"
#include "kernels/cuda/decode_waves.h"
#include "kernels/cuda/gqa_common.cuh"
#include "kernels/cuda/kv_cache.h"
#include "kernels/cuda/rows_common.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace switchyard::kernels::cuda {

struct GqaDecodeStep {
  const __nv_bfloat16* q;
  int64_t q_stride;
  int heads;          // of queries
  int sharing_heads;  // of a key-value head
  int head_tiles;     // blocks that these take
  bool fast_queries;  // multiples of 16 bytes throughout
  bool fast_keys;
  KvCache cache;
  float scale_log2;    // softmax scale, for powers of 2
  const float* sinks;  // [heads]; may be null
  const DecodeSplit* splits;
  const int32_t* tables;
  float* partial_sums;    // [partials, heads, dim]: values weighted, not yet divided
  float2* partial_stats;  // [partials, heads]: maximum, sum of the weights
  __nv_bfloat16* out;
  int64_t out_stride;
};

template <int kColumns>
class GqaDecodeBlock {
 public:
  __device__ GqaDecodeBlock(const GqaDecodeStep& step, uint8_t* memory)
      : step_(step),
        split_(step.splits[blockIdx.x]),
        kv_(static_cast<int>(blockIdx.y) / step.head_tiles),
        first_head_(kv_ * step.sharing_heads +
                    static_cast<int>(blockIdx.y) % step.head_tiles * kGqaDecodeHeads),
        memory_(memory) {
    const int left = (kv_ + 1) * step.sharing_heads - first_head_;
    num_heads_ = left < kGqaDecodeHeads ? left : kGqaDecodeHeads;
    // Steps begin at multiples of their size, and so at the same keys for any split and window.
    base_ = split_.begin / kGqaDecodeStepTokens * kGqaDecodeStepTokens;
    const int warp_of_base = base_ / kGqaDecodeStepTokens % kGqaDecodeWarps;
    first_step_ = (warp_ - warp_of_base + kGqaDecodeWarps) % kGqaDecodeWarps;
  }

  __device__ void Run() {
    if (split_.begin == split_.end) return StoreZeros();
    FillQueries();
#pragma unroll
    for (int i = 0; i < kGqaDecodeStages; ++i) FillStep(i);
    ptx::WaitForCopies<kGqaDecodeStages - 1>();  // queries came with the first step
    __syncthreads();
    LoadQueries();
    for (int turn = 0; FirstKey(turn) < split_.end; ++turn) {
      ptx::WaitForCopies<kGqaDecodeStages - 1>();
      __syncwarp();  // all lanes' copies have landed
      float scores[2][4] = {};
      Scores(turn, scores);
      Softmax(turn, scores);
      AddSums(turn, scores);
      __syncwarp();  // the stage is no longer read
      FillStep(turn + kGqaDecodeStages);
    }
    ptx::WaitForCopies<0>();
    __syncthreads();  // nobody reads stages
    StoreOwn();
    __syncthreads();
    Join();
  }

 private:
  static constexpr int kChunks = kColumns / kChunkElements;  // of a row
  static constexpr int kSteps = kColumns / 16;               // of the first product, along K
  // Registers hold the queries of all steps, unless the sums are too many beside them.
  static constexpr bool kQueriesStay = kColumns <= 128;
  static constexpr int kHeldSteps = kQueriesStay ? kSteps : 1;
  static constexpr GqaDecodeShared kShared = GqaDecodeSharedOf(kColumns);

  // Of this warp's turn.
  __device__ int FirstKey(int turn) const {
    return base_ + (first_step_ + turn * kGqaDecodeWarps) * kGqaDecodeStepTokens;
  }
  __device__ uint8_t* KeysOf(int turn) const {
    const int stage = warp_ * kGqaDecodeStages + turn % kGqaDecodeStages;
    return memory_ + kShared.stages_begin + stage * kShared.stage_bytes;
  }
  __device__ uint8_t* ValuesOf(int turn) const { return KeysOf(turn) + kShared.stage_bytes / 2; }
  __device__ static SharedTile TileAt(const uint8_t* memory) {
    return {ptx::SharedAddress(memory), kGqaDecodeStepTokens};
  }

  __device__ void FillQueries() {
    constexpr int kRowsPerWarp = kGqaDecodeHeads / kGqaDecodeWarps;
    const int first = warp_ * kRowsPerWarp;
    const auto* const queries =
        step_.q + split_.row * step_.q_stride + int64_t{first_head_} * step_.cache.dim;
    FillRows<kColumns>(
        memory_, TileAt(memory_), first, kRowsPerWarp, step_.cache.dim, step_.fast_queries, lane_,
        [&](int row) { return row < num_heads_ ? queries + row * step_.cache.dim : nullptr; });
  }

  // Keys and values of a turn; nothing after the last one. One group of copies either way.
  __device__ void FillStep(int turn) {
    const int first = FirstKey(turn);
    if (first < split_.end) {
      const int own = first + lane_ % kGqaDecodeStepTokens;
      const __nv_bfloat16* entry = nullptr;
      if (own >= split_.begin && own < split_.end) {
        entry = step_.cache.AtPosition(step_.tables + split_.table, kv_, own);
      }
      const auto key = [&](int row) {
        return reinterpret_cast<const __nv_bfloat16*>(
            __shfl_sync(0xffffffffu, reinterpret_cast<uint64_t>(entry), row));
      };
      const auto value = [&](int row) {
        const __nv_bfloat16* const at = key(row);
        return at == nullptr ? nullptr : at + step_.cache.to_value();
      };
      FillRows<kColumns>(KeysOf(turn), TileAt(KeysOf(turn)), 0, kGqaDecodeStepTokens,
                         step_.cache.dim, step_.fast_keys, lane_, key);
      FillRows<kColumns>(ValuesOf(turn), TileAt(ValuesOf(turn)), 0, kGqaDecodeStepTokens,
                         step_.cache.dim, step_.fast_keys, lane_, value);
    }
    ptx::CommitCopies();
  }

  __device__ void LoadQueries() {
    if constexpr (kQueriesStay) {
#pragma unroll
      for (int k = 0; k < kHeldSteps; ++k) LoadA(queries_[k], TileAt(memory_), 0, 2 * k, lane_);
    }
  }

  __device__ void Scores(int turn, float (&scores)[2][4]) {
    const SharedTile keys = TileAt(KeysOf(turn));
#pragma unroll
    for (int k = 0; k < kSteps; ++k) {
      uint32_t b[4];
      LoadTwoB(b, keys, 0, 2 * k, lane_);
      uint32_t(&a)[4] = queries_[k % kHeldSteps];
      if constexpr (!kQueriesStay) LoadA(a, TileAt(memory_), 0, 2 * k, lane_);
      ptx::MmaBf16(scores[0], a, b[0], b[1]);
      ptx::MmaBf16(scores[1], a, b[2], b[3]);
    }
  }

  // Scores become weights relative to the new maximum, and the sums so far shrink to it.
  __device__ void Softmax(int turn, float (&scores)[2][4]) {
    const int before = split_.begin - FirstKey(turn), end = split_.end - FirstKey(turn);
#pragma unroll
    for (int j = 0; j < 2; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int key = FragmentColumn(lane_, j, i);
        const bool seen = key >= before && key < end;
        scores[j][i] = seen ? scores[j][i] * step_.scale_log2 : -INFINITY;
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float(&a)[4] = scores[0];
      float(&b)[4] = scores[1];
      const int i = 2 * half;
      const float of_step = QuadMax(fmaxf(fmaxf(a[i], a[i + 1]), fmaxf(b[i], b[i + 1])));
      const float max = fmaxf(max_[half], of_step);
      a[i] = exp2f(a[i] - max), a[i + 1] = exp2f(a[i + 1] - max);
      b[i] = exp2f(b[i] - max), b[i + 1] = exp2f(b[i + 1] - max);
      const float shrink = exp2f(max_[half] - max);
      max_[half] = max;
      total_[half] = fmaf(total_[half], shrink, QuadSum(a[i] + a[i + 1] + b[i] + b[i + 1]));
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j) {
        sums_[j][i] *= shrink;
        sums_[j][i + 1] *= shrink;
      }
    }
  }

  // Results of the first product are laid out as the left operand of the second.
  __device__ void AddSums(int turn, const float (&weights)[2][4]) {
    uint32_t a[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      a[i] = PackBf16(weights[i / 2][i % 2 * 2], weights[i / 2][i % 2 * 2 + 1]);
    }
    const SharedTile values = TileAt(ValuesOf(turn));
#pragma unroll
    for (int pair = 0; pair < kColumns / 16; ++pair) {
      uint32_t b[4];
      LoadTwoBRows(b, values, 0, 2 * pair, lane_);
      ptx::MmaBf16(sums_[2 * pair], a, b[0], b[1]);
      ptx::MmaBf16(sums_[2 * pair + 1], a, b[2], b[3]);
    }
  }

  // Where a warp leaves what it has of a head.
  __device__ float* SumsOf(int warp, int row) const {
    return reinterpret_cast<float*>(memory_ + kShared.stages_begin) +
           (warp * kGqaDecodeHeads + row) * kShared.sums_row;
  }
  __device__ float2* StatsOf(int warp, int row) const {
    return reinterpret_cast<float2*>(memory_ + kShared.stats_begin) + warp * kGqaDecodeHeads + row;
  }

  __device__ void StoreOwn() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = FragmentRow(lane_, half);
      if (lane_ % 4 == 0) *StatsOf(warp_, row) = make_float2(max_[half], total_[half]);
      float2* const to = reinterpret_cast<float2*>(SumsOf(warp_, row)) + lane_ % 4;
#pragma unroll
      for (int j = 0; j < kColumns / 8; ++j) {
        to[4 * j] = make_float2(sums_[j][2 * half], sums_[j][2 * half + 1]);
      }
    }
  }

  __device__ void StoreZeros() {  // of a split without keys: all that there is to do
    if (split_.partial >= 0) return;
    __nv_bfloat16* const out = step_.out + split_.row * step_.out_stride;
    const int begin = first_head_ * step_.cache.dim, end = begin + num_heads_ * step_.cache.dim;
    for (int i = begin + threadIdx.x; i < end; i += kGqaDecodeThreads) out[i] = __nv_bfloat16{};
  }

  // In the order of the warps, all relative to the highest maximum. A warp that had no key counts
  // for nothing. A row's only split has the head's sink, too.
  __device__ void Join() {
    const bool only = split_.partial < 0;
    for (int row = warp_; row < num_heads_; row += kGqaDecodeWarps) {
      const int head = first_head_ + row;
      const float sink = only ? SinkOf(step_.sinks, head) : -INFINITY;
      float max = sink;
      for (int warp = 0; warp < kGqaDecodeWarps; ++warp) max = fmaxf(max, StatsOf(warp, row)->x);
      float weights[kGqaDecodeWarps];
      float total = exp2f(sink - max);
#pragma unroll
      for (int warp = 0; warp < kGqaDecodeWarps; ++warp) {
        const float2 stats = *StatsOf(warp, row);
        weights[warp] = exp2f(stats.x - max);
        total = fmaf(weights[warp], stats.y, total);
      }
      const int64_t place = int64_t{split_.partial} * step_.heads + head;
      if (!only && lane_ == 0) step_.partial_stats[place] = make_float2(max, total);
      for (int column = lane_; column < step_.cache.dim; column += 32) {
        float sum = 0;
#pragma unroll
        for (int warp = 0; warp < kGqaDecodeWarps; ++warp) {
          sum = fmaf(weights[warp], SumsOf(warp, row)[column], sum);
        }
        if (only) {
          step_.out[split_.row * step_.out_stride + int64_t{head} * step_.cache.dim + column] =
              FromF32<__nv_bfloat16>(sum / total);
        } else {
          step_.partial_sums[place * step_.cache.dim + column] = sum;
        }
      }
    }
  }

  const GqaDecodeStep& step_;
  const DecodeSplit split_;
  const int kv_;
  const int first_head_;
  uint8_t* const memory_;
  const int warp_ = static_cast<int>(threadIdx.x) / kWarpThreads;
  const int lane_ = static_cast<int>(threadIdx.x) % kWarpThreads;
  int num_heads_;
  int base_, first_step_;  // the key that steps are counted from, and this warp's first one
  uint32_t queries_[kHeldSteps][4];
  float max_[2] = {-INFINITY, -INFINITY};
  float total_[2] = {0, 0};
  float sums_[kColumns / 8][4] = {};
};

// Grid: splits, key-value heads times the tiles of heads that share them.
template <int kColumns>
__global__ void __launch_bounds__(kGqaDecodeThreads)
    GqaDecodeKernel(const __grid_constant__ GqaDecodeStep step) {
  extern __shared__ __align__(1024) uint8_t gqa_decode_memory[];
  GqaDecodeBlock<kColumns>(step, gqa_decode_memory).Run();
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GQA_DECODE_CUH_
