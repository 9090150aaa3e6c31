// f32, f64, f16 and bf16 instructions against plain C++.
#include <gtest/gtest.h>

#include <bit>
#include <cfenv>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "tests/emulator/ptx/ptx_launch.h"
#include "tests/emulator/ptx/ptx_values.h"

namespace emu {
namespace {

using F = float;
using U = uint32_t;

F ToF(uint64_t bits) { return std::bit_cast<F>(static_cast<U>(bits)); }
double ToD(uint64_t bits) { return std::bit_cast<double>(bits); }
// f32 results with NaN are 0x7fffffff.
U Bits(F value) { return std::isnan(value) ? 0x7fffffff : std::bit_cast<U>(value); }

void Check(const std::string& body, const std::function<U(F, F, F)>& f) {
  const Values v = Float32Values();
  const std::vector<uint64_t> out = RunInstruction(body, v.a, v.b, v.c);
  for (size_t i = 0; i < out.size(); ++i) {
    ASSERT_EQ(static_cast<U>(out[i]), f(ToF(v.a[i]), ToF(v.b[i]), ToF(v.c[i])))
        << body << " " << ToF(v.a[i]) << " " << ToF(v.b[i]) << " " << ToF(v.c[i]);
  }
}

// f64 results, NaN only as NaN.
void CheckDouble(const std::string& body, const std::function<double(double, double, double)>& f) {
  const Values v = Float64Values();
  const std::vector<uint64_t> out = RunInstruction(body, v.a, v.b, v.c);
  for (size_t i = 0; i < out.size(); ++i) {
    const double want = f(ToD(v.a[i]), ToD(v.b[i]), ToD(v.c[i]));
    if (std::isnan(want)) {
      ASSERT_TRUE(std::isnan(ToD(out[i])));
    } else {
      ASSERT_EQ(out[i], std::bit_cast<uint64_t>(want)) << body << " " << ToD(v.a[i]);
    }
  }
}

// Results within `ulps` of a reference in f64.
void CheckNear(const std::string& body, double ulps, const std::function<double(double)>& f) {
  const Values v = Float32Values();
  const std::vector<uint64_t> out = RunInstruction(body, v.a);
  for (size_t i = 0; i < out.size(); ++i) {
    const F a = ToF(v.a[i]), got = ToF(out[i]);
    const double want = f(a);
    if (std::isnan(want)) {
      ASSERT_EQ(static_cast<U>(out[i]), 0x7fffffffu) << body << " " << a;
      continue;
    }
    const F rounded = static_cast<F>(want);
    if (std::isinf(rounded) || rounded == 0) {
      ASSERT_EQ(got, rounded) << body << " " << a;
      continue;
    }
    const double ulp = std::max(std::ldexp(1.0, std::ilogb(rounded) - 23), 0x1p-149);
    ASSERT_NEAR(got, want, ulps * ulp) << body << " " << a;
  }
}

F Flush(F a) { return std::fpclassify(a) == FP_SUBNORMAL ? std::copysign(0.0F, a) : a; }

F Directed(int mode, F (*f)(volatile F&, volatile F&), F x, F y) {
  volatile F a = x, b = y;
  std::fesetround(mode);
  volatile F result = f(a, b);
  std::fesetround(FE_TONEAREST);
  return result;
}

TEST(Float32, Arithmetic) {
  Check("add.f32 %d, %a, %b;", [](F a, F b, F) { return Bits(a + b); });
  Check("sub.rn.f32 %d, %a, %b;", [](F a, F b, F) { return Bits(a - b); });
  Check("mul.f32 %d, %a, %b;", [](F a, F b, F) { return Bits(a * b); });
  Check("div.rn.f32 %d, %a, %b;", [](F a, F b, F) { return Bits(a / b); });
  Check("fma.rn.f32 %d, %a, %b, %c;", [](F a, F b, F c) { return Bits(std::fma(a, b, c)); });
  Check("sqrt.rn.f32 %d, %a;", [](F a, F, F) { return Bits(std::sqrt(a)); });
  Check("neg.f32 %d, %a;", [](F a, F, F) { return Bits(-a); });
  Check("abs.f32 %d, %a;", [](F a, F, F) { return Bits(std::fabs(a)); });
  Check("copysign.f32 %d, %a, %b;", [](F a, F b, F) {
    return (std::bit_cast<U>(a) & 0x80000000) | (std::bit_cast<U>(b) & 0x7fffffff);
  });
}

TEST(Float32, DirectedRounding) {
  auto add = [](volatile F& a, volatile F& b) -> F { return a + b; };
  auto mul = [](volatile F& a, volatile F& b) -> F { return a * b; };
  Check("add.rz.f32 %d, %a, %b;",
        [=](F a, F b, F) { return Bits(Directed(FE_TOWARDZERO, add, a, b)); });
  Check("mul.rm.f32 %d, %a, %b;",
        [=](F a, F b, F) { return Bits(Directed(FE_DOWNWARD, mul, a, b)); });
  Check("mul.rp.f32 %d, %a, %b;",
        [=](F a, F b, F) { return Bits(Directed(FE_UPWARD, mul, a, b)); });
}

TEST(Float32, FlushAndSaturate) {
  Check("mul.ftz.f32 %d, %a, %b;", [](F a, F b, F) { return Bits(Flush(Flush(a) * Flush(b))); });
  Check("add.sat.f32 %d, %a, %b;", [](F a, F b, F) {
    const F sum = a + b;
    return std::isnan(sum) ? 0 : Bits(sum > 0 ? std::min(sum, 1.0F) : 0.0F);
  });
}

TEST(Float32, MinMaxOrderZerosAndPassOverNan) {
  auto min = [](F a, F b) {
    if (std::isnan(a) || std::isnan(b)) return Bits(std::isnan(a) ? b : a);
    if (a == b) return Bits(std::signbit(a) ? a : b);
    return Bits(a < b ? a : b);
  };
  Check("min.f32 %d, %a, %b;", [=](F a, F b, F) { return min(a, b); });
  Check("max.f32 %d, %a, %b;", [=](F a, F b, F) {
    if (std::isnan(a) || std::isnan(b)) return Bits(std::isnan(a) ? b : a);
    return min(-a, -b) ^ 0x80000000;
  });
  Check("min.NaN.f32 %d, %a, %b;",
        [=](F a, F b, F) { return std::isnan(a) || std::isnan(b) ? 0x7fffffffu : min(a, b); });
}

TEST(Float32, Approximations) {
  CheckNear("ex2.approx.f32 %d, %a;", 2, [](double a) { return std::exp2(a); });
  CheckNear("rcp.approx.f32 %d, %a;", 1, [](double a) { return 1 / a; });
  CheckNear("rsqrt.approx.f32 %d, %a;", 2, [](double a) { return 1 / std::sqrt(a); });
  CheckNear("lg2.approx.f32 %d, %a;", 2, [](double a) { return std::log2(a); });
  CheckNear("tanh.approx.f32 %d, %a;", 2, [](double a) { return std::tanh(a); });
  CheckNear("sin.approx.f32 %d, %a;", 2, [](double a) { return std::sin(a); });
  CheckNear("cos.approx.f32 %d, %a;", 2, [](double a) { return std::cos(a); });
  CheckNear("sin.approx.ftz.f32 %d, %a;", 2,
            [](double a) { return std::sin(Flush(static_cast<F>(a))); });
}

TEST(Float32, Compares) {
  const std::string select = " selp.b32 %d, 1, 0, %p;";
  Check("setp.lt.f32 %p, %a, %b;" + select, [](F a, F b, F) { return U{a < b}; });
  Check("setp.ne.f32 %p, %a, %b;" + select, [](F a, F b, F) { return U{a < b || a > b}; });
  Check("setp.neu.f32 %p, %a, %b;" + select, [](F a, F b, F) { return U{a != b}; });
  Check("setp.geu.f32 %p, %a, %b;" + select, [](F a, F b, F) { return U{!(a < b)}; });
  Check("setp.nan.f32 %p, %a, %b;" + select,
        [](F a, F b, F) { return U{std::isnan(a) || std::isnan(b)}; });
  Check("setp.gt.f32 %p|%q, %a, %b; selp.b32 %d, 1, 0, %q;",
        [](F a, F b, F) { return U{!(a > b)}; });
  Check("setp.eq.f32 %q, %b, %b; setp.le.and.f32 %p, %a, %b, !%q;" + select,
        [](F a, F b, F) { return U{a <= b && b != b}; });
  Check("set.lt.f32.f32 %d, %a, %b;", [](F a, F b, F) { return a < b ? 0x3f800000u : 0u; });
  Check("testp.subnormal.f32 %p, %a;" + select,
        [](F a, F, F) { return U{std::fpclassify(a) == FP_SUBNORMAL}; });
  Check("slct.b32.f32 %d, %a, %b, %c;",
        [](F a, F b, F c) { return std::bit_cast<U>(c >= 0 ? a : b); });
}

TEST(Float64, Arithmetic) {
  CheckDouble("add.f64 %ld, %la, %lb;", [](double a, double b, double) { return a + b; });
  CheckDouble("div.rn.f64 %ld, %la, %lb;", [](double a, double b, double) { return a / b; });
  CheckDouble("fma.rn.f64 %ld, %la, %lb, %lc;",
              [](double a, double b, double c) { return std::fma(a, b, c); });
  CheckDouble("sqrt.rn.f64 %ld, %la;", [](double a, double, double) { return std::sqrt(a); });
  CheckDouble("neg.f64 %ld, %la;", [](double a, double, double) { return -a; });
}

// The reference for halves: in f64, which holds every sum and product of f16 exactly, and rounded
// once by searching the format.
double HalfValue(U bits) {
  const int e = static_cast<int>(bits >> 10 & 31);
  const double m = bits & 1023;
  double v = e == 31  ? (m != 0 ? NAN : INFINITY)
             : e == 0 ? std::ldexp(m, -24)
                      : std::ldexp(m + 1024, e - 25);
  return bits & 0x8000 ? -v : v;
}

U NearestHalf(double value) {
  if (std::isnan(value)) return 0x7fff;
  const U sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  U best = 0;
  for (U bits = 0; bits < 0x7c00; ++bits) {
    const double d = std::fabs(HalfValue(bits) - magnitude);
    const double known = std::fabs(HalfValue(best) - magnitude);
    if (d < known || (d == known && bits % 2 == 0)) best = bits;
  }
  return sign | best;
}

Values HalfValues() {
  return MakeValues({0, 0x8000, 1, 0x83ff, 0x3c00, 0xbc00, 0x3c01, 0x7bff, 0xfbff, 0x7c00, 0xfc00,
                     0x7e00, 0x3555, 0x0400},
                    80);
}

void CheckHalf(const std::string& body, const std::function<double(double, double, double)>& f) {
  const Values v = HalfValues();
  const std::vector<uint64_t> out =
      RunInstruction("cvt.u16.u32 %h1, %a; cvt.u16.u32 %h2, %b; cvt.u16.u32 %h3, %c; " + body +
                         " cvt.u32.u16 %d, %h4;",
                     v.a, v.b, v.c);
  for (size_t i = 0; i < out.size(); ++i) {
    const double a = HalfValue(v.a[i] & 0xffff), b = HalfValue(v.b[i] & 0xffff),
                 c = HalfValue(v.c[i] & 0xffff);
    ASSERT_EQ(out[i], NearestHalf(f(a, b, c))) << body << " " << a << " " << b << " " << c;
  }
}

TEST(Half, ArithmeticRoundsOnce) {
  CheckHalf("add.f16 %h4, %h1, %h2;", [](double a, double b, double) { return a + b; });
  CheckHalf("mul.rn.f16 %h4, %h1, %h2;", [](double a, double b, double) { return a * b; });
  CheckHalf("fma.rn.f16 %h4, %h1, %h2, %h3;",
            [](double a, double b, double c) { return a * b + c; });
}

TEST(Half, PairsWorkPerElement) {
  const Values v = HalfValues();
  const std::vector<uint64_t> out = RunInstruction("sub.f16x2 %d, %a, %b;", v.a, v.b);
  for (size_t i = 0; i < out.size(); ++i) {
    for (const int shift : {0, 16}) {
      const double a = HalfValue(v.a[i] >> shift & 0xffff);
      const double b = HalfValue(v.b[i] >> shift & 0xffff);
      ASSERT_EQ(out[i] >> shift & 0xffff, NearestHalf(a - b)) << a << " " << b;
    }
  }
}

TEST(Half, Bf16FmaHasOneRounding) {
  // 1.0078125 squared is 1 + 2^-6 + 2^-14: halfway cases that a second rounding would decide
  // wrongly are made with an addend far below.
  const std::vector<uint64_t> a{0x3f81, 0x3f81, 0x4049}, b{0x3fc0, 0x3fc0, 0x3f80};
  const std::vector<uint64_t> c{0x0080, 0x8080, 0xc049};
  const std::vector<uint64_t> out = RunInstruction(
      "cvt.u16.u32 %h1, %a; cvt.u16.u32 %h2, %b; cvt.u16.u32 %h3, %c;"
      "fma.rn.bf16 %h4, %h1, %h2, %h3; cvt.u32.u16 %d, %h4;",
      a, b, c);
  // 1.0078125 * 1.5 = 1.51171875, halfway between 0x3fc1 and 0x3fc2.
  EXPECT_EQ(out[0], 0x3fc2u);
  EXPECT_EQ(out[1], 0x3fc1u);
  EXPECT_EQ(out[2], 0u);
}

}  // namespace
}  // namespace emu
