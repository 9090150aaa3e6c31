// f16, bf16 and pairs of them: add, sub, mul, fma, neg, abs, min, max, ex2, tanh. Computed in f32
// and rounded once; what f32 cannot hold exactly (the sum of a fma) is rounded to odd first.
#include <algorithm>

#include "emulator/ptx/arithmetic_binders.h"
#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/float_functors.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/small_float.h"

namespace emu {
namespace {

// Op::detail[0].
enum Modifier : uint8_t { kFtz = 1, kSat = 2, kRelu = 4 };

struct HalfFma {
  static float Run(float a, float b, float c) {
    const double product = double{a} * b;  // exact
    const double sum = product + c;
    if (!std::isfinite(sum)) return static_cast<float>(sum);
    const double other = sum - product;  // what the rounding of the sum lost, exactly
    const double low = (product - (sum - other)) + (c - other);
    return RoundToOdd(sum, low);
  }
};

// Flips or clears the sign, of NaN too.
struct HalfNeg {
  static float Run(float a) { return FloatNeg::Run(a); }
};

// Denormals of the format, not of f32.
template <class H>
uint16_t FlushHalf(uint16_t bits) {
  return (bits & H::kInfinity) == 0 ? bits & 0x8000 : bits;
}

template <class H, class F, class... Bits>
uint16_t RunOne(uint8_t modifiers, Bits... bits) {
  float result;
  if (modifiers & kFtz) {
    result = F::Run(H::ToFloat(FlushHalf<H>(bits))...);
  } else {
    result = F::Run(H::ToFloat(bits)...);
  }
  if (modifiers & kSat) result = Saturate01(result);
  if (modifiers & kRelu) result = result != result ? result : result > 0 ? result : 0.0F;
  const uint16_t rounded = H::FromFloat(result);
  return modifiers & kFtz ? FlushHalf<H>(rounded) : rounded;
}

template <class H, class F, bool pair, class... Words>
uint32_t RunWord(uint8_t modifiers, Words... words) {
  uint32_t result = RunOne<H, F>(modifiers, static_cast<uint16_t>(words)...);
  if (pair) {
    result |= uint32_t{RunOne<H, F>(modifiers, static_cast<uint16_t>(words >> 16)...)} << 16;
  }
  return result;
}

template <class H, class F, bool pair, int arity, uint8_t modifiers>
Step RunForm(Warp& warp, const Op& op, LaneMask active) {
  using U = uint32_t;
  if constexpr (arity == 1) {
    return Map1<U, U>(warp, op, active, [](U a) { return RunWord<H, F, pair>(modifiers, a); });
  } else if constexpr (arity == 2) {
    return Map2<U, U, U>(warp, op, active,
                         [](U a, U b) { return RunWord<H, F, pair>(modifiers, a, b); });
  } else {
    return Map3<U, U, U, U>(warp, op, active,
                            [](U a, U b, U c) { return RunWord<H, F, pair>(modifiers, a, b, c); });
  }
}

template <class H, class F, bool pair, int arity>
Execute PickModifiers(const ParsedInstruction& instruction) {
  const int modifiers = (instruction.Has("ftz") ? kFtz : 0) | (instruction.Has("sat") ? kSat : 0) |
                        (instruction.Has("relu") ? kRelu : 0);
  switch (modifiers) {
    case 0:
      return RunForm<H, F, pair, arity, 0>;
    case kFtz:
      return RunForm<H, F, pair, arity, kFtz>;
    case kSat:
      return RunForm<H, F, pair, arity, kSat>;
    case kSat | kFtz:
      return RunForm<H, F, pair, arity, kSat | kFtz>;
    case kRelu:
      return RunForm<H, F, pair, arity, kRelu>;
    case kRelu | kFtz:
      return RunForm<H, F, pair, arity, kRelu | kFtz>;
    default:
      return nullptr;
  }
}

template <class F, int arity>
Op BindForm(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  Execute execute = nullptr;
  switch (type) {
    case ScalarType::kF16:
      execute = PickModifiers<F16, F, false, arity>(instruction);
      break;
    case ScalarType::kF16x2:
      execute = PickModifiers<F16, F, true, arity>(instruction);
      break;
    case ScalarType::kBf16:
      execute = PickModifiers<Bf16, F, false, arity>(instruction);
      break;
    case ScalarType::kBf16x2:
      execute = PickModifiers<Bf16, F, true, arity>(instruction);
      break;
    default:
      break;
  }
  if (arity == 1) return BindSimple(instruction, builder, execute, type, {type});
  if (arity == 2) return BindSimple(instruction, builder, execute, type, {type, type});
  return BindSimple(instruction, builder, execute, type, {type, type, type});
}

template <class F>
Op BindMinMax(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"ftz", "NaN", "xorsign", "abs"});
  const bool nan = instruction.Has("NaN"), xorsign = instruction.Has("xorsign");
  if (nan && xorsign) return BindForm<MinMaxForm<F, true, true>, 2>(instruction, builder);
  if (nan) return BindForm<MinMaxForm<F, true, false>, 2>(instruction, builder);
  if (xorsign) return BindForm<MinMaxForm<F, false, true>, 2>(instruction, builder);
  return BindForm<F, 2>(instruction, builder);
}

}  // namespace

Op BindHalfArithmetic(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const std::string_view base = instruction.parts[0];
  if (base == "min") return BindMinMax<FloatMin>(instruction, builder);
  if (base == "max") return BindMinMax<FloatMax>(instruction, builder);
  RequireModifiers(instruction, builder, {"rn", "ftz", "sat", "relu", "approx"});
  if (base == "add") return BindForm<FloatAdd, 2>(instruction, builder);
  if (base == "sub") return BindForm<FloatSub, 2>(instruction, builder);
  if (base == "mul") return BindForm<FloatMul, 2>(instruction, builder);
  if (base == "fma") return BindForm<HalfFma, 3>(instruction, builder);
  if (base == "neg") return BindForm<HalfNeg, 1>(instruction, builder);
  if (base == "abs") return BindForm<FloatAbs, 1>(instruction, builder);
  if (base == "ex2") return BindForm<FloatExp2, 1>(instruction, builder);
  if (base == "tanh") return BindForm<FloatTanh, 1>(instruction, builder);
  builder.Fail(instruction, "unknown form");
}

}  // namespace emu
