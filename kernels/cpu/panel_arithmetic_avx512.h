// Sixteen sums in one register: what the AVX-512 arithmetics of panel products share
// (panel_tile.h says what an Arithmetic is). In an unnamed namespace, so that each of the two files
// that include it compiles its own copy for its instruction set.
#ifndef SWITCHYARD_KERNELS_CPU_PANEL_ARITHMETIC_AVX512_H_
#define SWITCHYARD_KERNELS_CPU_PANEL_ARITHMETIC_AVX512_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/panel_kernels.h"

namespace switchyard::kernels::cpu {
namespace {

struct Avx512Sums {
  using Sums = __m512;
  static constexpr int kMaxPanels = kGroupPanels;
  static constexpr int kMaxRows = 12;  // 24 sums, 2 weights, a word: 27 of 32 registers

  static Sums Zero() { return _mm512_setzero_ps(); }
  static Sums Load(const float* from) { return _mm512_loadu_ps(from); }
  static void Store(float* to, Sums sums) { _mm512_storeu_ps(to, sums); }
  static Sums Scale(Sums block, float x_scale, const float* weight_scales, Sums sums) {
    return _mm512_fmadd_ps(_mm512_mul_ps(block, _mm512_set1_ps(x_scale)),
                           _mm512_loadu_ps(weight_scales), sums);
  }
};

// A word is one column as F32.
struct Avx512F32Columns : Avx512Sums {
  using Weights = __m512;
  using X = __m512;
  static X LoadX(uint32_t word) {
    return _mm512_castsi512_ps(_mm512_set1_epi32(static_cast<int>(word)));
  }
  static Sums MulAdd(Weights w, X x, Sums sums) { return _mm512_fmadd_ps(w, x, sums); }
};

struct F32 : Avx512F32Columns {
  static constexpr int kStepBytes = 64;
  static Weights LoadWeights(const std::byte* from) { return _mm512_loadu_ps(from); }
};

}  // namespace
}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PANEL_ARITHMETIC_AVX512_H_
