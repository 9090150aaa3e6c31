// The narrow formats against the toolkit's conversions: every code, and values around every code.
#include "emulator/nccl/small_float.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

namespace emu {
namespace {

template <typename Code, typename Theirs>
Code CodeOf(const Theirs& value) {
  Code code;
  static_assert(sizeof code == sizeof value);
  std::memcpy(&code, &value, sizeof code);
  return code;
}

template <typename Ours, typename Theirs>
void ExpectSameFormat() {
  using Code = typename Ours::Code;
  const auto same = [](float value) {
    const Code ours = Ours::Encode(value);
    const auto theirs = CodeOf<Code>(Theirs(value));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(Ours::Decode(ours)));
    } else {
      EXPECT_EQ(ours, theirs) << value;
    }
  };
  for (uint32_t bits = 0; bits < 1u << (8 * sizeof(Code)); ++bits) {
    const auto code = static_cast<Code>(bits);
    Theirs theirs;
    std::memcpy(static_cast<void*>(&theirs), &code, sizeof code);
    const auto expected = static_cast<float>(theirs);
    const float value = Ours::Decode(code);
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      continue;
    }
    ASSERT_EQ(value, expected) << bits;
    const auto next = static_cast<float>(Ours::Decode(static_cast<Code>(bits + 1)));
    same(value);
    same(std::nextafter(value, INFINITY));
    same(std::nextafter(value, -INFINITY));
    if (std::isfinite(value) && std::isfinite(next)) same(value / 2 + next / 2);  // a tie
  }
  for (const float value : {3e38f, -3e38f, 1e-40f, 0.0f, -0.0f, INFINITY, -INFINITY}) same(value);
}

TEST(SmallFloat, Half) { ExpectSameFormat<Half, __half>(); }
TEST(SmallFloat, BFloat16) { ExpectSameFormat<BFloat16, __nv_bfloat16>(); }
TEST(SmallFloat, Float8E4M3) { ExpectSameFormat<Float8E4M3, __nv_fp8_e4m3>(); }
TEST(SmallFloat, Float8E5M2) { ExpectSameFormat<Float8E5M2, __nv_fp8_e5m2>(); }

}  // namespace
}  // namespace emu
