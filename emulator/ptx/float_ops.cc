// f32 and f64 arithmetic and the approximate functions.
#include "emulator/ptx/arithmetic_binders.h"
#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/float_functors.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/rounding.h"

namespace emu {
namespace {

template <class T, class F, int arity>
Step Run(Warp& warp, const Op& op, LaneMask active) {
  if constexpr (arity == 1) return Lanewise1<T, F, T>(warp, op, active);
  if constexpr (arity == 2) return Lanewise2<T, F, T, T>(warp, op, active);
  if constexpr (arity == 3) return Lanewise3<T, F, T, T, T>(warp, op, active);
}

template <class T, class F, int arity>
Execute PickForm(const ParsedInstruction& instruction) {
  const bool ftz = instruction.Has("ftz"), sat = instruction.Has("sat");
  if (ftz && sat) return Run<T, FloatForm<F, true, true>, arity>;
  if (ftz) return Run<T, FloatForm<F, true, false>, arity>;
  if (sat) return Run<T, FloatForm<F, false, true>, arity>;
  return Run<T, FloatForm<F, false, false>, arity>;
}

template <class T, class F, int arity>
Execute PickDirected(const ParsedInstruction& instruction) {
  const bool ftz = instruction.Has("ftz"), sat = instruction.Has("sat");
  if (ftz && sat) return Directed<Run<T, FloatForm<F, true, true>, arity>>;
  if (ftz) return Directed<Run<T, FloatForm<F, true, false>, arity>>;
  if (sat) return Directed<Run<T, FloatForm<F, false, true>, arity>>;
  return Directed<Run<T, FloatForm<F, false, false>, arity>>;
}

template <class F, int arity>
Op BindRounded(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  const Rounding rounding = RoundingOf(instruction);
  Execute execute = nullptr;
  if (type == ScalarType::kF32) {
    execute = rounding == Rounding::kNearest ? PickForm<float, F, arity>(instruction)
                                             : PickDirected<float, F, arity>(instruction);
  } else if (type == ScalarType::kF64) {
    execute = rounding == Rounding::kNearest ? PickForm<double, F, arity>(instruction)
                                             : PickDirected<double, F, arity>(instruction);
  }
  Op op = arity == 1   ? BindSimple(instruction, builder, execute, type, {type})
          : arity == 2 ? BindSimple(instruction, builder, execute, type, {type, type})
                       : BindSimple(instruction, builder, execute, type, {type, type, type});
  op.detail[kRoundingDetail] = static_cast<uint8_t>(rounding);
  return op;
}

template <class F>
Execute PickMinMax(const ParsedInstruction& instruction) {
  const bool nan = instruction.Has("NaN"), xorsign = instruction.Has("xorsign");
  if (nan && xorsign) return PickForm<float, MinMaxForm<F, true, true>, 2>(instruction);
  if (nan) return PickForm<float, MinMaxForm<F, true, false>, 2>(instruction);
  if (xorsign) return PickForm<float, MinMaxForm<F, false, true>, 2>(instruction);
  return PickForm<float, F, 2>(instruction);
}

template <class F>
Op BindMinMax(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {"ftz", "NaN", "xorsign", "abs"});
  const Execute execute = type == ScalarType::kF32        ? PickMinMax<F>(instruction)
                          : instruction.parts.size() == 2 ? Run<double, F, 2>
                                                          : nullptr;
  return BindSimple(instruction, builder, execute, type, {type, type});
}

// Functions of f32 alone, or of f64 too.
template <class F, bool both>
Op BindFunction(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"approx", "rn", "rz", "rm", "rp", "ftz"});
  if (instruction.type() == ScalarType::kF64) {
    if constexpr (both) {
      return BindRounded<F, 1>(instruction, builder);
    }
  } else if (instruction.type() == ScalarType::kF32) {
    if constexpr (both) return BindRounded<F, 1>(instruction, builder);
    return BindSimple(instruction, builder, PickForm<float, F, 1>(instruction), ScalarType::kF32,
                      {ScalarType::kF32});
  }
  return BindHalfArithmetic(instruction, builder);
}

Op BindCopySign(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  return BindSimple(instruction, builder,
                    type == ScalarType::kF32   ? Run<float, CopySign, 2>
                    : type == ScalarType::kF64 ? Run<double, CopySign, 2>
                                               : nullptr,
                    type, {type, type});
}

enum class Test : uint8_t { kFinite, kInfinite, kNumber, kNotANumber, kNormal, kSubnormal };

template <class T>
Step TestProperty(Warp& warp, const Op& op, LaneMask active) {
  const T* a = warp.Lanes<T>(op.slots[1]);
  const auto test = static_cast<Test>(op.detail[0]);
  const LaneMask holds = MaskOf([=](int lane) {
    switch (test) {
      case Test::kFinite:
        return std::isfinite(a[lane]);
      case Test::kInfinite:
        return std::isinf(a[lane]);
      case Test::kNumber:
        return !std::isnan(a[lane]);
      case Test::kNotANumber:
        return std::isnan(a[lane]);
      case Test::kNormal:
        return std::isnormal(a[lane]);
      case Test::kSubnormal:
        return std::fpclassify(a[lane]) == FP_SUBNORMAL;
    }
    return false;
  });
  SetPredicate(warp.Predicate(op.slots[0]), active, holds);
  return Step::kNext;
}

Op BindTest(const ParsedInstruction& instruction, KernelBuilder& builder) {
  static constexpr std::string_view kNames[] = {"finite",     "infinite", "number",
                                                "notanumber", "normal",   "subnormal"};
  const ScalarType type = instruction.type();
  if (instruction.parts.size() != 3) builder.Fail(instruction, "unknown form");
  const auto* name = std::find(std::begin(kNames), std::end(kNames), instruction.parts[1]);
  if (name == std::end(kNames)) builder.Fail(instruction, "unknown form");
  Op op = BindSimple(instruction, builder,
                     type == ScalarType::kF32   ? TestProperty<float>
                     : type == ScalarType::kF64 ? TestProperty<double>
                                                : nullptr,
                     ScalarType::kPred, {type});
  op.detail[0] = static_cast<uint8_t>(name - std::begin(kNames));
  return op;
}

template <class F, int arity>
Op BindWithModifiers(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"rn", "rz", "rm", "rp", "ftz", "sat", "approx", "full"});
  return BindRounded<F, arity>(instruction, builder);
}

Op BindFma(const ParsedInstruction& instruction, KernelBuilder& builder) {
  return IsFloat(instruction.type()) && BitsOf(instruction.type()) > 16
             ? BindWithModifiers<FloatFma, 3>(instruction, builder)
             : BindHalfArithmetic(instruction, builder);
}

}  // namespace

Op BindFloatArithmetic(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const std::string_view base = instruction.parts[0];
  if (base == "add") return BindWithModifiers<FloatAdd, 2>(instruction, builder);
  if (base == "sub") return BindWithModifiers<FloatSub, 2>(instruction, builder);
  if (base == "mul") return BindWithModifiers<FloatMul, 2>(instruction, builder);
  if (base == "div") return BindWithModifiers<FloatDiv, 2>(instruction, builder);
  if (base == "mad") return BindWithModifiers<FloatFma, 3>(instruction, builder);
  if (base == "abs") return BindWithModifiers<FloatAbs, 1>(instruction, builder);
  if (base == "neg") return BindWithModifiers<FloatNeg, 1>(instruction, builder);
  if (base == "min") return BindMinMax<FloatMin>(instruction, builder);
  if (base == "max") return BindMinMax<FloatMax>(instruction, builder);
  builder.Fail(instruction, "unknown form");
}

void RegisterFloatOps(InstructionTable& table) {
  table.Add("fma", BindFma);
  table.Add("sqrt", BindFunction<FloatSqrt, true>);
  table.Add("rsqrt", BindFunction<FloatRsqrt, true>);
  table.Add("rcp", BindFunction<FloatRcp, true>);
  table.Add("ex2", BindFunction<FloatExp2, false>);
  table.Add("lg2", BindFunction<FloatLog2, false>);
  table.Add("sin", BindFunction<FloatSin, false>);
  table.Add("cos", BindFunction<FloatCos, false>);
  table.Add("tanh", BindFunction<FloatTanh, false>);
  table.Add("copysign", BindCopySign);
  table.Add("testp", BindTest);
}

}  // namespace emu
