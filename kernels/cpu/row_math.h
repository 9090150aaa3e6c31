// Arithmetic on rows of floats: e4m3 rounding, gates of MLPs. Plain loops without branches, static
// so that every file which includes them compiles its own copy for its instruction set; each
// operation rounds once, so all copies give the same bits.
#ifndef SWITCHYARD_KERNELS_CPU_ROW_MATH_H_
#define SWITCHYARD_KERNELS_CPU_ROW_MATH_H_

#include <cstdint>
#include <cstring>

namespace switchyard::kernels::cpu {

static inline uint32_t FloatBits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static inline float FloatOf(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

// The e4m3 value nearest to `value` (ties to even), clamped to +-448; NaN stays NaN.
static inline float RoundToE4M3(float value) {
  const uint32_t bits = FloatBits(value);
  const uint32_t sign = bits & 0x80000000u;
  const float magnitude = FloatOf(bits & 0x7fffffffu);
  const float bounded = magnitude > 448.0f ? 448.0f : magnitude;  // NaN stays
  // Normal: keep 3 bits of mantissa. Below 2^-6: multiples of 2^-9, rounded by adding a number
  // whose last bit is worth that much.
  const uint32_t code = FloatBits(bounded);
  const float normal = FloatOf((code + 0x7ffffu + ((code >> 20) & 1u)) & 0xfff00000u);
  const float small = (bounded + 0x1p14f) - 0x1p14f;
  const float rounded = bounded < 0x1p-6f ? small : normal;
  const float result = bounded == bounded ? rounded : bounded;
  return FloatOf(FloatBits(result) | sign);
}

// The BF16 values nearest to x (ties to even) as floats, and zeros up to `words`; a NaN stays a
// NaN.
static inline void RoundRowToBf16(const float* x, int64_t count, uint32_t* out, int64_t words) {
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = FloatBits(x[i]);
    const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
    out[i] = (bits & 0x7fffffffu) > 0x7f800000u ? (bits & 0xffff0000u) | 0x400000u : rounded;
  }
  for (int64_t i = count; i < words; ++i) out[i] = 0;
}

static inline void QuantizeRow(const float* x, int64_t count, float scale, float* q) {
  for (int64_t i = 0; i < count; ++i) q[i] = RoundToE4M3(x[i] / scale);
}

static inline float AmaxOfRow(const float* x, int64_t count) {
  constexpr int kLanes = 16;  // a maximum is the same in any order
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float magnitude = FloatOf(FloatBits(x[i + lane]) & 0x7fffffffu);
      lanes[lane] = magnitude > lanes[lane] ? magnitude : lanes[lane];
    }
  }
  for (; i < count; ++i) {
    const float magnitude = FloatOf(FloatBits(x[i]) & 0x7fffffffu);
    lanes[0] = magnitude > lanes[0] ? magnitude : lanes[0];
  }
  for (int lane = 1; lane < kLanes; ++lane)
    lanes[0] = lanes[lane] > lanes[0] ? lanes[lane] : lanes[0];
  return lanes[0];
}

// e^x to about 2e-7 relative: x = n ln 2 + r with |r| <= ln 2 / 2, the Taylor series of e^r to r^7,
// times 2^n. Infinite above the float range, 0 below the normal one.
static inline float Exp(float x) {
  constexpr float kLog2E = 1.44269504088896341f;
  constexpr float kLn2High = 0.693145751953125f;  // few bits, so that n * kLn2High is exact
  constexpr float kLn2Low = 1.42860677e-6f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float low = x > -87.0f ? x : -87.0f;
  const float bounded = low < 88.0f ? low : 88.0f;
  const float shifted = bounded * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (bounded - n * kLn2High) - n * kLn2Low;
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const float power = FloatOf((FloatBits(shifted) + 127u) << 23);
  const float value = p * power;
  const float from_above = x > 88.0f ? FloatOf(0x7f800000u) : value;
  return x < -87.0f ? 0.0f : from_above;
}

// The gate functions of kernels/args/linear.h. `limit` is the third's.

static inline void SiluMulRow(const float* gate, const float* up, int64_t count, float /*limit*/,
                              float* y) {
  for (int64_t i = 0; i < count; ++i) y[i] = gate[i] / (1.0f + Exp(-gate[i])) * up[i];
}

// (1 + tanh(u)) / 2 is the sigmoid of 2 u.
static inline void GeluTanhMulRow(const float* gate, const float* up, int64_t count,
                                  float /*limit*/, float* y) {
  constexpr float kTwiceRoot = 1.5957691216057308f;  // 2 sqrt(2 / pi)
  for (int64_t i = 0; i < count; ++i) {
    const float g = gate[i];
    const float twice_u = kTwiceRoot * (g + 0.044715f * (g * g * g));
    y[i] = g / (1.0f + Exp(-twice_u)) * up[i];
  }
}

static inline void ClampedSwigluRow(const float* gate, const float* up, int64_t count, float limit,
                                    float* y) {
  for (int64_t i = 0; i < count; ++i) {
    const float g = gate[i] > limit ? limit : gate[i];  // a NaN stays
    const float bounded = up[i] > limit ? limit : up[i];
    const float u = bounded < -limit ? -limit : bounded;
    y[i] = g / (1.0f + Exp(-1.702f * g)) * (u + 1.0f);
  }
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROW_MATH_H_
