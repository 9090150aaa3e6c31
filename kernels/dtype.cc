#include "kernels/dtype.h"

#include <cmath>

namespace switchyard::kernels {
namespace {

// sign * mantissa * 2^exponent.
float Scale(bool negative, uint32_t mantissa, int exponent) {
  const float magnitude = std::ldexp(static_cast<float>(mantissa), exponent);
  return negative ? -magnitude : magnitude;
}

}  // namespace

float ToFloat(F16 value) {
  const uint32_t bits = static_cast<uint16_t>(value);
  const bool negative = bits >> 15;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0x1f) {
    return std::bit_cast<float>((uint32_t{negative} << 31) | 0x7f800000u | (mantissa << 13));
  }
  if (exponent == 0) return Scale(negative, mantissa, -24);
  return Scale(negative, mantissa | 0x400, static_cast<int>(exponent) - 25);
}

float ToFloat(F8E4M3 value) {
  const uint32_t bits = static_cast<uint8_t>(value);
  const bool negative = bits >> 7;
  const uint32_t exponent = (bits >> 3) & 0xf;
  const uint32_t mantissa = bits & 7;
  if ((bits & 0x7f) == 0x7f) return std::nanf("");
  if (exponent == 0) return Scale(negative, mantissa, -9);
  return Scale(negative, mantissa | 8, static_cast<int>(exponent) - 10);
}

F16 ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<F16>(sign | 0x7e00u);
  if (magnitude >= 65520.0f) return static_cast<F16>(sign | 0x7c00u);
  if (magnitude < 0x1p-14f) {  // multiples of 2^-24, rounded by adding a number of which that is
                               // the last bit
    return static_cast<F16>(sign | (std::bit_cast<uint32_t>(magnitude + 0.5f) & 0x7ffu));
  }
  const uint32_t rounded = (bits & 0x7fffffffu) + 0xfffu + (bits >> 13 & 1u);
  return static_cast<F16>(sign | ((rounded >> 13) - (112u << 10)));
}

F8E4M3 ToF8E4M3(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint8_t sign = static_cast<uint8_t>(bits >> 31 << 7);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<F8E4M3>(sign | 0x7f);
  if (magnitude >= 448.0f) return static_cast<F8E4M3>(sign | 0x7e);
  if (magnitude < 0x1p-6f) {  // subnormals: multiples of 2^-9; rounding up to 8 of them gives the
                              // smallest normal
    const float steps = std::nearbyint(magnitude * 0x1p9f);
    return static_cast<F8E4M3>(sign | static_cast<uint8_t>(steps));
  }
  // Drop 20 of 23 mantissa bits to nearest even, then move the exponent's bias from 127 to 7.
  const uint32_t magnitude_bits = bits & 0x7fffffffu;
  const uint32_t rounded = magnitude_bits + 0x7ffffu + ((magnitude_bits >> 20) & 1u);
  const uint32_t code = (rounded >> 20) - ((127 - 7) << 3);
  return static_cast<F8E4M3>(sign | static_cast<uint8_t>(code > 0x7e ? 0x7e : code));
}

}  // namespace switchyard::kernels
