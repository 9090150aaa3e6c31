// Sixteen floats in an AVX-512 register. Included by *_avx512*.cc alone. The interface that row and
// attention kernels are written against is described in vec_portable.h.
#ifndef SWITCHYARD_KERNELS_CPU_VEC_AVX512_H_
#define SWITCHYARD_KERNELS_CPU_VEC_AVX512_H_

#include <immintrin.h>

#include <cstdint>

#include "kernels/dtype.h"

namespace switchyard::kernels::cpu {

struct VecAvx512 {
  using F = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kTileRows = 6;
  static constexpr int kTileVecs = 4;

  static F Zero() { return _mm512_setzero_ps(); }
  static F Set(float x) { return _mm512_set1_ps(x); }
  static F Load(const float* p) { return _mm512_loadu_ps(p); }
  static F LoadPart(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(First(n), p); }
  static void Store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static void StorePart(float* p, F x, int64_t n) { _mm512_mask_storeu_ps(p, First(n), x); }

  static F Load(const Bf16* p) { return Widen(_mm256_loadu_si256((const __m256i*)p)); }
  static F LoadPart(const Bf16* p, int64_t n) {
    return Widen(_mm256_maskz_loadu_epi16(First(n), p));
  }
  static F Load(const F16* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
  static F LoadPart(const F16* p, int64_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(First(n), p));
  }
  static void Store(Bf16* p, F x) { _mm256_storeu_si256((__m256i*)p, Narrow(x)); }
  static void StorePart(Bf16* p, F x, int64_t n) {
    _mm256_mask_storeu_epi16(p, First(n), Narrow(x));
  }

  static F Add(F a, F b) { return _mm512_add_ps(a, b); }
  static F Sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F Mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F Max(F a, F b) { return _mm512_max_ps(a, b); }
  static F MulAdd(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F KeepFirst(F x, int64_t n, F other) { return _mm512_mask_mov_ps(other, First(n), x); }
  static F RoundBf16(F x) { return Widen(Narrow(x)); }
  static F Pairs(F first, F second) {
    return _mm512_castsi512_ps(_mm512_or_si512(_mm512_srli_epi32(_mm512_castps_si512(first), 16),
                                               _mm512_castps_si512(second)));
  }
  static F FirstOfPairs(F pairs) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(pairs), 16));
  }
  static F SecondOfPairs(F pairs) {
    return _mm512_castsi512_ps(
        _mm512_and_si512(_mm512_castps_si512(pairs), _mm512_set1_epi32(~0xffff)));
  }

  static F RotatePairs(F x, F table) {
    const F cos = _mm512_moveldup_ps(table);
    const F sin = _mm512_movehdup_ps(table);
    const F swapped = _mm512_permute_ps(x, 0xb1);
    return _mm512_fmaddsub_ps(x, cos, _mm512_mul_ps(swapped, sin));
  }

  static float FirstLane(F x) { return _mm512_cvtss_f32(x); }
  static float Sum(F x) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    __m128 v = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
  }
  static float MaxLane(F x) { return _mm512_reduce_max_ps(x); }

  static F Exp(F x) {
    const F least = Set(-87.3f);
    const __mmask16 vanishes = _mm512_cmp_ps_mask(x, least, _CMP_LT_OQ);
    const F clamped = _mm512_max_ps(least, x);
    const F n = _mm512_roundscale_ps(Mul(clamped, Set(1.44269504f)), 0);
    F r = _mm512_fnmadd_ps(n, Set(0.693359375f), clamped);
    r = _mm512_fnmadd_ps(n, Set(-2.12194440e-4f), r);
    F p = Set(1.0f / 5040);
    p = MulAdd(p, r, Set(1.0f / 720));
    p = MulAdd(p, r, Set(1.0f / 120));
    p = MulAdd(p, r, Set(1.0f / 24));
    p = MulAdd(p, r, Set(1.0f / 6));
    p = MulAdd(p, r, Set(0.5f));
    p = MulAdd(p, r, Set(1.0f));
    p = MulAdd(p, r, Set(1.0f));
    return _mm512_mask_mov_ps(_mm512_scalef_ps(p, n), vanishes, Zero());
  }

  static F SumEach(const F (&x)[kLanes]) {
    F quads[4];  // of x[4i .. 4i + 3]: four sums within each 128-bit part
    for (int i = 0; i < 4; ++i) {
      const F* v = x + 4 * i;
      const F a = Add(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
      const F b = Add(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
      quads[i] = Add(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
    }
    const F low = AddParts(quads[0], quads[1]);
    const F high = AddParts(quads[2], quads[3]);
    return AddParts(low, high);
  }
  static void StoreQuads(float* p, int64_t stride, F x) {
    _mm_storeu_ps(p, _mm512_castps512_ps128(x));
    _mm_storeu_ps(p + stride, _mm512_extractf32x4_ps(x, 1));
    _mm_storeu_ps(p + 2 * stride, _mm512_extractf32x4_ps(x, 2));
    _mm_storeu_ps(p + 3 * stride, _mm512_extractf32x4_ps(x, 3));
  }
  static void Transpose(const float* rows, int64_t row_stride, int64_t n, float* to,
                        int64_t stride) {
    for (int64_t i = 0; i < n; i += kLanes) {
      const int64_t count = n - i < kLanes ? n - i : kLanes;
      F square[kLanes];
      for (int64_t r = 0; r < kLanes; ++r) square[r] = LoadPart(rows + r * row_stride + i, count);
      TransposeSquare(square);
      for (int64_t c = 0; c < count; ++c) Store(to + (i + c) * stride, square[c]);
    }
  }

 private:
  static __mmask16 First(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }
  // Row r, column c changes places with row c, column r.
  static void TransposeSquare(F (&x)[kLanes]) {
    F quads[kLanes];  // [4g + k]: in part p, column 4p + k of rows 4g .. 4g + 3
    for (int g = 0; g < kLanes; g += 4) {
      const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(x[g], x[g + 1]));
      const __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps(x[g], x[g + 1]));
      const __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(x[g + 2], x[g + 3]));
      const __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(x[g + 2], x[g + 3]));
      quads[g] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
      quads[g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
      quads[g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
      quads[g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
    }
    for (int k = 0; k < 4; ++k) {
      const F low_ab = _mm512_shuffle_f32x4(quads[k], quads[4 + k], 0x44);
      const F high_ab = _mm512_shuffle_f32x4(quads[k], quads[4 + k], 0xee);
      const F low_cd = _mm512_shuffle_f32x4(quads[8 + k], quads[12 + k], 0x44);
      const F high_cd = _mm512_shuffle_f32x4(quads[8 + k], quads[12 + k], 0xee);
      x[k] = _mm512_shuffle_f32x4(low_ab, low_cd, 0x88);
      x[4 + k] = _mm512_shuffle_f32x4(low_ab, low_cd, 0xdd);
      x[8 + k] = _mm512_shuffle_f32x4(high_ab, high_cd, 0x88);
      x[12 + k] = _mm512_shuffle_f32x4(high_ab, high_cd, 0xdd);
    }
  }
  // Sums of neighbouring 128-bit parts: of a, then of b.
  static F AddParts(F a, F b) {
    return Add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  static F Widen(__m256i x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
  }
  // To nearest even, subnormals kept: vcvtneps2bf16 would flush them.
  static __m256i Narrow(F x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded =
        _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, nan, quiet), 16));
  }
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_VEC_AVX512_H_
