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
  // Sign, exponent and mantissa move to their places in an F32 at once, as the code widens with its
  // sign; the difference of the exponent biases is multiplied in, which is exact for subnormals
  // too. Code 0x7f is NaN.
  static Weights LoadWeights(const std::byte* from) {
    const __m512i codes =
        _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    constexpr int kSignExponentMantissa = static_cast<int>(0x87f00000u);
    const __m512i bits =
        _mm512_and_si512(_mm512_slli_epi32(codes, 20), _mm512_set1_epi32(kSignExponentMantissa));
    const __mmask16 nan = _mm512_testn_epi32_mask(_mm512_add_epi32(codes, _mm512_set1_epi32(1)),
                                                  _mm512_set1_epi32(0x7f));
    return _mm512_mask_mul_ps(_mm512_set1_ps(__builtin_nanf("")), static_cast<__mmask16>(~nan),
                              _mm512_castsi512_ps(bits), _mm512_set1_ps(0x1p120f));
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
