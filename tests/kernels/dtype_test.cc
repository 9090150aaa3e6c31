#include "kernels/dtype.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

namespace switchyard::kernels {
namespace {

// The value that the formats' definitions give a code of `exponent_bits` and `mantissa_bits`.
float ByDefinition(uint32_t code, int exponent_bits, int mantissa_bits) {
  const bool negative = (code >> (exponent_bits + mantissa_bits) & 1u) != 0;
  const auto exponent = static_cast<int>(code >> mantissa_bits & ((1u << exponent_bits) - 1));
  const uint32_t mantissa = code & ((1u << mantissa_bits) - 1);
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t hidden = exponent == 0 ? 0 : 1u << mantissa_bits;
  const float magnitude = std::ldexp(static_cast<float>(mantissa | hidden),
                                     std::max(exponent, 1) - bias - mantissa_bits);
  return negative ? -magnitude : magnitude;
}

TEST(DType, EveryF16IsWidenedAsDefined) {
  for (uint32_t code = 0; code < 0x10000u; ++code) {
    const float value = ToFloat(static_cast<F16>(code));
    const uint32_t magnitude = code & 0x7fffu;
    if (magnitude > 0x7c00u) {
      EXPECT_TRUE(std::isnan(value)) << code;
    } else if (magnitude == 0x7c00u) {
      EXPECT_TRUE(std::isinf(value)) << code;
      EXPECT_EQ(std::signbit(value), code != magnitude) << code;
    } else {
      EXPECT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(ByDefinition(code, 5, 10)))
          << code;
      EXPECT_EQ(ToF16(value), static_cast<F16>(code)) << code;
    }
  }
}

TEST(DType, EveryE4M3IsWidenedAsDefined) {
  for (uint32_t code = 0; code < 0x100u; ++code) {
    const float value = ToFloat(static_cast<F8E4M3>(code));
    if ((code & 0x7fu) == 0x7fu) {
      EXPECT_TRUE(std::isnan(value)) << code;
      continue;
    }
    EXPECT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(ByDefinition(code, 4, 3)))
        << code;
    EXPECT_EQ(ToF8E4M3(value), static_cast<F8E4M3>(code)) << code;
  }
}

TEST(DType, EveryE2M1IsWidenedAsDefined) {
  const float values[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (uint32_t code = 0; code < 16; ++code) {
    const float value = ToFloat(static_cast<F4E2M1>(code));
    EXPECT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(ByDefinition(code, 2, 1)))
        << code;
    EXPECT_EQ(std::fabs(value), values[code % 8]) << code;
  }
}

}  // namespace
}  // namespace switchyard::kernels
