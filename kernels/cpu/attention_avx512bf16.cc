#include <immintrin.h>

#include "kernels/cpu/attention_decode_impl.h"
#include "kernels/cpu/attention_dot.h"
#include "kernels/cpu/attention_prefill_impl.h"
#include "kernels/cpu/gqa_prefill_impl.h"
#include "kernels/cpu/vec_avx512.h"

namespace switchyard::kernels::cpu {
namespace {

// A unit is a pair of BF16; one instruction multiplies sixteen pairs and adds the products to FP32
// sums. Meaning of each function: attention_dot.h.
struct DotBf16 {
  using V = VecAvx512;
  using F = V::F;
  using Key = Bf16;
  static constexpr int kDepth = 2;
  static constexpr int kParts = 1;

  static F Step(F sum, F a, F b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }

  static void PackRow(float* units, const float* x, int64_t n) {
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
      const __m512bh pairs = _mm512_cvtne2ps_pbh(V::Load(x + i + 16), V::Load(x + i));
      _mm512_storeu_si512(units + i / 2, (__m512i)pairs);
    }
    if (i == n) return;
    const __mmask32 present = FirstWords(n - i);
    const F low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(present), x + i);
    const F high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(present >> 16), x + i + 16);
    _mm512_mask_storeu_epi32(units + i / 2, FirstUnits((n - i + 1) / 2),
                             (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }

  static void PackUnits(float* units, const float* x, int64_t n) { PackRow(units, x, n); }
  template <int kPart>
  static F Part(F units) {
    return units;
  }

  static void PackColumns(float* units, const float* const* rows, int64_t n) {
    for (int64_t i = 0; i < n; i += V::kLanes) {
      const __mmask16 present = FirstUnits(n - i < V::kLanes ? n - i : V::kLanes);
      const F first = rows[0] != nullptr ? _mm512_maskz_loadu_ps(present, rows[0] + i) : V::Zero();
      const F second = rows[1] != nullptr ? _mm512_maskz_loadu_ps(present, rows[1] + i) : V::Zero();
      _mm512_mask_storeu_epi32(units + i, present, Interleave(Narrow(first), Narrow(second)));
    }
  }

  static F FirstRowOnly(F units) {
    return (F)_mm512_and_si512((__m512i)units, _mm512_set1_epi32(0xffff));
  }
  static F LastRowOnly(F units) {
    return (F)_mm512_slli_epi32(_mm512_srli_epi32((__m512i)units, 16), 16);
  }

  static F LoadKey(const Key* p) { return _mm512_loadu_ps(p); }
  static F LoadKeyPart(const Key* p, int64_t count) {
    return (F)_mm512_maskz_loadu_epi16(FirstWords(count), p);
  }

  static void LoadColumns(const Key* const* rows, int64_t column, F& low, F& high) {
    Zip(_mm512_loadu_si512(rows[0] + column), _mm512_loadu_si512(rows[1] + column), low, high);
  }
  static void LoadColumnsPart(const Key* const* rows, int64_t column, int64_t count, F& low,
                              F& high) {
    const __mmask32 present = count < 32 ? FirstWords(count) : ~__mmask32{0};
    const __m512i second = rows[1] != nullptr ? _mm512_maskz_loadu_epi16(present, rows[1] + column)
                                              : _mm512_setzero_si512();
    Zip(_mm512_maskz_loadu_epi16(present, rows[0] + column), second, low, high);
  }

 private:
  static __mmask32 FirstWords(int64_t n) { return static_cast<__mmask32>((1ull << n) - 1); }
  static __mmask16 FirstUnits(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  static __m256i Narrow(F x) { return (__m256i)_mm512_cvtneps_pbh(x); }
  static __m512i Interleave(__m256i first, __m256i second) {
    return _mm512_or_si512(_mm512_cvtepu16_epi32(first),
                           _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16));
  }
  // Pairs (first[i], second[i]) of 32 words each.
  static void Zip(__m512i first, __m512i second, F& low, F& high) {
    alignas(64) static constexpr uint16_t kOrder[64] = {
        0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
        11, 43, 12, 44, 13, 45, 14, 46, 15, 47, 16, 48, 17, 49, 18, 50, 19, 51, 20, 52, 21, 53,
        22, 54, 23, 55, 24, 56, 25, 57, 26, 58, 27, 59, 28, 60, 29, 61, 30, 62, 31, 63};
    low = (F)_mm512_permutex2var_epi16(first, _mm512_load_si512(kOrder), second);
    high = (F)_mm512_permutex2var_epi16(first, _mm512_load_si512(kOrder + 32), second);
  }
};

}  // namespace

const AttentionKernels kAttentionKernelsAvx512Bf16 = {
    .prefill_f32 = PrefillHead<DotFloat<VecAvx512, float>>::Run,
    .prefill_bf16 = PrefillHead<DotBf16>::Run,
    .lay_out_f32 = LayOutHead<DotFloat<VecAvx512, float>>,
    .lay_out_bf16 = LayOutHead<DotBf16>,
    .gqa_prefill_f32 = GqaPrefillGroup<DotFloat<VecAvx512, float>>::Run,
    .gqa_prefill_bf16 = GqaPrefillGroup<DotBf16>::Run,
    .decode_f32 = DecodeRun<DotFloat<VecAvx512, float>>::Run,
    .decode_bf16 = DecodeRun<DotBf16>::Run,
    .merge = SoftmaxJoin<VecAvx512>::Merge,
    .normalize = SoftmaxJoin<VecAvx512>::Normalize,
};

}  // namespace switchyard::kernels::cpu
