// Codes of 4 bits become the bf16 that packing would have made of them (choose/code_tile.h).
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_WIDEN_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_WIDEN_CUH_

#include "kernels/cuda/choose/code_tile.h"
#include "kernels/cuda/ptx/bf16_pairs.cuh"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

// The scale of a row's group, ready for pairs.
template <GemmForm kForm>
struct CodeScale;

template <>
struct CodeScale<GemmForm::kInt4> {
  uint32_t first, second;  // of ScaleWord
  uint32_t zero;           // 128 more, exact

  __device__ static CodeScale Of(uint32_t word) {
    const uint32_t low = __byte_perm(word, 0, 0x1010);
    return {__byte_perm(word, 0, 0x3232), low & 0xffe0ffe0u, (low & 0x001f001fu) | k128};
  }
  __device__ uint32_t Widen(uint32_t word, int pair) const {
    const uint32_t code = (word >> (4 * pair) & 0x000f000fu) | k128;
    const uint32_t whole = ptx::SubBf16(code, zero);
    return ptx::FmaBf16(whole, first, ptx::MulBf16(whole, second));
  }

 private:
  // In its last bits stands what is added.
  static constexpr uint32_t k128 = 0x43004300u;
};

template <>
struct CodeScale<GemmForm::kMxfp4> {
  uint32_t scale;

  __device__ static CodeScale Of(uint32_t exponent) {
    constexpr uint32_t kOne = 0x00800080u, kSubnormal = 0x00400040u;  // 2^-127
    return {exponent == 0 ? kSubnormal : exponent * kOne};
  }
  // Sign, exponent and mantissa of e2m1 in the places of those of bf16 are its value times 2^-126.
  __device__ uint32_t Widen(uint32_t word, int pair) const {
    constexpr uint32_t kUp = 0x7e807e80u;  // 2^126
    const int left = 6 - 4 * pair;
    const uint32_t magnitude = left > 0 ? word << left : word >> -left;
    const uint32_t small = (word << (12 - 4 * pair) & 0x80008000u) | (magnitude & 0x01c001c0u);
    return ptx::MulBf16(ptx::MulBf16(small, kUp), scale);
  }
};

// What a thread takes of a tile of codes.
template <GemmForm kForm>
class CodeTile {
 public:
  // `tile`: in shared memory. `thread`: of the warpgroup.
  __device__ CodeTile(const uint8_t* tile, int thread, int groups)
      : codes_(reinterpret_cast<const uint4*>(tile)[thread]) {
    const int pair = thread / 4;  // of rows
    if constexpr (kForm == GemmForm::kInt4) {
      const auto* const words = reinterpret_cast<const uint2*>(tile + kCodeBytes) + pair;
#pragma unroll
      for (int group = 0; group < 2; ++group) {
        const uint2 rows = words[group == 0 ? 0 : (groups - 1) * (kTileRows / 2)];
        scales_[group][0] = Scale::Of(rows.x);
        scales_[group][1] = Scale::Of(rows.y);
      }
    } else {
      const uint32_t bytes = reinterpret_cast<const uint32_t*>(tile + kCodeBytes)[pair];
#pragma unroll
      for (int i = 0; i < 4; ++i) scales_[i % 2][i / 2] = Scale::Of(bytes >> (8 * i) & 0xff);
    }
  }

  // The left operand of the product of step `step`.
  __device__ void Widen(int step, uint32_t (&a)[4]) const {
    const uint32_t word = step == 0   ? codes_.x
                          : step == 1 ? codes_.y
                          : step == 2 ? codes_.z
                                      : codes_.w;
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      a[pair] = scales_[step * 2 / kStepsOfCodes][pair % 2].Widen(word, pair);
    }
  }

 private:
  using Scale = CodeScale<kForm>;

  const uint4 codes_;
  Scale scales_[2][2];  // by group, then row
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_WIDEN_CUH_
