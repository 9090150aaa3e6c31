// AVX2 with FMA: every format is widened to F32 in registers and multiplied by a fused
// multiply-add, one column at a time.
#include <immintrin.h>

#include "kernels/cpu/panel_kernels.h"
#include "kernels/cpu/panel_tile.h"
#include "kernels/cpu/row_math.h"

namespace switchyard::kernels::cpu {
namespace {

// A panel's 16 floats in two registers.
struct Pair {
  __m256 low, high;
};

struct Avx2Sums {
  using Sums = Pair;
  using Weights = Pair;
  using X = __m256;
  static constexpr int kMaxPanels = 1;
  static constexpr int kMaxRows = 6;  // 12 sums, 2 weights and a word: 15 of 16 registers

  static Sums Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Sums Load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
  static void Store(float* to, Sums sums) {
    _mm256_storeu_ps(to, sums.low);
    _mm256_storeu_ps(to + 8, sums.high);
  }
  static X LoadX(uint32_t word) {
    return _mm256_castsi256_ps(_mm256_set1_epi32(static_cast<int>(word)));
  }
  static Sums MulAdd(Weights w, X x, Sums sums) {
    return {_mm256_fmadd_ps(w.low, x, sums.low), _mm256_fmadd_ps(w.high, x, sums.high)};
  }
  static Sums Scale(Sums block, float x_scale, const float* weight_scales, Sums sums) {
    const __m256 x = _mm256_set1_ps(x_scale);
    const Pair scales = Load(weight_scales);
    return {_mm256_fmadd_ps(_mm256_mul_ps(block.low, x), scales.low, sums.low),
            _mm256_fmadd_ps(_mm256_mul_ps(block.high, x), scales.high, sums.high)};
  }
};

struct F32 : Avx2Sums {
  static constexpr int kStepBytes = 64;
  static Weights LoadWeights(const std::byte* from) {
    return Load(reinterpret_cast<const float*>(from));
  }
};

struct Bf16 : Avx2Sums {
  static constexpr int kStepBytes = 32;
  static Weights LoadWeights(const std::byte* from) { return {Widen(from), Widen(from + 16)}; }

 private:
  static __m256 Widen(const std::byte* from) {
    const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
  }
};

struct F8 : Avx2Sums {
  static constexpr int kStepBytes = 16;
  static Weights LoadWeights(const std::byte* from) { return {Widen(from), Widen(from + 8)}; }

 private:
  // Exponent and mantissa move to their places in an F32; the difference of the exponent biases is
  // multiplied in, which is exact for subnormals too. Code 0x7f is NaN.
  static __m256 Widen(const std::byte* from) {
    const __m256i codes =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    const __m256i magnitude = _mm256_and_si256(codes, _mm256_set1_epi32(0x7f));
    const __m256i sign = _mm256_slli_epi32(_mm256_and_si256(codes, _mm256_set1_epi32(0x80)), 24);
    const __m256 value = _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(magnitude, 20)),
                                       _mm256_set1_ps(0x1p120f));
    const __m256i nan = _mm256_and_si256(_mm256_cmpeq_epi32(magnitude, _mm256_set1_epi32(0x7f)),
                                         _mm256_set1_epi32(0x7fc00000));
    return _mm256_or_ps(value, _mm256_castsi256_ps(_mm256_or_si256(sign, nan)));
  }
};

}  // namespace

constinit const PanelKernels kAvx2Kernels = {
    .bf16_words = WordForm::kF32,
    .order = {},
    .multiply = {MultiplyPanels<Bf16, false>, MultiplyPanels<F32, false>, MultiplyPanels<F8, true>},
    .to_words = RoundRowToBf16,
    .quantize = QuantizeRow,
    .amax = AmaxOfRow,
    .silu_mul = SiluMulRow,
};

}  // namespace switchyard::kernels::cpu
