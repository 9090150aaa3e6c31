// Integer and bit instructions against plain C++, on random values and the edges.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <string>
#include <vector>

#include "tests/emulator/ptx/ptx_launch.h"
#include "tests/emulator/ptx/ptx_values.h"

namespace emu {
namespace {

void Check32(const std::string& body,
             const std::function<uint32_t(uint32_t, uint32_t, uint32_t)>& f) {
  const Values v = IntegerValues();
  const std::vector<uint64_t> out = RunInstruction(body, v.a, v.b, v.c);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto a = static_cast<uint32_t>(v.a[i]), b = static_cast<uint32_t>(v.b[i]),
               c = static_cast<uint32_t>(v.c[i]);
    ASSERT_EQ(static_cast<uint32_t>(out[i]), f(a, b, c))
        << body << " " << a << " " << b << " " << c;
  }
}

void Check64(const std::string& body,
             const std::function<uint64_t(uint64_t, uint64_t, uint64_t)>& f) {
  const Values v = IntegerValues();
  const std::vector<uint64_t> out = RunInstruction(body, v.a, v.b, v.c);
  for (size_t i = 0; i < out.size(); ++i) {
    ASSERT_EQ(out[i], f(v.a[i], v.b[i], v.c[i])) << body << " " << v.a[i] << " " << v.b[i];
  }
}

int32_t S(uint32_t v) { return static_cast<int32_t>(v); }
int64_t S(uint64_t v) { return static_cast<int64_t>(v); }
using U = uint32_t;
using L = uint64_t;

TEST(IntegerOps, AddSubMul) {
  Check32("add.s32 %d, %a, %b;", [](U a, U b, U) { return a + b; });
  Check32("sub.u32 %d, %a, %b;", [](U a, U b, U) { return a - b; });
  Check32("mul.lo.s32 %d, %a, %b;", [](U a, U b, U) { return a * b; });
  Check32("mul.hi.u32 %d, %a, %b;", [](U a, U b, U) { return U(L{a} * b >> 32); });
  Check32("mul.hi.s32 %d, %a, %b;", [](U a, U b, U) { return U(int64_t{S(a)} * S(b) >> 32); });
  Check32("mad.lo.s32 %d, %a, %b, %c;", [](U a, U b, U c) { return a * b + c; });
  Check32("mad.hi.u32 %d, %a, %b, %c;", [](U a, U b, U c) { return U(L{a} * b >> 32) + c; });
  Check64("add.s64 %ld, %la, %lb;", [](L a, L b, L) { return a + b; });
  Check64("mul.lo.u64 %ld, %la, %lb;", [](L a, L b, L) { return a * b; });
  Check64("mul.hi.u64 %ld, %la, %lb;",
          [](L a, L b, L) { return L(static_cast<unsigned __int128>(a) * b >> 64); });
  Check64("mul.hi.s64 %ld, %la, %lb;",
          [](L a, L b, L) { return L(static_cast<__int128>(S(a)) * S(b) >> 64); });
  Check64("mul.wide.u32 %ld, %a, %b;", [](L a, L b, L) { return L{U(a)} * U(b); });
  Check64("mul.wide.s32 %ld, %a, %b;", [](L a, L b, L) { return L(int64_t{S(U(a))} * S(U(b))); });
  Check64("mad.wide.s32 %ld, %a, %b, %lc;",
          [](L a, L b, L c) { return L(int64_t{S(U(a))} * S(U(b))) + c; });
}

TEST(IntegerOps, SixteenBits) {
  const std::string in = "cvt.u16.u32 %h1, %a; cvt.u16.u32 %h2, %b; cvt.u16.u32 %h4, %c; ";
  const std::string out = " cvt.u32.u16 %d, %h3;";
  Check32(in + "add.s16 %h3, %h1, %h2;" + out, [](U a, U b, U) { return (a + b) & 0xffff; });
  Check32(in + "mul.lo.s16 %h3, %h1, %h2;" + out, [](U a, U b, U) { return (a * b) & 0xffff; });
  Check32(in + "mul.wide.s16 %d, %h1, %h2;",
          [](U a, U b, U) { return U(int16_t(a) * int16_t(b)); });
  Check32(in + "max.s16 %h3, %h1, %h2;" + out,
          [](U a, U b, U) { return U(uint16_t(std::max(int16_t(a), int16_t(b)))); });
  Check32(in + "shr.s16 %h3, %h1, %b;" + out,
          [](U a, U b, U) { return U(uint16_t(int16_t(a) >> std::min(b, 15u))); });
  Check32(in + "shl.b16 %h3, %h1, %b;" + out,
          [](U a, U b, U) { return b > 15 ? 0 : U(uint16_t(a << b)); });
  Check32(in + "cvt.s32.s8 %d, %h1;", [](U a, U, U) { return U(int8_t(a)); });
  Check32(in + "cvt.s16.s8 %h3, %h1; cvt.s32.s16 %d, %h3;", [](U a, U, U) { return U(int8_t(a)); });
}

TEST(IntegerOps, DivisionNeverTraps) {
  Check32("div.u32 %d, %a, %b;", [](U a, U b, U) { return b == 0 ? ~0u : a / b; });
  Check32("rem.u32 %d, %a, %b;", [](U a, U b, U) { return b == 0 ? a : a % b; });
  Check32("div.s32 %d, %a, %b;", [](U a, U b, U) {
    return b == 0 ? ~0u : S(b) == -1 ? 0u - a : U(S(a) / S(b));
  });
  Check32("rem.s32 %d, %a, %b;", [](U a, U b, U) {
    return b == 0 ? a : S(b) == -1 ? 0u : U(S(a) % S(b));
  });
  Check64("div.s64 %ld, %la, %lb;", [](L a, L b, L) {
    return b == 0 ? ~L{0} : S(b) == -1 ? L{0} - a : L(S(a) / S(b));
  });
  Check64("rem.u64 %ld, %la, %lb;", [](L a, L b, L) { return b == 0 ? a : a % b; });
}

TEST(IntegerOps, MinMaxAbsNegSad) {
  Check32("min.s32 %d, %a, %b;", [](U a, U b, U) { return U(std::min(S(a), S(b))); });
  Check32("max.u32 %d, %a, %b;", [](U a, U b, U) { return std::max(a, b); });
  Check32("abs.s32 %d, %a;", [](U a, U, U) { return S(a) < 0 ? 0u - a : a; });
  Check32("neg.s32 %d, %a;", [](U a, U, U) { return 0u - a; });
  Check64("abs.s64 %ld, %la;", [](L a, L, L) { return S(a) < 0 ? L{0} - a : a; });
  Check32("sad.u32 %d, %a, %b, %c;", [](U a, U b, U c) { return c + (a < b ? b - a : a - b); });
  Check32("add.sat.s32 %d, %a, %b;", [](U a, U b, U) {
    return U(std::clamp<int64_t>(int64_t{S(a)} + S(b), INT32_MIN, INT32_MAX));
  });
  Check32("max.s16x2 %d, %a, %b;", [](U a, U b, U) {
    const auto low = uint16_t(std::max(int16_t(a), int16_t(b)));
    return U(uint16_t(std::max(int16_t(a >> 16), int16_t(b >> 16)))) << 16 | low;
  });
}

TEST(IntegerOps, CarryChains) {
  Check64("add.cc.u32 %d, %a, %b; addc.u32 %e, %a, 0; mov.b64 %ld, {%d, %e}; mov.u32 %d, 0;",
          [](L a, L b, L) { return (L{U(a)} << 32 | U(a)) + U(b); });
  Check64("sub.cc.u32 %d, %a, %b; subc.u32 %e, %a, %c; mov.b64 %ld, {%d, %e}; mov.u32 %d, 0;",
          [](L a, L b, L c) { return (L{U(a)} << 32 | U(a)) - (L{U(c)} << 32 | U(b)); });
  Check64(
      "mad.lo.cc.u32 %d, %a, %b, %c; madc.hi.u32 %e, %a, %b, 0; mov.b64 %ld, {%d, %e};"
      " mov.u32 %d, 0;",
      [](L a, L b, L c) { return L{U(a)} * U(b) + U(c); });
  Check64("mad.hi.cc.u32 %d, %a, %b, %c; addc.u32 %e, 0, 0; mov.b64 %ld, {%d, %e}; mov.u32 %d, 0;",
          [](L a, L b, L c) { return (L{U(a)} * U(b) >> 32) + U(c); });
}

TEST(IntegerOps, TwentyFourBits) {
  const auto low = [](U v) { return v & 0xffffff; };
  const auto extended = [](U v) { return U(S(v << 8) >> 8); };
  Check32("mul24.lo.u32 %d, %a, %b;", [=](U a, U b, U) { return low(a) * low(b); });
  Check32("mul24.lo.s32 %d, %a, %b;", [=](U a, U b, U) { return extended(a) * extended(b); });
  Check32("mad24.lo.u32 %d, %a, %b, %c;", [=](U a, U b, U c) { return low(a) * low(b) + c; });
  Check32("mad24.lo.s32 %d, %a, %b, %c;",
          [=](U a, U b, U c) { return extended(a) * extended(b) + c; });
}

TEST(IntegerOps, CarryPassesThroughALimbOfOnes) {
  // The middle limb overflows by the carry alone.
  Check32("add.cc.u32 %d, %a, %b; addc.cc.u32 %e, -1, 0; addc.u32 %d, 5, 0;",
          [](U a, U b, U) { return 5 + U((L{a} + b) >> 32); });
  Check32("sub.cc.u32 %d, %a, %b; subc.cc.u32 %e, 0, 0; subc.u32 %d, 5, 0;",
          [](U a, U b, U) { return 5 - U{a < b}; });
}

TEST(IntegerOps, DotProducts) {
  Check32("dp4a.s32.u32 %d, %a, %b, %c;", [](U a, U b, U c) {
    for (int i = 0; i < 4; ++i) c += U(int8_t(a >> 8 * i) * uint8_t(b >> 8 * i));
    return c;
  });
  Check32("dp2a.hi.s32.s32 %d, %a, %b, %c;", [](U a, U b, U c) {
    for (int i = 0; i < 2; ++i) c += U(int16_t(a >> 16 * i) * int8_t(b >> (16 + 8 * i)));
    return c;
  });
}

TEST(BitOps, Shifts) {
  Check32("shl.b32 %d, %a, %b;", [](U a, U b, U) { return b > 31 ? 0 : a << b; });
  Check32("shr.u32 %d, %a, %b;", [](U a, U b, U) { return b > 31 ? 0 : a >> b; });
  Check32("shr.s32 %d, %a, %b;", [](U a, U b, U) { return U(S(a) >> std::min(b, 31u)); });
  Check64("shl.b64 %ld, %la, %b;", [](L a, L b, L) { return U(b) > 63 ? 0 : a << U(b); });
  Check64("shr.s64 %ld, %la, %b;", [](L a, L b, L) { return L(S(a) >> std::min(U(b), 63u)); });
  Check32("shf.l.wrap.b32 %d, %a, %b, %c;",
          [](U a, U b, U c) { return U((L{b} << 32 | a) << (c & 31) >> 32); });
  Check32("shf.r.clamp.b32 %d, %a, %b, %c;",
          [](U a, U b, U c) { return U((L{b} << 32 | a) >> std::min(c, 32u)); });
}

TEST(BitOps, Logic) {
  Check32("lop3.b32 %d, %a, %b, %c, 0x96;", [](U a, U b, U c) { return a ^ b ^ c; });
  Check32("lop3.b32 %d, %a, %b, %c, 0xCA;", [](U a, U b, U c) { return (a & b) | (~a & c); });
  Check32("and.b32 %d, %a, %b;", [](U a, U b, U) { return a & b; });
  Check64("xor.b64 %ld, %la, %lb;", [](L a, L b, L) { return a ^ b; });
  Check64("not.b64 %ld, %la;", [](L a, L, L) { return ~a; });
  Check32("cnot.b32 %d, %a;", [](U a, U, U) { return U{a == 0}; });
  Check32(
      "setp.lt.s32 %p, %a, %b; setp.eq.u32 %q, %c, 0; and.pred %p, %p, !%q; selp.b32 %d, 7, 9, %p;",
      [](U a, U b, U c) { return S(a) < S(b) && c != 0 ? 7u : 9u; });
}

TEST(BitOps, FieldsAndCounts) {
  auto low = [](U n) { return n > 31 ? ~0u : (1u << n) - 1; };
  Check32("bfi.b32 %d, %a, %b, %c, 7;", [&](U a, U b, U c) {
    const U p = c & 255;
    const U mask = p > 31 ? 0 : low(7) << p;
    return (b & ~mask) | (p > 31 ? 0 : (a << p) & mask);
  });
  Check32("bfe.u32 %d, %a, %b, 9;", [&](U a, U b, U) {
    const U p = b & 255;
    return p > 31 ? 0 : (a >> p) & low(9);
  });
  Check32("bfe.s32 %d, %a, %b, %c;", [&](U a, U b, U c) {
    const U p = b & 255, n = c & 255;
    if (n == 0) return 0u;
    const U sign = a >> std::min(p + n - 1, 31u) & 1;
    U result = 0;
    for (U i = 0; i < 32; ++i) result |= (i < n && p + i <= 31 ? a >> (p + i) & 1 : sign) << i;
    return result;
  });
  Check32("popc.b32 %d, %a;", [](U a, U, U) { return U(std::popcount(a)); });
  Check32("clz.b32 %d, %a;", [](U a, U, U) { return U(std::countl_zero(a)); });
  Check64("clz.b64 %d, %la;", [](L a, L, L) { return L(std::countl_zero(a)); });
  Check32("bfind.u32 %d, %a;", [](U a, U, U) { return a == 0 ? ~0u : 31 - std::countl_zero(a); });
  Check32("bfind.shiftamt.s32 %d, %a;", [](U a, U, U) {
    const U bits = S(a) < 0 ? ~a : a;
    return bits == 0 ? ~0u : U(std::countl_zero(bits));
  });
  Check32("brev.b32 %d, %a;", [](U a, U, U) {
    U result = 0;
    for (int i = 0; i < 32; ++i) result |= (a >> i & 1) << (31 - i);
    return result;
  });
  Check32("prmt.b32 %d, %a, %b, %c;", [](U a, U b, U c) {
    const L both = L{b} << 32 | a;
    U result = 0;
    for (int i = 0; i < 4; ++i) {
      const U s = c >> 4 * i & 15;
      const auto byte = static_cast<uint8_t>(both >> 8 * (s & 7));
      result |= U{s & 8 ? static_cast<uint8_t>(byte & 0x80 ? 0xff : 0) : byte} << 8 * i;
    }
    return result;
  });
  Check32("fns.b32 %d, %a, 0, 3;", [](U a, U, U) {
    int seen = 0;
    for (int i = 0; i < 32; ++i) {
      if ((a >> i & 1) != 0 && ++seen == 3) return U(i);
    }
    return ~0u;
  });
}

TEST(BitOps, MasksAndExtensions) {
  const auto ones = [](U position, U length) {
    U mask = 0;
    for (L bit = position; bit < L{position} + length && bit < 32; ++bit) mask |= 1u << bit;
    return mask;
  };
  Check32("bmsk.clamp.b32 %d, %a, %b;",
          [=](U a, U b, U) { return ones(std::min(a, 32u), std::min(b, 32u)); });
  Check32("bmsk.wrap.b32 %d, %a, %b;", [=](U a, U b, U) { return ones(a & 31, b & 31); });
  const auto extend = [](U value, U bits, bool is_signed) {
    if (bits == 0 || bits > 31) return bits == 0 ? 0 : value;
    const U low = value & ((1u << bits) - 1);
    return is_signed && (low >> (bits - 1) & 1) != 0 ? low | ~0u << bits : low;
  };
  Check32("szext.clamp.s32 %d, %a, %b;", [=](U a, U b, U) { return extend(a, b, true); });
  Check32("szext.clamp.u32 %d, %a, %b;", [=](U a, U b, U) { return extend(a, b, false); });
  Check32("szext.wrap.s32 %d, %a, %b;", [=](U a, U b, U) { return extend(a, b & 31, true); });
  Check32("szext.wrap.u32 %d, %a, %b;", [=](U a, U b, U) { return extend(a, b & 31, false); });
}

}  // namespace
}  // namespace emu
