#include "emulator/ptx/convert_packed_ops.h"

#include <algorithm>
#include <cmath>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/float_functors.h"
#include "emulator/ptx/integer_functors.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/small_float.h"

namespace emu {
namespace {

enum Detail { kRelu, kSaturate };

// Two f32 to a pair, the first operand on top, rounded to nearest.
template <class H>
Step PackHalves(Warp& warp, const Op& op, LaneMask active) {
  return Map2<uint32_t, float, float>(warp, op, active, [](float high, float low) {
    return uint32_t{H::FromFloat(high)} << 16 | H::FromFloat(low);
  });
}

SmallFormat FormatOf(ScalarType type) {
  switch (type) {
    case ScalarType::kBf16x2:
      return kBf16Format;
    case ScalarType::kE4m3x2:
      return kE4m3Format;
    case ScalarType::kE5m2x2:
      return kE5m2Format;
    default:
      return kF16Format;
  }
}

uint32_t Encode(double value, const Op& op, SmallFormat format) {
  if (op.detail[kRelu] && value <= 0) value = 0;
  return EncodeSmall(value, format, static_cast<Rounding>(op.detail[kRoundingDetail]),
                     op.detail[kSaturate] != 0);
}

uint32_t ElementBits(SmallFormat format) {
  return static_cast<uint32_t>(1 + format.exponent_bits + format.mantissa_bits);
}

// Two f32 to any packed format. immediate: the type.
Step PackFloats(Warp& warp, const Op& op, LaneMask active) {
  const SmallFormat format = FormatOf(static_cast<ScalarType>(op.immediate));
  return Map2<uint32_t, float, float>(warp, op, active, [&](float high, float low) {
    return Encode(high, op, format) << ElementBits(format) | Encode(low, op, format);
  });
}

// A pair of f16 or bf16 to a pair of 8-bit values.
template <class H>
Step NarrowPair(Warp& warp, const Op& op, LaneMask active) {
  const SmallFormat format = FormatOf(static_cast<ScalarType>(op.immediate));
  return Map1<uint32_t, uint32_t>(warp, op, active, [&](uint32_t pair) {
    const float high = H::ToFloat(static_cast<uint16_t>(pair >> 16));
    const float low = H::ToFloat(static_cast<uint16_t>(pair));
    return Encode(high, op, format) << ElementBits(format) | Encode(low, op, format);
  });
}

// A pair of 8-bit values to a pair of f16 (or bf16): exact. immediate: the 8-bit type.
template <class H>
Step WidenPair(Warp& warp, const Op& op, LaneMask active) {
  const SmallFormat format = FormatOf(static_cast<ScalarType>(op.immediate));
  const bool relu = op.detail[kRelu];
  return Map1<uint32_t, uint32_t>(warp, op, active, [=](uint32_t pair) {
    auto element = [=](uint32_t bits) -> uint32_t {
      auto value = static_cast<float>(DecodeSmall(bits & 0xff, format));
      if (relu && value <= 0) value = 0;
      return H::FromFloat(value);
    };
    return element(pair >> 8) << 16 | element(pair);
  });
}

// f32 to tf32: 10 bits of fraction. rna rounds halves away from zero.
template <bool away>
Step ToTf32(Warp& warp, const Op& op, LaneMask active) {
  const bool zero = static_cast<Rounding>(op.detail[kRoundingDetail]) == Rounding::kZero;
  const bool relu = op.detail[kRelu];
  return Map1<uint32_t, uint32_t>(warp, op, active, [=](uint32_t bits) {
    if ((bits & 0x7fff'ffff) > 0x7f80'0000) return kNan32;
    if (relu && bits >> 31 != 0) return uint32_t{0};
    const uint32_t add = zero ? 0 : away ? 0x1000 : 0xfff + (bits >> 13 & 1);
    return (bits & 0x7f80'0000) == 0x7f80'0000 ? bits : (bits + add) & ~uint32_t{0x1fff};
  });
}

bool IsBytePair(ScalarType type) {
  return type == ScalarType::kE4m3x2 || type == ScalarType::kE5m2x2;
}

bool IsHalfPair(ScalarType type) {
  return type == ScalarType::kF16x2 || type == ScalarType::kBf16x2;
}

template <class T>
uint32_t SaturateTo(int32_t value) {
  const int32_t least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
  return static_cast<uint32_t>(std::clamp(value, least, most)) &
         ((uint64_t{1} << 8 * sizeof(T)) - 1);
}

// cvt.pack.sat.T.s32.b32 d, a, b, c: a above b, both of T, below what stays of c.
template <class T>
Step PackIntegers(Warp& warp, const Op& op, LaneMask active) {
  constexpr int kBits = 8 * sizeof(T);
  const int32_t* a = warp.Lanes<int32_t>(op.slots[1]);
  const int32_t* b = warp.Lanes<int32_t>(op.slots[2]);
  const uint32_t* c = op.slots[3] == kNoSlot ? nullptr : warp.Lanes<uint32_t>(op.slots[3]);
  ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active, [=](int lane) {
    const uint32_t pair = SaturateTo<T>(a[lane]) << kBits | SaturateTo<T>(b[lane]);
    return c == nullptr ? pair : pair | static_cast<uint32_t>(uint64_t{c[lane]} << 2 * kBits);
  });
  return Step::kNext;
}

}  // namespace

bool IsPackedConversion(ScalarType to, ScalarType from) {
  return to == ScalarType::kTf32 || IsHalfPair(to) || IsBytePair(to) || IsBytePair(from);
}

Op BindConvertPacked(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const std::vector<ScalarType> types = instruction.types();
  const ScalarType to = types[0], from = types[1];
  RequireModifiers(instruction, builder, {"rn", "rz", "rna", "relu", "satfinite"});
  const Rounding rounding = RoundingOf(instruction);
  const bool relu = instruction.Has("relu"), saturate = instruction.Has("satfinite");
  Op op;
  if (to == ScalarType::kTf32 && from == ScalarType::kF32 && !saturate) {
    op = BindSimple(instruction, builder, instruction.Has("rna") ? ToTf32<true> : ToTf32<false>, to,
                    {from});
  } else if (from == ScalarType::kF32 && IsHalfPair(to)) {
    const bool plain = rounding == Rounding::kNearest && !relu && !saturate;
    const Execute execute = !plain                     ? PackFloats
                            : to == ScalarType::kF16x2 ? PackHalves<F16>
                                                       : PackHalves<Bf16>;
    op = BindSimple(instruction, builder, execute, to, {from, from});
  } else if (from == ScalarType::kF32 && IsBytePair(to) && saturate) {
    op = BindSimple(instruction, builder, PackFloats, to, {from, from});
  } else if (IsBytePair(to) && IsHalfPair(from) && saturate) {
    op = BindSimple(instruction, builder,
                    from == ScalarType::kF16x2 ? NarrowPair<F16> : NarrowPair<Bf16>, to, {from});
  } else if (IsBytePair(from) && IsHalfPair(to)) {
    op = BindSimple(instruction, builder,
                    to == ScalarType::kF16x2 ? WidenPair<F16> : WidenPair<Bf16>, to, {from});
  } else {
    builder.Fail(instruction, "unknown form");
  }
  op.immediate = static_cast<int64_t>(IsBytePair(from) ? from : to);
  op.detail[kRelu] = relu;
  op.detail[kSaturate] = saturate;
  op.detail[kRoundingDetail] = static_cast<uint8_t>(rounding);
  return op;
}

Op BindConvertPack(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const std::vector<ScalarType> types = instruction.types();
  if (types.size() < 2 || types[1] != ScalarType::kS32 || !instruction.Has("sat")) {
    builder.Fail(instruction, "unknown form");
  }
  const Execute execute = types[0] == ScalarType::kU8    ? PackIntegers<uint8_t>
                          : types[0] == ScalarType::kS8  ? PackIntegers<int8_t>
                          : types[0] == ScalarType::kU16 ? PackIntegers<uint16_t>
                          : types[0] == ScalarType::kS16 ? PackIntegers<int16_t>
                                                         : nullptr;
  const ScalarType s32 = ScalarType::kS32, b32 = ScalarType::kB32;
  if (BitsOf(types[0]) == 16) return BindSimple(instruction, builder, execute, b32, {s32, s32});
  return BindSimple(instruction, builder, execute, b32, {s32, s32, b32});
}

}  // namespace emu
