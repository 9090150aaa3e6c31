#include "emulator/ptx/small_float.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace emu {
namespace {

// `units`, not negative, to an integer.
double RoundUnits(double units, Rounding rounding, bool negative) {
  const double floor = std::floor(units);
  const double rest = units - floor;
  bool up = false;
  switch (rounding) {
    case Rounding::kNearest:
      up = rest > 0.5 || (rest == 0.5 && std::fmod(floor, 2.0) != 0);
      break;
    case Rounding::kZero:
      break;
    case Rounding::kDown:
      up = negative && rest > 0;
      break;
    case Rounding::kUp:
      up = !negative && rest > 0;
      break;
  }
  return floor + (up ? 1 : 0);
}

bool OverflowsToInfinity(Rounding rounding, bool negative) {
  return rounding == Rounding::kNearest || (rounding == Rounding::kDown && negative) ||
         (rounding == Rounding::kUp && !negative);
}

}  // namespace

float RoundToOdd(double exact, double low) {
  if (!std::isfinite(exact)) return static_cast<float>(exact);
  // First to f64: towards zero, odd if inexact.
  uint64_t bits = std::bit_cast<uint64_t>(exact);
  if (low != 0) {
    if (exact != 0 && (low < 0) != (exact < 0)) --bits;
    bits |= 1;
  }
  const double odd = std::bit_cast<double>(bits);
  const double limit = std::numeric_limits<float>::max();
  if (std::fabs(odd) > limit) return static_cast<float>(std::copysign(limit, odd));
  float result = static_cast<float>(odd);
  if (static_cast<double>(result) == odd) return result;
  if (std::fabs(static_cast<double>(result)) > std::fabs(odd)) {
    result = std::nextafter(result, 0.0F);
  }
  return std::bit_cast<float>(std::bit_cast<uint32_t>(result) | 1);
}

uint32_t EncodeSmall(double value, SmallFormat format, Rounding rounding, bool saturate) {
  const int width = format.exponent_bits + format.mantissa_bits;
  const uint32_t all = (uint32_t{1} << width) - 1;  // without the sign
  const uint32_t infinity = ((uint32_t{1} << format.exponent_bits) - 1) << format.mantissa_bits;
  const uint32_t largest = format.has_infinity ? infinity - 1 : all - 1;
  if (std::isnan(value)) return all;
  const bool negative = std::signbit(value);
  const uint32_t sign = negative ? uint32_t{1} << width : 0;
  const uint32_t over = saturate ? largest : format.has_infinity ? infinity : all;
  if (std::isinf(value)) return sign | over;
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const double magnitude = std::fabs(value);
  const int exponent = std::max(1 - bias, magnitude == 0 ? 1 - bias : std::ilogb(magnitude));
  const double units =
      RoundUnits(std::ldexp(magnitude, format.mantissa_bits - exponent), rounding, negative);
  // A carry out of the fraction runs into the exponent, which is right.
  const double code = units + std::ldexp(exponent + bias - 1, format.mantissa_bits);
  if (code > largest) {
    return sign | (OverflowsToInfinity(rounding, negative) ? over : largest);
  }
  return sign | static_cast<uint32_t>(code);
}

double DecodeSmall(uint32_t bits, SmallFormat format) {
  const int width = format.exponent_bits + format.mantissa_bits;
  const uint32_t all = (uint32_t{1} << width) - 1;
  const uint32_t top = (uint32_t{1} << format.exponent_bits) - 1;
  const uint32_t exponent = (bits & all) >> format.mantissa_bits;
  const uint32_t mantissa = bits & ((uint32_t{1} << format.mantissa_bits) - 1);
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  double value = 0;
  if (format.has_infinity ? exponent == top && mantissa != 0 : (bits & all) == all) {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (format.has_infinity && exponent == top) {
    value = std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {
    value = std::ldexp(mantissa, 1 - bias - format.mantissa_bits);
  } else {
    value = std::ldexp(mantissa + (uint32_t{1} << format.mantissa_bits),
                       static_cast<int>(exponent) - bias - format.mantissa_bits);
  }
  return (bits >> width & 1) != 0 ? -value : value;
}

}  // namespace emu
