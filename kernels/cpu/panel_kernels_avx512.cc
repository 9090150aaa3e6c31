// AVX-512 without BF16: every format is widened to F32 in registers and multiplied by a fused
// multiply-add, one column at a time, as AVX2 does with half the lanes: the same bits.
#include "kernels/cpu/panel_arithmetic_avx512.h"
#include "kernels/cpu/panel_tile.h"
#include "kernels/cpu/row_math.h"

namespace switchyard::kernels::cpu {
namespace {

struct Bf16 : Avx512F32Columns {
  static constexpr int kStepBytes = 32;
  static Weights LoadWeights(const std::byte* from) {
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
  }
};

struct F8 : Avx512F32Columns {
  static constexpr int kStepBytes = 16;
  // As an F16 of the same bits the code is 2^8 too small, subnormals included. (As an F32 it would
  // be a subnormal, which costs some CPUs a hundred cycles.) Code 0x7f is NaN.
  static Weights LoadWeights(const std::byte* from) {
    const __m256i codes =
        _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    constexpr short kSignExponentMantissa = static_cast<short>(0xbf80u);
    const __m256i halves =
        _mm256_and_si256(_mm256_slli_epi16(codes, 7), _mm256_set1_epi16(kSignExponentMantissa));
    const __mmask16 nan = _mm256_testn_epi16_mask(_mm256_add_epi16(codes, _mm256_set1_epi16(1)),
                                                  _mm256_set1_epi16(0x7f));
    return _mm512_mask_mul_ps(_mm512_set1_ps(__builtin_nanf("")), static_cast<__mmask16>(~nan),
                              _mm512_cvtph_ps(halves), _mm512_set1_ps(0x1p8f));
  }
};

}  // namespace

constinit const PanelKernels kAvx512Kernels = {
    .bf16_words = WordForm::kF32,
    .order = {},
    .multiply = {MultiplyPanels<Bf16, false>, MultiplyPanels<F32, false>, MultiplyPanels<F8, true>},
    .to_words = RoundRowToBf16,
    .quantize = QuantizeRow,
    .amax = AmaxOfRow,
    .silu_mul = SiluMulRow,
};

}  // namespace switchyard::kernels::cpu
