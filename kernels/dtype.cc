#include "kernels/dtype.h"

#include <cmath>

namespace switchyard::kernels {

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
