// The inner loop of a product: a warpgroup multiplies the stages of K as they arrive.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_SUM_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_SUM_CUH_

#include "kernels/cuda/choose/gemm_tile.h"
#include "kernels/cuda/ptx/mbarrier.cuh"
#include "kernels/cuda/ptx/wgmma.cuh"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

// The ring of stages as one thread walks it. A stage is `full` when its copies have landed and
// `empty` when the warps that multiply have let it go.
struct StageRing {
  uint32_t barriers;
  int stages;
  int stage = 0;
  uint32_t parity = 0;  // of the phase that the walk waits for

  __device__ uint32_t full(int at) const { return barriers + static_cast<uint32_t>(at) * 8; }
  __device__ uint32_t empty(int at) const { return full(stages + at); }
  __device__ int previous() const { return stage == 0 ? stages - 1 : stage - 1; }
  __device__ void Next() {
    if (++stage < stages) return;
    stage = 0;
    parity ^= 1;
  }
  // By every warp that multiplies, when all its lanes have read the stage.
  __device__ void Release(int at) const {
    __syncwarp();
    if (threadIdx.x % kWarpThreads == 0) ptx::Arrive(empty(at));
  }
};

// The sums of a warpgroup's 64 x kTokens outputs over the piece's part of K.
template <GemmForm kForm, int kTokens>
struct Accumulator {
  static constexpr int kSums = kTokens / 2;  // of one thread
  static constexpr int kStepsOfTile = 4;     // of 32 bytes
  using Mma = ptx::Wgmma<kTokens>;
  using Sums = typename Mma::Sums;

  const GemmShared& at;
  const uint8_t* shared;
  uint32_t shared_address;
  int warpgroup, lane;

  // The right operand of a stage.
  __device__ uint64_t ActivationsAt(int stage) const {
    return ptx::OperandDescriptor(shared_address +
                                  static_cast<uint32_t>(stage * at.stage_bytes + at.x_begin));
  }

  // `fresh`: D begins with this tile.
  __device__ void Issue(Sums& d, int stage, bool fresh) const {
    const uint64_t a = ptx::OperandDescriptor(
        shared_address + static_cast<uint32_t>(stage * at.stage_bytes + warpgroup * kTileBytes));
    const uint64_t b = ActivationsAt(stage);
    ptx::WgmmaFence();
#pragma unroll
    for (int i = 0; i < kStepsOfTile; ++i) {
      const uint64_t step = static_cast<uint64_t>(i) * ptx::kDescriptorStep;
      const int add = i > 0 || !fresh;
      if constexpr (kForm == GemmForm::kE4m3) {
        Mma::E4m3(d, a + step, b + step, add);
      } else {
        Mma::Bf16(d, a + step, b + step, add);
      }
    }
    ptx::WgmmaCommit();
  }

  __device__ static void Hold(Sums& d) {
#pragma unroll
    for (int i = 0; i < kSums; ++i) ptx::HoldRegister(d[i]);
  }

  // Of a warpgroup that has no tile in a piece.
  __device__ static void Skip(StageRing& ring, int steps) {
    for (int step = 0; step < steps; ++step, ring.Next()) {
      ptx::Wait(ring.full(ring.stage), ring.parity);
      ring.Release(ring.stage);
    }
  }

  // Sums stay in the tensor core; one tile is multiplied while the next is waited for.
  __device__ void SumPlain(Sums& sums, StageRing& ring, int steps) const {
    for (int step = 0; step < steps; ++step, ring.Next()) {
      ptx::Wait(ring.full(ring.stage), ring.parity);
      Issue(sums, ring.stage, step == 0);
      if (step == 0) continue;
      ptx::WgmmaWait<1>();
      ring.Release(ring.previous());
    }
    ptx::WgmmaWait<0>();
    Hold(sums);
    ring.Release(ring.previous());
  }

  // A scale block is summed in the tensor core, then times its scales added to `sums`. `scales`: of
  // this warpgroup's row tile from the first block on; `slots`: of this thread's two rows.
  __device__ void SumScaled(Sums& sums, StageRing& ring, int blocks, const float* scales,
                            int scale_step, int2 slots) const {
    constexpr int kTiles = TilesPerScale(kForm);
    Sums block;
    float low = scales[slots.x], high = scales[slots.y];
#pragma unroll
    for (int i = 0; i < kSums; ++i) sums[i] = 0;
    for (int step = 0; step < blocks; ++step) {
      int stages[kTiles];
#pragma unroll
      for (int i = 0; i < kTiles; ++i, ring.Next()) {
        stages[i] = ring.stage;
        ptx::Wait(ring.full(ring.stage), ring.parity);
        Issue(block, ring.stage, i == 0);
      }
      scales += step + 1 < blocks ? scale_step : 0;
      const float next_low = scales[slots.x], next_high = scales[slots.y];
      ptx::WgmmaWait<0>();
      Hold(block);
      AddScaled(sums, block, stages[0], low, high);
#pragma unroll
      for (int i = 0; i < kTiles; ++i) ring.Release(stages[i]);
      low = next_low;
      high = next_high;
    }
  }

  __device__ void AddScaled(Sums& sums, const Sums& block, int stage, float low, float high) const {
    const auto* const x_scales =
        reinterpret_cast<const float2*>(shared + at.scales_begin + stage * kTokens * 4);
#pragma unroll
    for (int j = 0; j < kTokens / 8; ++j) {
      float2 x{1.0f, 1.0f};
      if constexpr (kForm == GemmForm::kE4m3) x = x_scales[j * 4 + lane % 4];
      sums[4 * j] = fmaf(block[4 * j], x.x * low, sums[4 * j]);
      sums[4 * j + 1] = fmaf(block[4 * j + 1], x.y * low, sums[4 * j + 1]);
      sums[4 * j + 2] = fmaf(block[4 * j + 2], x.x * high, sums[4 * j + 2]);
      sums[4 * j + 3] = fmaf(block[4 * j + 3], x.y * high, sums[4 * j + 3]);
    }
  }
};

// Sums of parts of K that wait for their partner in the balanced tree, level by level, in global
// memory: registers have no room for them. Each thread has its own place, so nothing is waited for.
template <int kTokens>
class PendingSums {
 public:
  using Sums = typename ptx::Wgmma<kTokens>::Sums;

  // `memory`: f32 [blocks, levels, warpgroups, kTokens * kTileRows].
  __device__ PendingSums(float* memory, int levels, int warpgroups, int warpgroup)
      : mine_(reinterpret_cast<float4*>(memory) +
              (int64_t{blockIdx.x} * levels * warpgroups + warpgroup) * kTileVectors +
              threadIdx.x % 128),
        level_stride_(int64_t{warpgroups} * kTileVectors) {}

  // `sums` are those of part `index` of `parts`, a power of two: joins the subtrees that are
  // complete now, the last time all of them.
  __device__ void Join(Sums& sums, int index, int parts) const {
    const float4* from = mine_;
    for (int bits = index; (bits & 1) != 0; bits >>= 1, from += level_stride_) {
#pragma unroll
      for (int i = 0; i < kTokens / 8; ++i) {
        const float4 left = from[i * 128];
        sums[4 * i] += left.x;
        sums[4 * i + 1] += left.y;
        sums[4 * i + 2] += left.z;
        sums[4 * i + 3] += left.w;
        if (i % kLoadsAtOnce == kLoadsAtOnce - 1) ptx::HoldRegister(sums[4 * i]);
      }
    }
    if (index + 1 == parts) return;
    auto* const to = const_cast<float4*>(from);
#pragma unroll
    for (int i = 0; i < kTokens / 8; ++i) {
      to[i * 128] = {sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3]};
    }
  }

 private:
  static constexpr int kTileVectors = kTokens * kTileRows / 4;
  static constexpr int kLoadsAtOnce = 8;  // more would take the registers of sums

  float4* const mine_;
  const int64_t level_stride_;
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_SUM_CUH_
