// Eight floats in an AVX2 register, with FMA and F16C. Included by *_avx2.cc alone. The interface
// is described in vec_portable.h.
#ifndef SWITCHYARD_KERNELS_CPU_VEC_AVX2_H_
#define SWITCHYARD_KERNELS_CPU_VEC_AVX2_H_

#include <immintrin.h>

#include <cstdint>

#include "kernels/dtype.h"

namespace switchyard::kernels::cpu {

struct VecAvx2 {
  using F = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kTileRows = 6;
  static constexpr int kTileVecs = 2;

  static F Zero() { return _mm256_setzero_ps(); }
  static F Set(float x) { return _mm256_set1_ps(x); }
  static F Load(const float* p) { return _mm256_loadu_ps(p); }
  static F LoadPart(const float* p, int64_t n) { return _mm256_maskload_ps(p, First(n)); }
  static void Store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static void StorePart(float* p, F x, int64_t n) { _mm256_maskstore_ps(p, First(n), x); }

  static F Load(const Bf16* p) { return Widen(_mm_loadu_si128((const __m128i*)p)); }
  static F LoadPart(const Bf16* p, int64_t n) { return Widen(LoadHalves(p, n)); }
  static F Load(const F16* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
  static F LoadPart(const F16* p, int64_t n) { return _mm256_cvtph_ps(LoadHalves(p, n)); }
  static void Store(Bf16* p, F x) { _mm_storeu_si128((__m128i*)p, Narrow(x)); }
  static void StorePart(Bf16* p, F x, int64_t n) {
    alignas(16) Bf16 all[kLanes];
    _mm_store_si128((__m128i*)all, Narrow(x));
    for (int64_t i = 0; i < n; ++i) p[i] = all[i];
  }

  static F Add(F a, F b) { return _mm256_add_ps(a, b); }
  static F Sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F Mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F Max(F a, F b) { return _mm256_max_ps(a, b); }
  static F MulAdd(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F KeepFirst(F x, int64_t n, F other) {
    return _mm256_blendv_ps(other, x, _mm256_castsi256_ps(First(n)));
  }
  static F RoundBf16(F x) { return Widen(Narrow(x)); }
  static F Pairs(F first, F second) {
    return _mm256_castsi256_ps(_mm256_or_si256(_mm256_srli_epi32(_mm256_castps_si256(first), 16),
                                               _mm256_castps_si256(second)));
  }
  static F FirstOfPairs(F pairs) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(pairs), 16));
  }
  static F SecondOfPairs(F pairs) {
    return _mm256_castsi256_ps(
        _mm256_and_si256(_mm256_castps_si256(pairs), _mm256_set1_epi32(~0xffff)));
  }

  static F RotatePairs(F x, F table) {
    const F cos = _mm256_moveldup_ps(table);
    const F sin = _mm256_movehdup_ps(table);
    return _mm256_fmaddsub_ps(x, cos, _mm256_mul_ps(_mm256_permute_ps(x, 0xb1), sin));
  }

  static float FirstLane(F x) { return _mm256_cvtss_f32(x); }
  static float Sum(F x) {
    __m128 v = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
  }
  static float MaxLane(F x) {
    __m128 v = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
  }

  static F Exp(F x) {
    const F least = Set(-87.3f);
    const F vanishes = _mm256_cmp_ps(x, least, _CMP_LT_OQ);
    const F clamped = _mm256_max_ps(least, x);
    const F n = _mm256_round_ps(Mul(clamped, Set(1.44269504f)), 0 /* to nearest even */);
    F r = _mm256_fnmadd_ps(n, Set(0.693359375f), clamped);
    r = _mm256_fnmadd_ps(n, Set(-2.12194440e-4f), r);
    F p = Set(1.0f / 5040);
    p = MulAdd(p, r, Set(1.0f / 720));
    p = MulAdd(p, r, Set(1.0f / 120));
    p = MulAdd(p, r, Set(1.0f / 24));
    p = MulAdd(p, r, Set(1.0f / 6));
    p = MulAdd(p, r, Set(0.5f));
    p = MulAdd(p, r, Set(1.0f));
    p = MulAdd(p, r, Set(1.0f));
    const __m256i power =
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
    return _mm256_andnot_ps(vanishes, Mul(p, _mm256_castsi256_ps(power)));
  }

  static F SumEach(const F (&x)[kLanes]) {
    const F low = SumQuads(x);
    const F high = SumQuads(x + 4);
    return Add(_mm256_permute2f128_ps(low, high, 0x20), _mm256_permute2f128_ps(low, high, 0x31));
  }
  static void StoreQuads(float* p, int64_t stride, F x) {
    _mm_storeu_ps(p, _mm256_castps256_ps128(x));
    _mm_storeu_ps(p + stride, _mm256_extractf128_ps(x, 1));
  }
  static void Transpose(const float* rows, int64_t row_stride, int64_t n, float* to,
                        int64_t stride) {
    const __m256i offsets = _mm256_mullo_epi32(_mm256_set1_epi32(static_cast<int>(row_stride)),
                                               _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    for (int64_t i = 0; i < n; ++i) {
      Store(to + i * stride, _mm256_i32gather_ps(rows + i, offsets, sizeof(float)));
    }
  }

 private:
  static __m256i First(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  template <typename T>
  static __m128i LoadHalves(const T* p, int64_t n) {
    alignas(16) T all[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) all[i] = p[i];
    return _mm_load_si128((const __m128i*)all);
  }
  // Of four vectors, the sums within each 128-bit half.
  static F SumQuads(const F* x) {
    const F a = Add(_mm256_unpacklo_ps(x[0], x[1]), _mm256_unpackhi_ps(x[0], x[1]));
    const F b = Add(_mm256_unpacklo_ps(x[2], x[3]), _mm256_unpackhi_ps(x[2], x[3]));
    return Add(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
  }
  static F Widen(__m128i x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  static __m128i Narrow(F x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded =
        _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
    return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
  }
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_VEC_AVX2_H_
