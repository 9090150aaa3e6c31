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

// A code becomes the F16 of the same bits, which is 2^8 too small, subnormals included; the factor
// joins the block's scale. (As an F32 of the same bits a subnormal code would be a subnormal, which
// costs some CPUs a hundred cycles.) Code 0x7f is NaN.
struct F8 : Avx512F32Columns {
  static constexpr int kStepBytes = 16;

  static void LoadStep(const std::byte* from, Weights (&w)[1]) {
    const __m256i codes =
        _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    const __m256i halves = _mm256_and_si256(_mm256_slli_epi16(codes, 7), _mm256_set1_epi16(kBits));
    const __mmask16 nan = _mm256_testn_epi16_mask(_mm256_add_epi16(codes, _mm256_set1_epi16(1)),
                                                  _mm256_set1_epi16(0x7f));
    w[0] = _mm512_cvtph_ps(_mm256_mask_mov_epi16(halves, nan, _mm256_set1_epi16(kNan)));
  }
  static void LoadStep(const std::byte* from, Weights (&w)[2]) {
    const __m512i codes =
        _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    const __m512i halves = _mm512_and_si512(_mm512_slli_epi16(codes, 7), _mm512_set1_epi16(kBits));
    const __mmask32 nan = _mm512_testn_epi16_mask(_mm512_add_epi16(codes, _mm512_set1_epi16(1)),
                                                  _mm512_set1_epi16(0x7f));
    const __m512i kept = _mm512_mask_mov_epi16(halves, nan, _mm512_set1_epi16(kNan));
    w[0] = _mm512_cvtph_ps(_mm512_castsi512_si256(kept));
    w[1] = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(kept, 1));
  }
  static Sums Scale(Sums block, float x_scale, const float* weight_scales, Sums sums) {
    return Avx512Sums::Scale(block, x_scale * 0x1p8f, weight_scales, sums);
  }

 private:
  static constexpr short kBits = static_cast<short>(0xbf80u);  // sign, exponent, mantissa
  static constexpr short kNan = 0x7e00;
};

}  // namespace

constinit const PanelKernels kAvx512Kernels = {
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
