// Body of naive attention over one tile of keys. A block takes some queries of one head, a warp
// kMmaRows of them with all their sums in registers; keys and values come by turns.
//
// A turn changes nothing, to the bit, for a query that sees none of its keys: chunks and blocks may
// hold any neighbours.
#ifndef SWITCHYARD_KERNELS_CUDA_PREFILL_ATTENTION_CUH_
#define SWITCHYARD_KERNELS_CUDA_PREFILL_ATTENTION_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/prefill_sums.cuh"
#include "kernels/cuda/rows_common.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace switchyard::kernels::cuda {

template <int kColumns>
class PrefillBlock {
 public:
  __device__ PrefillBlock(const PrefillTile& tile, uint8_t* memory)
      : tile_(tile),
        memory_(memory),
        shared_(PrefillSharedOf(tile.nope + tile.rope, tile.value)),
        queries_{ptx::SharedAddress(memory), kPrefillQueries} {}

  __device__ void Run() {
    const int queries_left = tile_.num_queries - first_query_;
    const int newest = tile_.first_position + first_query_ +
                       (queries_left < kPrefillQueries ? queries_left : kPrefillQueries) - 1;
    const int visible = newest - tile_.tile_begin + 1;
    if (visible <= 0 && !tile_.last) return;
    const int keys = visible < tile_.num_keys ? visible : tile_.num_keys;
    const int turns = keys > 0 ? (keys + kPrefillStepTokens - 1) / kPrefillStepTokens : 0;
    if (turns > 0) FillTurn(0, /*with_queries=*/true);
    sums_.Load(tile_, first_row_, head_, lane_);
    for (int turn = 0; turn < turns; ++turn) {
      ptx::WaitForCopies<0>();
      __syncthreads();  // the turn has landed, and the other stage is no longer read
      if (turn + 1 < turns) FillTurn(turn + 1, /*with_queries=*/false);
      // Positions in the tile that the block's first query, and each of this thread's, sees.
      const int seen_by_all =
          tile_.first_position + first_query_ - tile_.tile_begin + 1 - turn * kPrefillStepTokens;
      const bool masked = seen_by_all < kPrefillStepTokens;
      float scores[kKeyTiles][4] = {};
      Scores(turn, scores);
      if (masked) Mask(seen_by_all, scores);
      Softmax(scores);
      const bool bad = masked && HideBadValues(turn);
      AddSums(turn, scores);
      if (bad) ShowBadValues(seen_by_all);
    }
    if (tile_.last) return sums_.StoreOut(tile_, first_row_, head_, lane_);
    sums_.Store(tile_, first_row_, head_, lane_);
  }

 private:
  static constexpr int kKeyTiles = kPrefillStepTokens / 8;
  static constexpr int kColumnTiles = kColumns / 8;

  __device__ uint8_t* KeysOf(int turn) const {
    return memory_ + shared_.stages_begin + turn % kPrefillStages * shared_.stage_bytes;
  }
  __device__ uint8_t* ValuesOf(int turn) const { return KeysOf(turn) + shared_.values_in_stage; }
  __device__ int* FirstBad() const {
    return reinterpret_cast<int*>(memory_ + shared_.first_bad_begin);
  }

  __device__ void FillTurn(int turn, bool with_queries) {
    if (with_queries) {
      for (int i = 0; i < kMmaRows; ++i) {
        const int row = warp_ * kMmaRows + i, query = first_query_ + row;
        const bool exists = query < tile_.num_queries;
        const int width = tile_.nope + tile_.rope;
        FillRow(memory_, queries_, row,
                {.head = tile_.q + (exists ? query : 0) * tile_.q_stride + head_ * width,
                 .tail = nullptr,
                 .head_count = width,
                 .tail_count = 0},
                exists, tile_.fast, lane_);
      }
    }
    const SharedTile keys{ptx::SharedAddress(KeysOf(turn)), kPrefillStepTokens};
    const SharedTile values{ptx::SharedAddress(ValuesOf(turn)), kPrefillStepTokens};
    for (int row = warp_; row < kPrefillStepTokens; row += kAttentionWarps) {
      const int key = turn * kPrefillStepTokens + row;
      const bool exists = key < tile_.num_keys;
      const int64_t from = exists ? key : 0;
      const __nv_bfloat16* const kv =
          tile_.kv + from * tile_.kv_stride + head_ * (tile_.nope + tile_.value);
      FillRow(KeysOf(turn), keys, row,
              {.head = kv,
               .tail = tile_.k_pe + from * tile_.k_pe_stride,
               .head_count = tile_.nope,
               .tail_count = tile_.rope},
              exists, tile_.fast, lane_);
      FillRow(
          ValuesOf(turn), values, row,
          {.head = kv + tile_.nope, .tail = nullptr, .head_count = tile_.value, .tail_count = 0},
          exists, tile_.fast, lane_);
    }
    ptx::CommitCopies();
  }

  // Scaled. Rounded here, so that masked and other turns give one result.
  __device__ void Scores(int turn, float (&scores)[kKeyTiles][4]) {
    const SharedTile keys{ptx::SharedAddress(KeysOf(turn)), kPrefillStepTokens};
    const int k_steps = (tile_.nope + tile_.rope + 15) / 16;
#pragma unroll 2
    for (int k = 0; k < k_steps; ++k) {
      uint32_t a[4];
      LoadA(a, queries_, warp_ * kMmaRows, 2 * k, lane_);
#pragma unroll
      for (int pair = 0; pair < kKeyTiles / 2; ++pair) {
        uint32_t b[4];
        LoadTwoB(b, keys, 16 * pair, 2 * k, lane_);
        ptx::MmaBf16(scores[2 * pair], a, b[0], b[1]);
        ptx::MmaBf16(scores[2 * pair + 1], a, b[2], b[3]);
      }
    }
#pragma unroll
    for (int j = 0; j < kKeyTiles; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) scores[j][i] = __fmul_rn(scores[j][i], tile_.scale_log2);
    }
  }

  // How many keys of the turn this thread's query `half` sees; may be more than there are.
  __device__ int Seen(int seen_by_all, int half) const {
    return seen_by_all + warp_ * kMmaRows + FragmentRow(lane_, half);
  }

  __device__ void Mask(int seen_by_all, float (&scores)[kKeyTiles][4]) {
#pragma unroll
    for (int j = 0; j < kKeyTiles; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (FragmentColumn(lane_, j, i) >= Seen(seen_by_all, i / 2)) scores[j][i] = -INFINITY;
      }
    }
  }

  // Scores become weights relative to the new maximum, and the sums so far shrink to it.
  __device__ void Softmax(float (&scores)[kKeyTiles][4]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float max = sums_.max[half];
#pragma unroll
      for (int j = 0; j < kKeyTiles; ++j) {
        max = fmaxf(max, fmaxf(scores[j][2 * half], scores[j][2 * half + 1]));
      }
      max = QuadMax(max);
      float sum = 0;
#pragma unroll
      for (int j = 0; j < kKeyTiles; ++j) {
        scores[j][2 * half] = exp2f(scores[j][2 * half] - max);
        scores[j][2 * half + 1] = exp2f(scores[j][2 * half + 1] - max);
        sum += scores[j][2 * half] + scores[j][2 * half + 1];
      }
      const float shrink = exp2f(sums_.max[half] - max);
      sums_.max[half] = max;
      sums_.total[half] = fmaf(sums_.total[half], shrink, QuadSum(sum));
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j) {
        sums_.values[j][2 * half] *= shrink;
        sums_.values[j][2 * half + 1] *= shrink;
      }
    }
  }

  // Whether one of two elements has an exponent of all ones.
  __device__ static bool HasBad(uint32_t two) {
    constexpr uint32_t kLow = 0x7f80u, kHigh = kLow << 16;
    return (two & kLow) == kLow || (two & kHigh) == kHigh;
  }

  // The product takes a weight of 0 times every value of a key that a query does not see, which is
  // 0 only if the value is finite. Those that are not become 0 here, and FirstBad() of their column
  // says where they begin. False where there are none. All threads call.
  __device__ bool HideBadValues(int turn) {
    const int columns = (tile_.value + 15) / 16 * 16;
    const SharedTile values{ptx::SharedAddress(ValuesOf(turn)), kPrefillStepTokens};
    const auto at = [&](int key, int column) {
      return ElementAt(ValuesOf(turn), values, key, column);
    };
    bool bad = false;
    for (int key = warp_; key < kPrefillStepTokens; key += kAttentionWarps) {
      for (int column = lane_ * kChunkElements; column < columns; column += 32 * kChunkElements) {
        const uint4 chunk = *reinterpret_cast<const uint4*>(at(key, column));
        bad = bad || HasBad(chunk.x) || HasBad(chunk.y) || HasBad(chunk.z) || HasBad(chunk.w);
      }
    }
    if (!__syncthreads_or(bad)) return false;
    static_assert(kAttentionThreads >= kColumns);  // a column per thread
    if (thread_ < kColumns) {
      int first_bad = kPrefillStepTokens;
      for (int key = kPrefillStepTokens - 1; key >= 0 && thread_ < columns; --key) {
        if (isfinite(ToF32(*at(key, thread_)))) continue;
        first_bad = key;
        *at(key, thread_) = FromF32<__nv_bfloat16>(0);
      }
      FirstBad()[thread_] = first_bad;
    }
    __syncthreads();
    return true;
  }

  // For the queries that see them.
  __device__ void ShowBadValues(int seen_by_all) {
#pragma unroll
    for (int j = 0; j < kColumnTiles; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (FirstBad()[FragmentColumn(lane_, j, i)] < Seen(seen_by_all, i / 2))
          sums_.values[j][i] = NAN;
      }
    }
  }

  // Results of the first product are laid out as the left operand of the second.
  __device__ void AddSums(int turn, const float (&weights)[kKeyTiles][4]) {
    const SharedTile values{ptx::SharedAddress(ValuesOf(turn)), kPrefillStepTokens};
#pragma unroll
    for (int k = 0; k < kPrefillStepTokens / 16; ++k) {
      uint32_t a[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float(&pair)[4] = weights[2 * k + i / 2];
        const __nv_bfloat162 two = __floats2bfloat162_rn(pair[i % 2 * 2], pair[i % 2 * 2 + 1]);
        a[i] = reinterpret_cast<const uint32_t&>(two);
      }
#pragma unroll
      for (int pair = 0; pair < kColumnTiles / 2; ++pair) {
        if (16 * pair >= tile_.value) continue;
        uint32_t b[4];
        LoadTwoBRows(b, values, 16 * k, 2 * pair, lane_);
        ptx::MmaBf16(sums_.values[2 * pair], a, b[0], b[1]);
        ptx::MmaBf16(sums_.values[2 * pair + 1], a, b[2], b[3]);
      }
    }
  }

  const PrefillTile& tile_;
  uint8_t* const memory_;
  const PrefillShared shared_;
  const SharedTile queries_;
  const int thread_ = static_cast<int>(threadIdx.x);
  const int warp_ = thread_ / kWarpThreads, lane_ = thread_ % kWarpThreads;
  const int first_query_ = static_cast<int>(blockIdx.x) * kPrefillQueries;
  const int64_t head_ = blockIdx.y;
  const int first_row_ = first_query_ + warp_ * kMmaRows;
  PrefillSums<kColumns> sums_;
};

// Grid: groups of queries, heads.
template <int kColumns>
__global__ void __launch_bounds__(kAttentionThreads, 1)
    PrefillKernel(const __grid_constant__ PrefillTile tile) {
  extern __shared__ __align__(1024) uint8_t prefill_memory[];
  PrefillBlock<kColumns>(tile, prefill_memory).Run();
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PREFILL_ATTENTION_CUH_
