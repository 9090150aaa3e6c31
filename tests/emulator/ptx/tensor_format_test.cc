#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "emulator/ptx/numerics_format.h"
#include "tests/emulator/ptx/tensor_fixture.h"

namespace emu {
namespace {

TEST(TensorFormat, E4m3HasOneNanAndNoInfinity) {
  EXPECT_EQ(DecodeE4m3(0x7e), 448.0F);
  EXPECT_EQ(DecodeE4m3(0x38), 1.0F);
  EXPECT_EQ(DecodeE4m3(0x01), std::ldexp(1.0F, -9));  // the smallest subnormal
  EXPECT_EQ(DecodeE4m3(0x08), std::ldexp(1.0F, -6));  // the smallest normal
  EXPECT_EQ(DecodeE4m3(0xb8), -1.0F);
  EXPECT_TRUE(std::isnan(DecodeE4m3(0x7f)));
  EXPECT_TRUE(std::isnan(DecodeE4m3(0xff)));
  int nans = 0;
  for (int i = 0; i < 256; ++i) {
    const float value = DecodeE4m3(static_cast<uint8_t>(i));
    nans += std::isnan(value) ? 1 : 0;
    EXPECT_FALSE(std::isinf(value));
  }
  EXPECT_EQ(nans, 2);
}

TEST(TensorFormat, E5m2IsTheUpperHalfOfF16) {
  for (int i = 0; i < 256; ++i) {
    const float want = DecodeF16(static_cast<uint16_t>(i << 8));
    const float got = DecodeE5m2(static_cast<uint8_t>(i));
    if (std::isnan(want)) {
      EXPECT_TRUE(std::isnan(got));
    } else {
      EXPECT_EQ(got, want);
    }
  }
}

TEST(TensorFormat, F16GoesThroughFloatAndBack) {
  for (int i = 0; i < 65536; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    const float value = DecodeF16(bits);
    if (std::isnan(value)) continue;
    EXPECT_EQ(EncodeF16(value), bits);
  }
}

TEST(TensorFormat, EncodingRoundsToNearestEven) {
  EXPECT_EQ(EncodeF16(1.0F + std::ldexp(1.0F, -11)), 0x3c00);      // a tie, to even
  EXPECT_EQ(EncodeF16(1.0F + 3 * std::ldexp(1.0F, -11)), 0x3c02);  // a tie, to even
  EXPECT_EQ(EncodeF16(65519.0F), 0x7bff);
  EXPECT_EQ(EncodeF16(65520.0F), 0x7c00);
  EXPECT_EQ(EncodeF16(std::ldexp(1.0F, -25)), 0x0000);
  EXPECT_EQ(EncodeF16(-std::ldexp(1.5F, -25)), 0x8001);
  EXPECT_EQ(EncodeF16(std::nextafter(2.0F, 0.0F)), 0x4000);  // a carry into the exponent
  EXPECT_EQ(EncodeBf16(1.0F + std::ldexp(1.0F, -8)), 0x3f80);
  EXPECT_EQ(EncodeBf16(1.0F + 3 * std::ldexp(1.0F, -8)), 0x3f82);
  EXPECT_EQ(EncodeBf16(std::numeric_limits<float>::max()), 0x7f80);
  EXPECT_TRUE(std::isnan(DecodeBf16(EncodeBf16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(TensorFormat, Tf32IgnoresTheLow13Bits) {
  EXPECT_EQ(DecodeTf32(0x3f801fff), 1.0F);
  EXPECT_EQ(DecodeTf32(0x3f802000), 1.0F + std::ldexp(1.0F, -10));
}

TEST(TensorFormat, SmallIntegersAreExactInAllFormats) {
  for (const Format format : kAllFormats) {
    for (int value = -8; value <= 8; ++value) {
      EXPECT_EQ(DecodeOne(format, EncodeSmall(format, value)), static_cast<float>(value))
          << NameOf(format);
    }
    Format parsed = Format::kF16;
    EXPECT_TRUE(ParseFormat(TraitsOf(format).suffix, &parsed));
    EXPECT_EQ(parsed, format);
  }
  Format parsed = Format::kF16;
  EXPECT_FALSE(ParseFormat("e3m4", &parsed));
}

}  // namespace
}  // namespace emu
