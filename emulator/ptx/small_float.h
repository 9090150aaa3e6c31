// f16 and bf16 values in registers, and rounding to them. NaN results are the canonical 0x7fff.
#ifndef SWITCHYARD_EMULATOR_PTX_SMALL_FLOAT_H_
#define SWITCHYARD_EMULATOR_PTX_SMALL_FLOAT_H_

#include <bit>
#include <cstdint>
#include <cstring>

#include "emulator/ptx/rounding.h"

namespace emu {

constexpr uint16_t kNan16 = 0x7fff;

// The bits of a format and what they mean as f32. FromFloat rounds to nearest even.
struct F16 {
  static constexpr uint16_t kInfinity = 0x7c00;
  static float ToFloat(uint16_t bits) {
    Value value;
    std::memcpy(&value, &bits, sizeof value);
    return static_cast<float>(value);
  }
  static uint16_t FromFloat(float value) {
    const auto half = static_cast<Value>(value);
    uint16_t bits = 0;
    std::memcpy(&bits, &half, sizeof bits);
    return value == value ? bits : kNan16;
  }

 private:
#if defined(__clang__) && __clang_major__ < 15 && defined(__x86_64__)
  using Value = __fp16;  // the type of these compilers, for storage
#else
  using Value = _Float16;
#endif
};
struct Bf16 {
  static constexpr uint16_t kInfinity = 0x7f80;
  static float ToFloat(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }
  static uint16_t FromFloat(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    return value == value ? static_cast<uint16_t>(rounded >> 16) : kNan16;
  }
};

// a rounded to f32 such that rounding the result once more, to at most 22 bits, gives what rounding
// `exact` would have given: inexact results are made odd. `low`: what is missing from `exact`.
float RoundToOdd(double exact, double low);

// Any format with `exponent_bits` and `mantissa_bits`, from an f64, in any direction.
struct SmallFormat {
  int exponent_bits = 0;
  int mantissa_bits = 0;
  bool has_infinity = true;  // e4m3 has none: its top exponent holds numbers, and one NaN
};
constexpr SmallFormat kF16Format{5, 10, true};
constexpr SmallFormat kBf16Format{8, 7, true};
constexpr SmallFormat kE4m3Format{4, 3, false};
constexpr SmallFormat kE5m2Format{5, 2, true};

// saturate: beyond the largest finite number gives that number; else infinity (in e4m3, NaN), or
// the largest finite number where the direction says so. NaN gives the format's canonical NaN.
uint32_t EncodeSmall(double value, SmallFormat format, Rounding rounding, bool saturate);
double DecodeSmall(uint32_t bits, SmallFormat format);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_SMALL_FLOAT_H_
