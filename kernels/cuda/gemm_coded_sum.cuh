// The inner loop of a product whose weights are codes of 4 bits: a warpgroup widens a tile while
// the tensor core multiplies the one before it.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_CODED_SUM_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_CODED_SUM_CUH_

#include "kernels/cuda/gemm_sum.cuh"
#include "kernels/cuda/gemm_widen.cuh"

namespace switchyard::kernels::cuda {

// One tile's left operands, in registers that a product under way reads.
using WideTile = uint32_t[kStepsOfCodes][4];

template <GemmForm kForm, int kTokens>
struct CodedSum {
  using Mma = ptx::Wgmma<kTokens>;
  using Sums = typename Mma::Sums;

  const Accumulator<kForm, kTokens>& accumulator;
  int groups;  // of a tile

  // In the order of K of Accumulator::SumPlain, to its bits.
  __device__ void Sum(Sums& sums, StageRing& ring, int steps) const {
    WideTile wide[2];
    for (int step = 0; step < steps; step += 2) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        if (step + i == steps) break;
        ptx::Wait(ring.full(ring.stage), ring.parity);
        Widen(ring.stage, wide[i]);
        Issue(sums, ring.stage, wide[i], step + i == 0);
        if (step + i > 0) {
          ptx::WgmmaWait<1>();
          ring.Release(ring.previous());
        }
        ring.Next();
      }
    }
    ptx::WgmmaWait<0>();
    Accumulator<kForm, kTokens>::Hold(sums);
    ring.Release(ring.previous());
  }

 private:
  __device__ void Widen(int stage, WideTile& wide) const {
    const int at = stage * accumulator.at.stage_bytes + accumulator.warpgroup * SlotBytes(kForm);
    const CodeTile<kForm> tile(accumulator.shared + at, static_cast<int>(threadIdx.x) % 128,
                               groups);
#pragma unroll
    for (int i = 0; i < kStepsOfCodes; ++i) tile.Widen(i, wide[i]);
  }

  // `fresh`: D begins with this tile.
  __device__ void Issue(Sums& d, int stage, const WideTile& wide, bool fresh) const {
    const uint64_t b = accumulator.ActivationsAt(stage);
    ptx::WgmmaFence();
#pragma unroll
    for (int i = 0; i < kStepsOfCodes; ++i) {
      Mma::Bf16Left(d, wide[i], b + static_cast<uint64_t>(i) * ptx::kDescriptorStep,
                    i > 0 || !fresh);
    }
    ptx::WgmmaCommit();
  }
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_CODED_SUM_CUH_
