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

// A code becomes the F16 of the same bits, which is 2^8 too small, subnormals included; the factor
// joins the block's scale. (As an F32 of the same bits a subnormal code would be a subnormal, which
// costs some CPUs a hundred cycles.) Code 0x7f is NaN.
struct F8 : Avx2Sums {
  static constexpr int kStepBytes = 16;
  static Weights LoadWeights(const std::byte* from) {
    const __m256i codes =
        _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    constexpr short kBits = static_cast<short>(0xbf80u);  // sign, exponent, mantissa
    const __m256i halves = _mm256_and_si256(_mm256_slli_epi16(codes, 7), _mm256_set1_epi16(kBits));
    const __m256i magnitude = _mm256_and_si256(codes, _mm256_set1_epi16(0x7f));
    const __m256i nan = _mm256_cmpeq_epi16(magnitude, _mm256_set1_epi16(0x7f));
    // An F16 whose exponent is all ones is NaN, and stays one.
    const __m256i kept = _mm256_or_si256(halves, _mm256_and_si256(nan, _mm256_set1_epi16(0x7e00)));
    return {_mm256_cvtph_ps(_mm256_castsi256_si128(kept)),
            _mm256_cvtph_ps(_mm256_extracti128_si256(kept, 1))};
  }
  static Sums Scale(Sums block, float x_scale, const float* weight_scales, Sums sums) {
    return Avx2Sums::Scale(block, x_scale * 0x1p8f, weight_scales, sums);
  }
};

}  // namespace

constinit const PanelKernels kAvx2Kernels = {
    .bf16_words = WordForm::kF32,
    .order = {},
    .multiply = {MultiplyPanels<Bf16, false>, MultiplyPanels<F32, false>, MultiplyPanels<F8, true>},
    .ints = &kAvx2IntKernels,
    .to_words = RoundRowToBf16,
    .quantize = QuantizeRow,
    .amax = AmaxOfRow,
    .silu_mul = SiluMulRow,
};

}  // namespace switchyard::kernels::cpu
