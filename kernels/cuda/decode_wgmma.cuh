// Absorbed attention of 64 heads a block over latents of kDecodeColumns, by products of warpgroups:
// each of two takes half a turn's keys for the scores, and half the columns for the sums.
#ifndef SWITCHYARD_KERNELS_CUDA_DECODE_WGMMA_CUH_
#define SWITCHYARD_KERNELS_CUDA_DECODE_WGMMA_CUH_

#include <cstdint>

#include "kernels/cuda/decode_block.cuh"
#include "kernels/cuda/ptx/bulk_copy.cuh"
#include "kernels/cuda/ptx/wgmma.cuh"
#include "kernels/cuda/ptx/wgmma_rows.cuh"

namespace switchyard::kernels::cuda {

class WgmmaDecodeBlock : public DecodeBlock<kMaxDecodeHeadTiles, kMaxDecodeHeadTiles, true> {
 public:
  __device__ WgmmaDecodeBlock(const DecodeStep& step, uint8_t* memory)
      : DecodeBlock(step, memory) {}

  __device__ void Run() {
    if (NumTurns() == 0) return StoreZeros(0, step_.latent_dim);
    Begin();
    float sums[kPieces][kPieceColumns / 2] = {};
    const int turns = NumTurns();
    for (int turn = 0; turn < turns; ++turn) {
      ptx::WaitForCopies<0>();
      ptx::FenceProxyAsync();
      __syncthreads();  // keys have landed, and the other stage is no longer read
      if (turn + 1 < turns) FillKeys(turn + 1);
      float scores[kPartKeys / 2] = {};
      Multiply(turn, scores);
      auto& by_tile = reinterpret_cast<Scores&>(scores);
      Finish(turn, by_tile);
      __syncthreads();  // maxima of the parts
      Weights(turn, by_tile);
      ptx::FenceProxyAsync();
      __syncthreads();  // weights and their sums
      AddTotals(turn);
      AddSums(turn, sums);
    }
    __syncthreads();  // totals
    StoreStats(turns);
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
#pragma unroll
      for (int i = 0; i < kPieceColumns / 2; i += 2) {
        StoreSums(FirstRow(0) + Row(i / 2 % 2), Column(FirstColumn(piece), i / 4, 0),
                  sums[piece][i], sums[piece][i + 1]);
      }
    }
  }

 private:
  static constexpr int kPieces = 2;
  static constexpr int kPieceColumns = 128;  // of one product
  static constexpr int kPanelColumns = 64;
  static constexpr uint32_t kPanelBytes = kDecodeStepTokens * 128;
  static_assert(kHeads == 64 && kDecodeStepTokens == 64 && kParts == 2);
  static_assert(kParts * kPieces * kPieceColumns == kDecodeColumns);

  __device__ void Multiply(int turn, float (&scores)[kPartKeys / 2]) {
    const uint32_t keys = Keys(turn).address + static_cast<uint32_t>(part_ * kPartKeys * 128);
    const int k_steps = (step_.cache.width + 15) / 16;
#pragma unroll
    for (float& score : scores) ptx::HoldRegister(score);
    ptx::WgmmaFence();
    for (int k = 0; k < k_steps; ++k) {
      const uint32_t panel = static_cast<uint32_t>(k / 4) * kPanelBytes;
      const uint64_t step = static_cast<uint64_t>(k % 4) * ptx::kDescriptorStep;
      ptx::Wgmma<kPartKeys>::Bf16(scores, ptx::OperandDescriptor(queries_.address + panel) + step,
                                  ptx::OperandDescriptor(keys + panel) + step, /*add=*/1);
    }
    ptx::WgmmaCommit();
    ptx::WgmmaWait<0>();
#pragma unroll
    for (float& score : scores) ptx::HoldRegister(score);
  }

  __device__ void AddSums(int turn, float (&sums)[kPieces][kPieceColumns / 2]) {
    const float shrink[2] = {Shrink(turn, FirstRow(0) + Row(0)),
                             Shrink(turn, FirstRow(0) + Row(1))};
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
#pragma unroll
      for (int i = 0; i < kPieceColumns / 2; ++i) {
        sums[piece][i] *= shrink[i / 2 % 2];
        ptx::HoldRegister(sums[piece][i]);
      }
    }
    ptx::WgmmaFence();
#pragma unroll
    for (int k = 0; k < kDecodeStepTokens / 16; ++k) {
#pragma unroll
      for (int piece = 0; piece < kPieces; ++piece) {
        const auto panel = static_cast<uint32_t>(FirstColumn(piece) / kPanelColumns);
        ptx::WgmmaRowsBf16(
            sums[piece], ptx::OperandDescriptor(weights_.address) + k * ptx::kDescriptorStep,
            ptx::RowsDescriptor(Keys(turn).address + panel * kPanelBytes + k * 2048, kPanelBytes));
      }
    }
    ptx::WgmmaCommit();
    ptx::WgmmaWait<0>();
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
#pragma unroll
      for (float& sum : sums[piece]) ptx::HoldRegister(sum);
    }
  }

  // Of this warpgroup's `piece` of sums.
  __device__ int FirstColumn(int piece) const { return (part_ * kPieces + piece) * kPieceColumns; }
};

// Grid: splits, groups of heads.
inline __global__ void __launch_bounds__(kAttentionThreads, 1)
    WgmmaDecodeKernel(const __grid_constant__ DecodeStep step) {
  extern __shared__ __align__(1024) uint8_t wgmma_decode_memory[];
  WgmmaDecodeBlock(step, wgmma_decode_memory).Run();
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DECODE_WGMMA_CUH_
