// Bodies of absorbed attention. A block takes one split of one sequence's keys and some heads; the
// heads are the rows of two products, scores [heads, keys] = q latents^T and sums [heads, columns]
// = weights latents, so that a latent in shared memory serves all of them, and serves twice.
//
// This form is for any widths, by products of single warps; decode_wgmma.cuh is for served ones.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_ATTENTION_CUH_
#define SWITCHYARD_KERNELS_CUDA_DECODE_ATTENTION_CUH_

#include <cstdint>

#include "kernels/cuda/decode_block.cuh"

namespace switchyard::kernels::cuda {

// Sums: each warp takes every 8th group of 16 columns, for all heads.
template <int kHeadTiles>
class MmaDecodeBlock : public DecodeBlock<kHeadTiles, (kHeadTiles > 1 ? 2 : 1), false> {
  using Base = DecodeBlock<kHeadTiles, (kHeadTiles > 1 ? 2 : 1), false>;

 public:
  __device__ MmaDecodeBlock(const DecodeStep& step, uint8_t* memory) : Base(step, memory) {}

  __device__ void Run() {
    if (this->NumTurns() == 0) return this->StoreZeros(first_column_, kDecodeColumns);
    this->Begin();
    Sums sums = {};
    const int turns = this->NumTurns();
    for (int turn = 0; turn < turns; ++turn) {
      ptx::WaitForCopies<0>();
      __syncthreads();  // keys have landed, and the other stage is no longer read
      if (turn + 1 < turns) this->FillKeys(turn + 1);
      typename Base::Scores scores = {};
      Multiply(turn, scores);
      this->Finish(turn, scores);
      __syncthreads();  // maxima of the parts
      this->Weights(turn, scores);
      __syncthreads();  // weights and their sums
      this->AddTotals(turn);
      AddSums(turn, sums);
    }
    __syncthreads();  // totals
    Store(turns, sums);
  }

 private:
  static constexpr int kColumnGroups = kDecodeColumns / 16 / kAttentionWarps;
  using Sums = float[kHeadTiles][kColumnGroups][2][4];
  using Base::kKeyTiles;
  using Base::kTilesPerWarp;
  using Base::lane_;
  using Base::queries_;
  using Base::step_;
  using Base::warp_;
  using Base::weights_;

  __device__ void Multiply(int turn, typename Base::Scores& scores) {
    const SharedTile keys = this->Keys(turn);
    const int first_key = this->part_ * Base::kPartKeys;
    const int k_steps = (step_.cache.width + 15) / 16;
#pragma unroll 4
    for (int k = 0; k < k_steps; ++k) {
      uint32_t b[2 * kKeyTiles];
      if constexpr (kKeyTiles == 2) LoadTwoB(b, keys, first_key, 2 * k, lane_);
      if constexpr (kKeyTiles == 1) LoadOneB(b, keys, first_key, 2 * k, lane_);
#pragma unroll
      for (int tile = 0; tile < kTilesPerWarp; ++tile) {
        uint32_t a[4];
        LoadA(a, queries_, this->FirstRow(tile), 2 * k, lane_);
#pragma unroll
        for (int j = 0; j < kKeyTiles; ++j) {
          ptx::MmaBf16(scores[tile][j], a, b[2 * j], b[2 * j + 1]);
        }
      }
    }
  }

  __device__ void AddSums(int turn, Sums& sums) {
#pragma unroll
    for (int tile = 0; tile < kHeadTiles; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float shrink = this->Shrink(turn, tile * kMmaRows + this->Row(half));
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
    const SharedTile keys = this->Keys(turn);
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

  __device__ void Store(int turns, const Sums& sums) {
    if (first_column_ == 0) this->StoreStats(turns);
#pragma unroll
    for (int tile = 0; tile < kHeadTiles; ++tile) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int group = 0; group < kColumnGroups; ++group) {
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            const float(&four)[4] = sums[tile][group][j];
            this->StoreSums(tile * kMmaRows + this->Row(half),
                            this->Column(GroupColumn(group), j, 0), four[2 * half],
                            four[2 * half + 1]);
          }
        }
      }
    }
  }

  // First column of this warp's `group` of sums.
  __device__ int GroupColumn(int group) const {
    return first_column_ + (group * kAttentionWarps + warp_) * 16;
  }

  const int first_column_ = static_cast<int>(blockIdx.z) * kDecodeColumns;
};

// Grid: splits, groups of heads, groups of columns.
template <int kHeadTiles>
__global__ void __launch_bounds__(kAttentionThreads, 1)
    DecodeKernel(const __grid_constant__ DecodeStep step) {
  extern __shared__ __align__(1024) uint8_t decode_memory[];
  MmaDecodeBlock<kHeadTiles>(step, decode_memory).Run();
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_ATTENTION_CUH_
