#include "emulator/ptx/numerics_mac.h"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace emu {
namespace {

constexpr int kHalfStride = kMacLanes;
constexpr int kAStride = 2 * kMacLanes;

void MacPortable(const WarpMac& mac) {
  for (int c8 = 0; c8 < mac.n / 8; ++c8) {
    for (int r = 0; r < 4; ++r) {
      float* d = mac.d[c8 * 4 + r];
      for (int k = 0; k < mac.k; ++k) {
        const float* a = mac.a + k * kAStride + (r >> 1) * kHalfStride;
        const float* b = mac.b + k * mac.n + c8 * 8 + (r & 1) * 4;
        for (int lane = 0; lane < kMacLanes; ++lane) d[lane] += a[lane] * b[lane & 3];
      }
    }
  }
}

#if defined(__x86_64__)

// One register half (8 rows) of one 8-column block: two registers of four 8-lane vectors.
__attribute__((target("avx2,fma"))) void MacAvx2(const WarpMac& mac) {
  for (int c8 = 0; c8 < mac.n / 8; ++c8) {
    for (int half = 0; half < 2; ++half) {
      float* d0 = mac.d[c8 * 4 + half * 2];
      float* d1 = mac.d[c8 * 4 + half * 2 + 1];
      __m256 s0[4];
      __m256 s1[4];
      for (int v = 0; v < 4; ++v) {
        s0[v] = _mm256_loadu_ps(d0 + v * 8);
        s1[v] = _mm256_loadu_ps(d1 + v * 8);
      }
      const float* a = mac.a + half * kHalfStride;
      const float* b = mac.b + c8 * 8;
      for (int k = 0; k < mac.k; ++k, a += kAStride, b += mac.n) {
        const __m256 b0 = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(b));
        const __m256 b1 = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(b + 4));
        for (int v = 0; v < 4; ++v) {
          const __m256 x = _mm256_loadu_ps(a + v * 8);
          s0[v] = _mm256_fmadd_ps(x, b0, s0[v]);
          s1[v] = _mm256_fmadd_ps(x, b1, s1[v]);
        }
      }
      for (int v = 0; v < 4; ++v) {
        _mm256_storeu_ps(d0 + v * 8, s0[v]);
        _mm256_storeu_ps(d1 + v * 8, s1[v]);
      }
    }
  }
}

// kBlocks 8-column blocks at once: 8 kBlocks accumulators, the four vectors of A stay in registers.
template <int kBlocks>
__attribute__((target("avx512f"))) void MacAvx512Tile(const WarpMac& mac, int c8) {
  __m512 s[kBlocks * 4][2];
  for (int r = 0; r < kBlocks * 4; ++r) {
    const float* d = mac.d[c8 * 4 + r];
    s[r][0] = _mm512_loadu_ps(d);
    s[r][1] = _mm512_loadu_ps(d + 16);
  }
  const float* a = mac.a;
  const float* b = mac.b + c8 * 8;
  for (int k = 0; k < mac.k; ++k, a += kAStride, b += mac.n) {
    const __m512 x[2][2] = {{_mm512_loadu_ps(a), _mm512_loadu_ps(a + 16)},
                            {_mm512_loadu_ps(a + 32), _mm512_loadu_ps(a + 48)}};
#pragma GCC unroll 8
    for (int c = 0; c < kBlocks * 2; ++c) {  // block c / 2, parity c % 2
      const __m512 y = _mm512_maskz_broadcast_f32x4(0xffff, _mm_loadu_ps(b + c * 4));
      const int r = (c >> 1) * 4 + (c & 1);
      s[r][0] = _mm512_fmadd_ps(x[0][0], y, s[r][0]);
      s[r][1] = _mm512_fmadd_ps(x[0][1], y, s[r][1]);
      s[r + 2][0] = _mm512_fmadd_ps(x[1][0], y, s[r + 2][0]);
      s[r + 2][1] = _mm512_fmadd_ps(x[1][1], y, s[r + 2][1]);
    }
  }
  for (int r = 0; r < kBlocks * 4; ++r) {
    float* d = mac.d[c8 * 4 + r];
    _mm512_storeu_ps(d, s[r][0]);
    _mm512_storeu_ps(d + 16, s[r][1]);
  }
}

void MacAvx512(const WarpMac& mac) {
  int c8 = 0;
  for (; c8 + 2 <= mac.n / 8; c8 += 2) MacAvx512Tile<2>(mac, c8);
  if (c8 < mac.n / 8) MacAvx512Tile<1>(mac, c8);
}

#endif  // defined(__x86_64__)

bool AllFinite(const float* values, int count) {
  return std::all_of(values, values + count, [](float v) { return std::isfinite(v); });
}

// The operands of MacH100 as rows and columns, once per call.
struct PlainOperands {
  float a[16][kMacMaxK];
  float b[kMacMaxK][kMacMaxN];
};

void Unpack(const WarpMac& mac, PlainOperands* plain) {
  for (int k = 0; k < mac.k; ++k) {
    for (int row = 0; row < 16; ++row) {
      plain->a[row][k] = mac.a[k * kAStride + (row >> 3) * kHalfStride + (row & 7) * 4];
    }
    for (int n = 0; n < mac.n; ++n) plain->b[k][n] = mac.b[k * mac.n + MacColumn(n)];
  }
}

// Lane and register of D[row][column].
float& Accumulator(const WarpMac& mac, int row, int column) {
  const int reg = (column >> 3) * 4 + (row >> 3) * 2 + (column & 1);
  return mac.d[reg][(row & 7) * 4 + ((column & 7) >> 1)];
}

// Infinities or NaNs among the operands: element by element.
void MacSpecial(const StepRules& rules, const WarpMac& mac, const PlainOperands& plain) {
  float column[kMacMaxK];
  for (int n = 0; n < mac.n; ++n) {
    for (int k = 0; k < mac.k; ++k) column[k] = plain.b[k][n];
    for (int row = 0; row < 16; ++row) {
      float& d = Accumulator(mac, row, n);
      for (int k = 0; k < mac.k; k += rules.group) {
        const auto group = static_cast<size_t>(std::min(rules.group, mac.k - k));
        d = TensorStep(rules, {plain.a[row] + k, group}, {column + k, group}, d);
      }
    }
  }
}

}  // namespace

std::vector<MacFunction> MacFastVariants() {
  std::vector<MacFunction> variants = {MacPortable};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) variants.push_back(MacAvx2);
  if (__builtin_cpu_supports("avx512f")) variants.push_back(MacAvx512);
#endif
  return variants;
}

void MacFast(const WarpMac& mac) {
  static const MacFunction function = MacFastVariants().back();
  function(mac);
}

void MacH100(const StepRules& rules, const WarpMac& mac) {
  static thread_local PlainOperands plain;
  static thread_local int32_t b_significands[kMacMaxK * kMacMaxN];
  static thread_local int32_t b_exponents[kMacMaxK * kMacMaxN];
  Unpack(mac, &plain);
  if (!AllFinite(mac.a, mac.k * kAStride) || !AllFinite(mac.b, mac.k * mac.n)) {
    return MacSpecial(rules, mac, plain);
  }
  for (int k = 0; k < mac.k; ++k) {
    SplitOperands(rules.b_min_exponent, plain.b[k], mac.n, b_significands + k * mac.n,
                  b_exponents + k * mac.n);
  }
  for (int row = 0; row < 16; ++row) {
    int32_t a_significands[kMacMaxK];
    int32_t a_exponents[kMacMaxK];
    float d[kMacMaxN];
    SplitOperands(rules.a_min_exponent, plain.a[row], mac.k, a_significands, a_exponents);
    for (int n = 0; n < mac.n; ++n) d[n] = Accumulator(mac, row, n);
    for (int k = 0; k < mac.k; k += rules.group) {
      const StepOperands a{a_significands + k, a_exponents + k};
      const StepOperands b{b_significands + k * mac.n, b_exponents + k * mac.n};
      TensorStepRow(rules, std::min(rules.group, mac.k - k), a, mac.n, b, d);
    }
    for (int n = 0; n < mac.n; ++n) Accumulator(mac, row, n) = d[n];
  }
}

}  // namespace emu
