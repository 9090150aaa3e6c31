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
  // As an F16 of the same bits the code is 2^8 too small, subnormals included. (As an F32 it would
  // be a subnormal, which costs some CPUs a hundred cycles.) Code 0x7f is NaN.
  static __m256 Widen(const std::byte* from) {
    const __m128i codes =
        _mm_cvtepi8_epi16(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
    constexpr short kSignExponentMantissa = static_cast<short>(0xbf80u);
    const __m128i halves =
        _mm_and_si128(_mm_slli_epi16(codes, 7), _mm_set1_epi16(kSignExponentMantissa));
    const __m128i magnitude = _mm_and_si128(codes, _mm_set1_epi16(0x7f));
    const __m128i nan = _mm_cmpeq_epi16(magnitude, _mm_set1_epi16(0x7f));
    // An F16 whose exponent is all ones is NaN, and stays one.
    const __m128i kept = _mm_or_si128(halves, _mm_and_si128(nan, _mm_set1_epi16(0x7e00)));
    return _mm256_mul_ps(_mm256_cvtph_ps(kept), _mm256_set1_ps(0x1p8f));
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
