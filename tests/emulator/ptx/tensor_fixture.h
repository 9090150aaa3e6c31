// Random operands of every tensor-core format, and obvious products to hold the engine against.
#ifndef SWITCHYARD_TESTS_EMULATOR_PTX_TENSOR_FIXTURE_H_
#define SWITCHYARD_TESTS_EMULATOR_PTX_TENSOR_FIXTURE_H_

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "emulator/ptx/numerics_format.h"

namespace emu {

inline constexpr Format kAllFormats[] = {Format::kE4m3, Format::kE5m2, Format::kF16, Format::kBf16,
                                         Format::kTf32};

inline std::string NameOf(Format format) { return std::string(TraitsOf(format).suffix); }

// The bits of a small integer, exact in every format.
inline uint32_t EncodeSmall(Format format, int value) {
  if (value == 0) return 0;
  const FormatTraits traits = TraitsOf(format);
  const int exponent = std::ilogb(value);
  const int bias = format == Format::kE4m3 ? 7 : traits.min_exponent == -14 ? 15 : 127;
  const int stored = format == Format::kTf32 ? 23 : traits.mantissa_bits;
  const auto magnitude = static_cast<uint32_t>(std::abs(value));
  const uint32_t fraction = (magnitude << stored >> exponent) & ((1u << stored) - 1);
  const uint32_t sign = value < 0 ? 1u << (8 * traits.bytes - 1) : 0;
  return sign | static_cast<uint32_t>(exponent + bias) << stored | fraction;
}

inline float DecodeOne(Format format, uint32_t bits) {
  float value = 0;
  DecodeElements(format, reinterpret_cast<const std::byte*>(&bits), 1, &value);
  return value;
}

// A finite value of the format with any bits: subnormals, zeros and large ones too.
inline uint32_t RandomBits(Format format, std::mt19937& random) {
  const FormatTraits traits = TraitsOf(format);
  const uint32_t mask = traits.bytes == 4 ? ~0u : (1u << (8 * traits.bytes)) - 1;
  while (true) {
    const uint32_t bits = static_cast<uint32_t>(random()) & mask;
    if (std::isfinite(DecodeOne(format, bits))) return bits;
  }
}

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_PTX_TENSOR_FIXTURE_H_
