// cvt between scalar types. Packed and 8-bit floating forms: convert_packed_ops.cc.
#include <cmath>
#include <limits>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/convert_packed_ops.h"
#include "emulator/ptx/float_functors.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/small_float.h"

namespace emu {
namespace {

// Op::detail of conversions; [kRoundingDetail] is the rounding.
enum Detail { kFlush, kSaturate, kRelu };

template <class D, class S>
Step IntToInt(Warp& warp, const Op& op, LaneMask active) {
  return Map1<D, S>(warp, op, active, [](S a) { return static_cast<D>(a); });
}

template <class D, class S>
Step IntToIntSat(Warp& warp, const Op& op, LaneMask active) {
  return Map1<D, S>(warp, op, active, [](S a) {
    if (std::cmp_less(a, std::numeric_limits<D>::min())) return std::numeric_limits<D>::min();
    if (std::cmp_greater(a, std::numeric_limits<D>::max())) return std::numeric_limits<D>::max();
    return static_cast<D>(a);
  });
}

template <class F>
F RoundToInteger(F a, Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearest:
      return std::nearbyint(a);
    case Rounding::kZero:
      return std::trunc(a);
    case Rounding::kDown:
      return std::floor(a);
    case Rounding::kUp:
      return std::ceil(a);
  }
  return a;
}

// Out of range saturates; NaN gives 0, as a 64-bit integer its top bit.
template <class D, class F>
D ToInteger(F a) {
  // The first value above D's range is a power of two, exact in F.
  const F above = std::ldexp(F{1}, std::numeric_limits<D>::digits);
  const F lowest = std::is_signed_v<D> ? -above : F{0};
  if (a != a) return sizeof(D) == 8 ? static_cast<D>(uint64_t{1} << 63) : D{0};
  if (a >= above) return std::numeric_limits<D>::max();
  if (a <= lowest) return std::numeric_limits<D>::min();
  return static_cast<D>(a);
}

template <class D, class F, Rounding rounding>
Step FloatToInt(Warp& warp, const Op& op, LaneMask active) {
  if (op.detail[kFlush]) {
    return Map1<D, F>(warp, op, active,
                      [](F a) { return ToInteger<D>(RoundToInteger(Flush(a), rounding)); });
  }
  return Map1<D, F>(warp, op, active,
                    [](F a) { return ToInteger<D>(RoundToInteger(a, rounding)); });
}

template <class D, class F>
Execute PickRounding(Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearest:
      return FloatToInt<D, F, Rounding::kNearest>;
    case Rounding::kZero:
      return FloatToInt<D, F, Rounding::kZero>;
    case Rounding::kDown:
      return FloatToInt<D, F, Rounding::kDown>;
    case Rounding::kUp:
      return FloatToInt<D, F, Rounding::kUp>;
  }
  return nullptr;
}

template <class F, class S>
Step IntToFloat(Warp& warp, const Op& op, LaneMask active) {
  return Map1<F, S>(warp, op, active, [](S a) { return static_cast<F>(a); });
}

// Between f32 and f64, or within one type.
template <class D, class S>
Step FloatToFloat(Warp& warp, const Op& op, LaneMask active) {
  const bool flush = op.detail[kFlush], saturate = op.detail[kSaturate];
  if (!flush && !saturate) {
    return Map1<D, S>(warp, op, active, [](S a) { return Canonical(static_cast<D>(a)); });
  }
  return Map1<D, S>(warp, op, active, [=](S a) {
    D result = Canonical(static_cast<D>(flush ? Flush(a) : a));
    if (flush) result = Flush(result);
    return saturate ? Saturate01(result) : result;
  });
}

template <class F, Rounding rounding>
Step FloatToIntegral(Warp& warp, const Op& op, LaneMask active) {
  const bool flush = op.detail[kFlush], saturate = op.detail[kSaturate];
  return Map1<F, F>(warp, op, active, [=](F a) {
    const F result = Canonical(RoundToInteger(flush ? Flush(a) : a, rounding));
    return saturate ? Saturate01(result) : result;
  });
}

template <class H>
Step HalfToFloat(Warp& warp, const Op& op, LaneMask active) {
  const bool saturate = op.detail[kSaturate];
  return Map1<float, uint16_t>(warp, op, active, [=](uint16_t a) {
    const float value = Canonical(H::ToFloat(a));
    return saturate ? Saturate01(value) : value;
  });
}

template <class H>
Step HalfToDouble(Warp& warp, const Op& op, LaneMask active) {
  return Map1<double, uint16_t>(warp, op, active, [](uint16_t a) { return double{H::ToFloat(a)}; });
}

// To nearest, the common case.
template <class H>
Step FloatToHalf(Warp& warp, const Op& op, LaneMask active) {
  return Map1<uint16_t, float>(warp, op, active, [](float a) { return H::FromFloat(a); });
}

constexpr SmallFormat FormatOf(ScalarType type) {
  return type == ScalarType::kBf16 ? kBf16Format : kF16Format;
}

// The other roundings and modifiers, from any type that f64 holds exactly. immediate: the format.
template <class S, class Decode>
Step ToHalfSlowly(Warp& warp, const Op& op, LaneMask active, Decode decode) {
  const SmallFormat format = FormatOf(static_cast<ScalarType>(op.immediate));
  const auto rounding = static_cast<Rounding>(op.detail[kRoundingDetail]);
  return Map1<uint16_t, S>(warp, op, active, [&](S a) {
    double value = decode(a);
    if (op.detail[kRelu] && value <= 0) value = 0;
    if (op.detail[kSaturate] == 1) value = value > 0 ? std::min(value, 1.0) : 0;
    return EncodeSmall(value, format, rounding, op.detail[kSaturate] == 2);
  });
}

template <class S>
Step NumberToHalf(Warp& warp, const Op& op, LaneMask active) {
  return ToHalfSlowly<S>(warp, op, active, [](S a) { return static_cast<double>(a); });
}

template <class H>
Step HalfToHalf(Warp& warp, const Op& op, LaneMask active) {
  return ToHalfSlowly<uint16_t>(warp, op, active, [](uint16_t a) { return double{H::ToFloat(a)}; });
}

// cvt.rni.f16.f16 and its like.
template <class H>
Step HalfToIntegral(Warp& warp, const Op& op, LaneMask active) {
  const auto rounding = static_cast<Rounding>(op.detail[kRoundingDetail]);
  return Map1<uint16_t, uint16_t>(warp, op, active, [=](uint16_t a) {
    return H::FromFloat(RoundToInteger(H::ToFloat(a), rounding));
  });
}

template <class D, class H>
Step HalfToInt(Warp& warp, const Op& op, LaneMask active) {
  const auto rounding = static_cast<Rounding>(op.detail[kRoundingDetail]);
  return Map1<D, uint16_t>(warp, op, active, [=](uint16_t a) {
    return ToInteger<D>(RoundToInteger(H::ToFloat(a), rounding));
  });
}

// Calls f with a value of the C++ type of an integer or f32/f64; nullptr for other types.
template <class Pick>
Execute ForNumber(ScalarType type, Pick pick) {
  switch (type) {
    case ScalarType::kU8:
      return pick(uint8_t{});
    case ScalarType::kS8:
      return pick(int8_t{});
    case ScalarType::kU16:
      return pick(uint16_t{});
    case ScalarType::kS16:
      return pick(int16_t{});
    case ScalarType::kU32:
      return pick(uint32_t{});
    case ScalarType::kS32:
      return pick(int32_t{});
    case ScalarType::kU64:
      return pick(uint64_t{});
    case ScalarType::kS64:
      return pick(int64_t{});
    case ScalarType::kF32:
      return pick(float{});
    case ScalarType::kF64:
      return pick(double{});
    default:
      return nullptr;
  }
}

bool IsHalf(ScalarType type) { return type == ScalarType::kF16 || type == ScalarType::kBf16; }

struct Form {
  ScalarType to, from;
  Rounding rounding;
  bool integral;  // rni and its like
  bool saturate;
};

template <class D>
Execute PickFromNumber(const Form& form) {
  return ForNumber(form.from, [&]<class S>(S) -> Execute {
    constexpr bool to_float = std::is_floating_point_v<D>;
    constexpr bool from_float = std::is_floating_point_v<S>;
    const bool nearest = form.rounding == Rounding::kNearest;
    if constexpr (!to_float && !from_float) {
      return form.saturate ? IntToIntSat<D, S> : IntToInt<D, S>;
    } else if constexpr (!to_float) {
      return form.integral ? PickRounding<D, S>(form.rounding) : nullptr;
    } else if constexpr (!from_float) {
      return nearest ? IntToFloat<D, S> : Directed<IntToFloat<D, S>>;
    } else if constexpr (std::is_same_v<D, S>) {
      if (!form.integral) return FloatToFloat<D, S>;
      return form.rounding == Rounding::kNearest ? FloatToIntegral<D, Rounding::kNearest>
             : form.rounding == Rounding::kZero  ? FloatToIntegral<D, Rounding::kZero>
             : form.rounding == Rounding::kDown  ? FloatToIntegral<D, Rounding::kDown>
                                                 : FloatToIntegral<D, Rounding::kUp>;
    } else {
      return nearest ? FloatToFloat<D, S> : Directed<FloatToFloat<D, S>>;
    }
  });
}

template <class H>
Execute PickFromHalf(const Form& form) {
  if (IsHalf(form.to)) {
    return form.integral ? (form.to == form.from ? HalfToIntegral<H> : nullptr) : HalfToHalf<H>;
  }
  return ForNumber(form.to, [&]<class D>(D) -> Execute {
    if constexpr (std::is_same_v<D, float>) {
      return HalfToFloat<H>;
    } else if constexpr (std::is_same_v<D, double>) {
      return HalfToDouble<H>;
    } else {
      return form.integral ? HalfToInt<D, H> : nullptr;
    }
  });
}

Execute PickToHalf(const Form& form, bool plain) {
  if (plain && form.from == ScalarType::kF32) {
    return form.to == ScalarType::kF16 ? FloatToHalf<F16> : FloatToHalf<Bf16>;
  }
  return ForNumber(form.from, []<class S>(S) -> Execute { return NumberToHalf<S>; });
}

Rounding ConvertRounding(const ParsedInstruction& instruction, bool* integral) {
  static constexpr struct {
    std::string_view name;
    Rounding rounding;
  } kIntegral[] = {{"rni", Rounding::kNearest},
                   {"rzi", Rounding::kZero},
                   {"rmi", Rounding::kDown},
                   {"rpi", Rounding::kUp}};
  for (const auto& row : kIntegral) {
    if (instruction.Has(row.name)) {
      *integral = true;
      return row.rounding;
    }
  }
  *integral = false;
  return RoundingOf(instruction);
}

// Registers may be wider than the type that an instruction gives them: a 64-bit source counts with
// its low 32 bits, a 64-bit destination takes the result extended by its sign.
struct WideRegisters : OpExtra {
  Op inner;  // on 32-bit registers
  int32_t source = kNoSlot, destination = kNoSlot;
  bool is_signed = false;
};

Step ConvertWide(Warp& warp, const Op& op, LaneMask active) {
  const auto& wide = *static_cast<const WideRegisters*>(op.extra);
  if (wide.source != kNoSlot) {
    const uint64_t* from = warp.Lanes<uint64_t>(wide.source);
    ForLanes<uint32_t>(warp.Lanes<uint32_t>(wide.inner.slots[1]), active,
                       [=](int lane) { return static_cast<uint32_t>(from[lane]); });
  }
  const Step step = wide.inner.execute(warp, wide.inner, active);
  if (wide.destination != kNoSlot) {
    const uint32_t* result = warp.Lanes<uint32_t>(wide.inner.slots[0]);
    ForLanes<uint64_t>(warp.Lanes<uint64_t>(wide.destination), active, [&](int lane) {
      return wide.is_signed ? static_cast<uint64_t>(static_cast<int32_t>(result[lane]))
                            : uint64_t{result[lane]};
    });
  }
  return step;
}

Op BindRegisters(const ParsedInstruction& instruction, KernelBuilder& builder, const Form& form,
                 Op op) {
  const Operand& to = instruction.operands[0];
  const Operand& from = instruction.operands[1];
  const bool wide_to = builder.RegisterBits(to) == 64 && BitsOf(form.to) < 64;
  const bool wide_from = builder.RegisterBits(from) == 64 && BitsOf(form.from) < 64;
  op.slots[0] = wide_to ? builder.Scratch(32) : builder.Destination(to, BitsOf(form.to));
  op.slots[1] = wide_from ? builder.Scratch(32) : builder.Source(from, form.from);
  if (!wide_to && !wide_from) return op;
  if ((wide_to && IsFloat(form.to)) || (wide_from && IsFloat(form.from))) {
    builder.Fail(instruction, "wrong width of register");
  }
  auto* extra = builder.NewExtra<WideRegisters>();
  extra->inner = op;
  extra->is_signed = IsSigned(form.to);
  if (wide_to) extra->destination = builder.Destination(to, 64);
  if (wide_from) extra->source = builder.Source64(from);
  Op outer;
  outer.execute = ConvertWide;
  outer.extra = extra;
  return outer;
}

Op BindConvert(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const std::vector<ScalarType> types = instruction.types();
  if (types.size() != 2) builder.Fail(instruction, "unknown form");
  if (IsPackedConversion(types[0], types[1])) return BindConvertPacked(instruction, builder);
  RequireModifiers(
      instruction, builder,
      {"rn", "rz", "rm", "rp", "rni", "rzi", "rmi", "rpi", "ftz", "sat", "relu", "satfinite"});
  Form form{.to = types[0], .from = types[1], .saturate = instruction.Has("sat")};
  form.rounding = ConvertRounding(instruction, &form.integral);
  const bool relu = instruction.Has("relu"), finite = instruction.Has("satfinite");
  Execute execute = nullptr;
  if (IsHalf(form.from)) {
    execute = form.from == ScalarType::kF16 ? PickFromHalf<F16>(form) : PickFromHalf<Bf16>(form);
  } else if (IsHalf(form.to)) {
    const bool plain = form.rounding == Rounding::kNearest && !form.saturate && !relu && !finite;
    execute = PickToHalf(form, plain);
  } else if (!relu && !finite) {
    execute = ForNumber(form.to, [&]<class D>(D) { return PickFromNumber<D>(form); });
  }
  if (execute == nullptr) builder.Fail(instruction, "unknown form");
  RequireOperandCount(instruction, builder, 2);
  Op op;
  op.execute = execute;
  op.detail[kFlush] = instruction.Has("ftz");
  op.detail[kSaturate] = finite ? 2 : form.saturate ? 1 : 0;
  op.detail[kRelu] = relu;
  op.detail[kRoundingDetail] = static_cast<uint8_t>(form.rounding);
  op.immediate = static_cast<int64_t>(form.to);
  return BindRegisters(instruction, builder, form, op);
}

}  // namespace

void RegisterConvertOps(InstructionTable& table) {
  table.Add("cvt", BindConvert);
  table.Add("cvt.pack", BindConvertPack);
}

}  // namespace emu
