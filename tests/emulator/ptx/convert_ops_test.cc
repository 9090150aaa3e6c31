// cvt against plain C++.
#include <gtest/gtest.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "emulator/ptx/numerics_format.h"
#include "tests/emulator/ptx/ptx_launch.h"
#include "tests/emulator/ptx/ptx_values.h"

namespace emu {
namespace {

using U = uint32_t;
using L = uint64_t;

float ToF(L bits) { return std::bit_cast<float>(static_cast<U>(bits)); }
double ToD(L bits) { return std::bit_cast<double>(bits); }
U Bits(float v) { return std::isnan(v) ? 0x7fffffff : std::bit_cast<U>(v); }

void Check(const Values& v, const std::string& body, const std::function<L(L)>& f) {
  const std::vector<L> out = RunInstruction(body, v.a);
  for (size_t i = 0; i < out.size(); ++i) {
    ASSERT_EQ(out[i], f(v.a[i])) << body << " " << std::hex << v.a[i];
  }
}

// What C++ leaves undefined: out of range saturates, NaN is 0 or, in 64 bits, the top bit.
template <class D, class F>
D Saturated(F rounded) {
  if (std::isnan(rounded)) return sizeof(D) == 8 ? static_cast<D>(L{1} << 63) : D{0};
  const long double wide = rounded;
  if (wide <= static_cast<long double>(std::numeric_limits<D>::min())) {
    return std::numeric_limits<D>::min();
  }
  if (wide >= static_cast<long double>(std::numeric_limits<D>::max())) {
    return std::numeric_limits<D>::max();
  }
  return static_cast<D>(wide);
}

TEST(Convert, IntegersNarrowAndExtend) {
  const Values v = IntegerValues();
  Check(v, "cvt.s64.s32 %ld, %a;", [](L a) { return L(int64_t{int32_t(a)}); });
  Check(v, "cvt.u64.u32 %ld, %a;", [](L a) { return L{U(a)}; });
  Check(v, "cvt.s64.s32 %ld, %la;", [](L a) { return L(int64_t{int32_t(a)}); });
  Check(v, "cvt.u32.u64 %d, %la;", [](L a) { return L{U(a)}; });
  Check(v, "cvt.u32.u8 %d, %a;", [](L a) { return a & 0xff; });
  Check(v, "cvt.s32.s16 %d, %a;", [](L a) { return L{U(int16_t(a))}; });
  Check(v, "cvt.u16.u32 %h1, %a; cvt.s64.s8 %ld, %h1;", [](L a) { return L(int64_t{int8_t(a)}); });
  Check(v, "cvt.sat.u8.s32 %d, %a;",
        [](L a) { return L(std::clamp<int32_t>(int32_t(a), 0, 255)); });
  Check(v, "cvt.sat.s32.s64 %d, %la;",
        [](L a) { return L{U(std::clamp<int64_t>(int64_t(a), INT32_MIN, INT32_MAX))}; });
  Check(v, "cvt.pack.sat.u8.s32.b32 %d, %a, 5, 0x1234;",
        [](L a) { return L{0x12340000u | U(std::clamp<int32_t>(int32_t(a), 0, 255)) << 8 | 5}; });
}

TEST(Convert, FloatToInteger) {
  const Values v = Float32Values(), w = Float64Values();
  Check(v, "cvt.rzi.s32.f32 %d, %a;",
        [](L a) { return L{U(Saturated<int32_t>(std::trunc(ToF(a))))}; });
  Check(v, "cvt.rni.u32.f32 %d, %a;", [](L a) { return L{Saturated<U>(std::nearbyint(ToF(a)))}; });
  Check(v, "cvt.rmi.s64.f32 %ld, %a;",
        [](L a) { return L(Saturated<int64_t>(std::floor(ToF(a)))); });
  Check(w, "cvt.rpi.s32.f64 %d, %la;",
        [](L a) { return L{U(Saturated<int32_t>(std::ceil(ToD(a))))}; });
  Check(w, "cvt.rzi.u64.f64 %ld, %la;", [](L a) { return L(Saturated<L>(std::trunc(ToD(a)))); });
  Check(v, "cvt.rni.f32.f32 %d, %a;", [](L a) { return L{Bits(std::nearbyint(ToF(a)))}; });
}

template <class F, class S>
F Rounded(int mode, S value) {
  volatile S in = value;
  std::fesetround(mode);
  volatile F out = static_cast<F>(in);
  std::fesetround(FE_TONEAREST);
  return out;
}

TEST(Convert, IntegerToFloat) {
  const Values v = IntegerValues();
  Check(v, "cvt.rn.f32.s32 %d, %a;", [](L a) { return L{Bits(static_cast<float>(int32_t(a)))}; });
  Check(v, "cvt.rz.f32.u32 %d, %a;",
        [](L a) { return L{Bits(Rounded<float>(FE_TOWARDZERO, U(a)))}; });
  Check(v, "cvt.rn.f32.u64 %d, %la;", [](L a) { return L{Bits(static_cast<float>(a))}; });
  Check(v, "cvt.rn.f64.s64 %ld, %la;",
        [](L a) { return std::bit_cast<L>(static_cast<double>(int64_t(a))); });
}

TEST(Convert, BetweenFloats) {
  const Values v = Float32Values(), w = Float64Values();
  Check(v, "cvt.f64.f32 %ld, %a; setp.nan.f64 %p, %ld, %ld; @%p mov.u64 %ld, 7;",
        [](L a) { return std::isnan(ToF(a)) ? L{7} : std::bit_cast<L>(double{ToF(a)}); });
  Check(w, "cvt.rn.f32.f64 %d, %la;", [](L a) { return L{Bits(static_cast<float>(ToD(a)))}; });
  Check(w, "cvt.rp.f32.f64 %d, %la;",
        [](L a) { return L{Bits(Rounded<float>(FE_UPWARD, ToD(a)))}; });
  Check(v, "cvt.sat.f32.f32 %d, %a;", [](L a) {
    const float f = ToF(a);
    return L{Bits(f > 0 ? std::min(f, 1.0F) : 0.0F)};
  });
}

// By search: the nearest code of a table, ties to even; beyond the largest, that one.
template <class Decode>
U Nearest(float value, U codes, U sign, Decode decode) {
  const U s = std::signbit(value) ? sign : 0;
  const double magnitude = std::min(std::fabs(double{value}), double{decode(codes - 1)});
  U best = 0;
  for (U code = 0; code < codes; ++code) {
    const double d = std::fabs(double{decode(code)} - magnitude);
    const double known = std::fabs(double{decode(best)} - magnitude);
    if (d < known || (d == known && code % 2 == 0)) best = code;
  }
  return s | best;
}

TEST(Convert, SmallFloats) {
  const Values v = Float32Values();
  Check(v, "mov.b32 %e, 0f3FC00000; cvt.rn.satfinite.e4m3x2.f32 %h1, %a, %e; cvt.u32.u16 %d, %h1;",
        [](L a) {
          const float f = ToF(a);
          const U high = std::isnan(f) ? 0x7f
                         : std::isinf(f)
                             ? (f > 0 ? 0x7e : 0xfe)
                             : Nearest(f, 0x7f, 0x80, [](U c) { return DecodeE4m3(c); });
          return L{high << 8 | 0x3c};
        });
  Check(v, "cvt.rn.satfinite.e5m2x2.f32 %h1, %a, %a; cvt.u32.u16 %d, %h1;", [](L a) {
    const float f = ToF(a);
    const U code = std::isnan(f)   ? 0x7f
                   : std::isinf(f) ? (f > 0 ? 0x7b : 0xfb)
                                   : Nearest(f, 0x7c, 0x80, [](U c) { return DecodeE5m2(c); });
    return L{code << 8 | code};
  });
  Check(v, "cvt.rn.bf16x2.f32 %d, %a, %a;", [](L a) {
    const U b = EncodeBf16(ToF(a));
    return L{b << 16 | b};
  });
  Check(v, "cvt.rn.f16.f32 %h1, %a; cvt.f32.f16 %d, %h1;", [](L a) {
    const float f = ToF(a);
    return L{Bits(std::isnan(f) ? f : DecodeF16(EncodeF16(f)))};
  });
  Check(v, "cvt.rz.bf16.f32 %h1, %a; cvt.u32.u16 %d, %h1;",
        [](L a) { return L{std::isnan(ToF(a)) ? 0x7fff : U(a) >> 16}; });
  Check(v, "cvt.rn.relu.bf16.f32 %h1, %a; cvt.u32.u16 %d, %h1;", [](L a) {
    const float f = ToF(a);
    return L{f <= 0 ? U{0} : U{EncodeBf16(f)}};
  });
  Check(v, "cvt.rna.tf32.f32 %d, %a;", [](L a) {
    const float f = ToF(a);
    if (std::isnan(f)) return L{0x7fffffff};
    return std::isinf(f) ? L{U(a)} : L{(U(a) + 0x1000) & ~U{0x1fff}};
  });
}

TEST(Convert, TiesGoToEven) {
  Values ties;  // halfway between neighbours, and one bit beside it
  for (const L bits : std::initializer_list<L>{0x3f808000, 0x3f818000, 0x3f808001, 0x3f817fff,
                                               0x80008000, 0x00018000}) {
    ties.Add(bits, 0, 0);
  }
  Check(ties, "cvt.rn.bf16.f32 %h1, %a; cvt.u32.u16 %d, %h1;", [](L a) {
    const U rest = a & 0xffff, up = rest > 0x8000 || (rest == 0x8000 && (a >> 16 & 1) != 0);
    return L{U(a >> 16) + up};
  });
}

TEST(Convert, EightBitPairsWiden) {
  Values all;
  for (L code = 0; code < 256; ++code) all.Add(code << 8 | (255 - code), 0, 0);
  Check(all, "cvt.u16.u32 %h1, %a; cvt.rn.f16x2.e4m3x2 %d, %h1;", [](L a) {
    auto half = [](U code) {
      const float f = DecodeE4m3(static_cast<uint8_t>(code));
      return std::isnan(f) ? U{0x7fff} : U{EncodeF16(f)};
    };
    return L{half(a >> 8 & 0xff) << 16 | half(a & 0xff)};
  });
}

}  // namespace
}  // namespace emu
