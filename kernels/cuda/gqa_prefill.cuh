// Body of grouped-query attention of a prompt's chunk. A block takes some rows (choose/gqa_shape.h)
// of one key-value head, a warpgroup 64 of them with all their sums in registers; keys and values
// come by turns.
//
// A turn changes nothing, to the bit, for a row that sees none of its keys: chunks and blocks may
// hold any neighbours.
#ifndef SWITCHYARD_KERNELS_CUDA_GQA_PREFILL_CUH_
#define SWITCHYARD_KERNELS_CUDA_GQA_PREFILL_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/gqa_prefill_fetch.cuh"
#include "kernels/cuda/ptx/bulk_copy.cuh"
#include "kernels/cuda/ptx/wgmma.cuh"
#include "kernels/cuda/ptx/wgmma_registers.cuh"
#include "kernels/cuda/ptx/wgmma_rows.cuh"

namespace switchyard::kernels::cuda {

template <int kColumns>
class GqaPrefillBlock : public GqaPrefillFetch<kColumns> {
  using Base = GqaPrefillFetch<kColumns>;

 public:
  __device__ GqaPrefillBlock(const GqaPrefillStep& step, uint8_t* memory) : Base(step, memory) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      max_[half] = SinkOf(step.sinks, this->HeadOf(this->RowOf(half)));
      total_[half] = step.sinks == nullptr ? 0 : 1;
    }
  }

  __device__ void Run() {
    const int turns = (this->newest_ - this->tile_begin_) / kStepKeys + 1;
    this->FillQueries();
    this->FillTurn(0);
    for (int turn = 0; turn < turns; ++turn) {
      ptx::WaitForCopies<0>();
      ptx::FenceProxyAsync();
      __syncthreads();  // the turn has landed, and the other stage is no longer read
      if (turn + 1 < turns) this->FillTurn(turn + 1);
      const int first_key = this->FirstKey(turn);
      // Whether a row of the block does not see a key of the turn.
      const bool masked =
          first_key + kStepKeys - 1 > this->oldest_ || first_key <= this->newest_ - step_.window;
      uint32_t weights[kStepKeys / 16][4];
      {
        float scores[kStepKeys / 2] = {};
        Scores(turn, scores);
        if (masked) Mask(first_key, scores);
        Softmax(scores);
        Pack(scores, weights);
      }
      const bool bad = masked && this->ValuesOf(turn).Hide(this->thread_);
      if (bad) {
        ptx::FenceProxyAsync();
        __syncthreads();  // products see what was hidden
      }
      AddSums(turn, weights);
      if (bad) ShowBadValues(turn);
    }
    Store();
  }

 private:
  using Base::kStepKeys;
  using Base::lane_;
  using Base::step_;
  static constexpr int kPieceColumns = kColumns < 128 ? kColumns : 128;  // of one product
  static constexpr int kPieces = kColumns / kPieceColumns;
  static constexpr uint32_t kQueryPanelBytes = kGqaPrefillRows * 128;
  static constexpr uint32_t kKeyPanelBytes = kStepKeys * 128;
  static_assert(kGqaPrefillRows == 128 && kGqaPrefillThreads == 256);

  // Scaled. Rounded here, so that masked and other turns give one result.
  __device__ void Scores(int turn, float (&scores)[kStepKeys / 2]) {
    const uint32_t queries =
        this->queries_.address + static_cast<uint32_t>(this->warp_ / 4 * 64 * 128);
    const uint32_t keys = ptx::SharedAddress(this->KeysOf(turn));
#pragma unroll
    for (float& score : scores) ptx::HoldRegister(score);
    ptx::WgmmaFence();
#pragma unroll
    for (int k = 0; k < kColumns / 16; ++k) {
      const auto panel = static_cast<uint32_t>(k / 4);
      const uint64_t in_panel = static_cast<uint64_t>(k % 4) * ptx::kDescriptorStep;
      ptx::Wgmma<kStepKeys>::Bf16(
          scores, ptx::OperandDescriptor(queries + panel * kQueryPanelBytes) + in_panel,
          ptx::OperandDescriptor(keys + panel * kKeyPanelBytes) + in_panel, /*add=*/1);
    }
    ptx::WgmmaCommit();
    ptx::WgmmaWait<0>();
#pragma unroll
    for (float& score : scores) {
      ptx::HoldRegister(score);
      score = __fmul_rn(score, step_.scale_log2);
    }
  }

  __device__ void Mask(int first_key, float (&scores)[kStepKeys / 2]) {
    const int positions[2] = {this->PositionOf(this->RowOf(0)), this->PositionOf(this->RowOf(1))};
#pragma unroll
    for (int i = 0; i < kStepKeys / 2; ++i) {
      const int key = first_key + FragmentColumn(lane_, i / 4, i % 4);
      const int position = positions[i / 2 % 2];
      if (key > position || key <= position - step_.window) scores[i] = -INFINITY;
    }
  }

  // Scores become weights relative to the new maximum, and the sums so far shrink to it.
  __device__ void Softmax(float (&scores)[kStepKeys / 2]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float max = max_[half];
#pragma unroll
      for (int i = 2 * half; i < kStepKeys / 2; i += 4) {
        max = fmaxf(max, fmaxf(scores[i], scores[i + 1]));
      }
      max = QuadMax(max);
      // A row that has not seen any key yet stays as it is: all its powers are 0.
      const float base = max == -INFINITY ? 0 : max;
      float sum = 0;
#pragma unroll
      for (int i = 2 * half; i < kStepKeys / 2; i += 4) {
        scores[i] = exp2f(scores[i] - base);
        scores[i + 1] = exp2f(scores[i + 1] - base);
        sum += scores[i] + scores[i + 1];
      }
      const float shrink = exp2f(max_[half] - base);
      max_[half] = max;
      total_[half] = fmaf(total_[half], shrink, QuadSum(sum));
#pragma unroll
      for (int piece = 0; piece < kPieces; ++piece) {
#pragma unroll
        for (int i = 2 * half; i < kPieceColumns / 2; i += 4) {
          sums_[piece][i] *= shrink;
          sums_[piece][i + 1] *= shrink;
        }
      }
    }
  }

  // Results of the first product are laid out as the left operand of the second.
  __device__ static void Pack(const float (&weights)[kStepKeys / 2],
                              uint32_t (&a)[kStepKeys / 16][4]) {
#pragma unroll
    for (int i = 0; i < kStepKeys / 4; ++i) {
      a[i / 4][i % 4] = PackBf16(weights[2 * i], weights[2 * i + 1]);
    }
  }

  __device__ void AddSums(int turn, const uint32_t (&weights)[kStepKeys / 16][4]) {
    const uint32_t values = this->ValuesOf(turn).tile.address;
    HoldSums();
    ptx::WgmmaFence();
#pragma unroll
    for (int k = 0; k < kStepKeys / 16; ++k) {
#pragma unroll
      for (int piece = 0; piece < kPieces; ++piece) {
        const auto panel = static_cast<uint32_t>(piece * kPieceColumns / 64);
        ptx::WgmmaRowsBf16(
            sums_[piece], weights[k],
            ptx::RowsDescriptor(values + panel * kKeyPanelBytes + k * 2048, kKeyPanelBytes));
      }
    }
    ptx::WgmmaCommit();
    ptx::WgmmaWait<0>();
    HoldSums();
  }
  __device__ void HoldSums() {
#pragma unroll
    for (auto& piece : sums_) {
#pragma unroll
      for (float& sum : piece) ptx::HoldRegister(sum);
    }
  }

  // For the rows that see them.
  __device__ void ShowBadValues(int turn) {
    uint64_t seen[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int end = this->PositionOf(this->RowOf(half)) + 1 - this->FirstKey(turn);
      seen[half] = Base::Values::SeenBits(end - step_.window, end);
    }
    const uint64_t* const keys_of = this->ValuesOf(turn).keys_of;
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
#pragma unroll
      for (int i = 0; i < kPieceColumns / 2; ++i) {
        const int column = piece * kPieceColumns + FragmentColumn(lane_, i / 4, i % 4);
        if ((keys_of[column] & seen[i / 2 % 2]) != 0) sums_[piece][i] = NAN;
      }
    }
  }

  // By 16 bytes a lane where that can be: 64 of each of eight rows at once, whole sectors.
  __device__ void Store() {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = this->RowOf(half) / step_.sharing_heads, dim = step_.cache.dim;
      const bool exists = query < step_.num_queries;
      __nv_bfloat16* const out =
          step_.out + query * step_.out_stride + int64_t{this->HeadOf(this->RowOf(half))} * dim;
#pragma unroll
      for (int j = 0; j < kColumns / 8; j += 4) {
        uint32_t words[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float(&sums)[kPieceColumns / 2] = sums_[(j + i) * 8 / kPieceColumns];
          const int at = (j + i) % (kPieceColumns / 8) * 4 + 2 * half;
          const float low = sums[at] / total_[half], high = sums[at + 1] / total_[half];
          words[i] = PackBf16(low, high);
          const int column = FragmentColumn(lane_, j + i, 0);
          if (exists && !step_.fast_out) StorePair(out + column, low, high, dim - column);
        }
        const uint4 chunk = TurnAmongFour(words, lane_);
        const int column = 8 * (j + lane_ % 4);
        if (exists && step_.fast_out && column < dim) {
          *reinterpret_cast<uint4*>(out + column) = chunk;
        }
      }
    }
  }

  float max_[2];
  float total_[2];
  float sums_[kPieces][kPieceColumns / 2] = {};
};

// Grid: groups of rows, key-value heads.
template <int kColumns>
__global__ void __launch_bounds__(kGqaPrefillThreads, GqaPrefillBlocks(kColumns))
    GqaPrefillKernel(const __grid_constant__ GqaPrefillStep step) {
  extern __shared__ __align__(1024) uint8_t gqa_prefill_memory[];
  GqaPrefillBlock<kColumns>(step, gqa_prefill_memory).Run();
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GQA_PREFILL_CUH_
