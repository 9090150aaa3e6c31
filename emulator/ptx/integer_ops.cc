// Integer arithmetic: add, sub, mul, mad, div, rem, abs, neg, min, max, sad, dp4a, dp2a, and the
// forms with carry.
#include <type_traits>

#include "emulator/ptx/arithmetic_binders.h"
#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/integer_functors.h"
#include "emulator/ptx/lanes.h"

namespace emu {
namespace {

// The instance of an operation for an integer type; null for other types.
template <template <class> class F>
Execute PickUnary(ScalarType type) {
  switch (type) {
    case ScalarType::kS16:
      return Lanewise1<int16_t, F<int16_t>, int16_t>;
    case ScalarType::kU32:
      return Lanewise1<uint32_t, F<uint32_t>, uint32_t>;
    case ScalarType::kS32:
      return Lanewise1<int32_t, F<int32_t>, int32_t>;
    case ScalarType::kU64:
      return Lanewise1<uint64_t, F<uint64_t>, uint64_t>;
    case ScalarType::kS64:
      return Lanewise1<int64_t, F<int64_t>, int64_t>;
    default:
      return nullptr;
  }
}

template <template <class> class F>
Execute PickBinary(ScalarType type) {
  switch (type) {
    case ScalarType::kU16:
      return Lanewise2<uint16_t, F<uint16_t>, uint16_t, uint16_t>;
    case ScalarType::kS16:
      return Lanewise2<int16_t, F<int16_t>, int16_t, int16_t>;
    case ScalarType::kU32:
      return Lanewise2<uint32_t, F<uint32_t>, uint32_t, uint32_t>;
    case ScalarType::kS32:
      return Lanewise2<int32_t, F<int32_t>, int32_t, int32_t>;
    case ScalarType::kU64:
      return Lanewise2<uint64_t, F<uint64_t>, uint64_t, uint64_t>;
    case ScalarType::kS64:
      return Lanewise2<int64_t, F<int64_t>, int64_t, int64_t>;
    default:
      return nullptr;
  }
}

template <template <class> class F>
Execute PickTernary(ScalarType type) {
  switch (type) {
    case ScalarType::kU16:
      return Lanewise3<uint16_t, F<uint16_t>, uint16_t, uint16_t, uint16_t>;
    case ScalarType::kS16:
      return Lanewise3<int16_t, F<int16_t>, int16_t, int16_t, int16_t>;
    case ScalarType::kU32:
      return Lanewise3<uint32_t, F<uint32_t>, uint32_t, uint32_t, uint32_t>;
    case ScalarType::kS32:
      return Lanewise3<int32_t, F<int32_t>, int32_t, int32_t, int32_t>;
    case ScalarType::kU64:
      return Lanewise3<uint64_t, F<uint64_t>, uint64_t, uint64_t, uint64_t>;
    case ScalarType::kS64:
      return Lanewise3<int64_t, F<int64_t>, int64_t, int64_t, int64_t>;
    default:
      return nullptr;
  }
}

ScalarType Widened(ScalarType type) {
  switch (type) {
    case ScalarType::kU16:
      return ScalarType::kU32;
    case ScalarType::kS16:
      return ScalarType::kS32;
    case ScalarType::kU32:
      return ScalarType::kU64;
    case ScalarType::kS32:
      return ScalarType::kS64;
    default:
      return ScalarType::kNone;
  }
}

Execute PickMulWide(ScalarType type) {
  switch (type) {
    case ScalarType::kU16:
      return Lanewise2<uint32_t, MulWide<uint32_t>, uint16_t, uint16_t>;
    case ScalarType::kS16:
      return Lanewise2<int32_t, MulWide<int32_t>, int16_t, int16_t>;
    case ScalarType::kU32:
      return Lanewise2<uint64_t, MulWide<uint64_t>, uint32_t, uint32_t>;
    case ScalarType::kS32:
      return Lanewise2<int64_t, MulWide<int64_t>, int32_t, int32_t>;
    default:
      return nullptr;
  }
}

Execute PickMadWide(ScalarType type) {
  switch (type) {
    case ScalarType::kU16:
      return Lanewise3<uint32_t, MadWide<uint32_t>, uint16_t, uint16_t, uint32_t>;
    case ScalarType::kS16:
      return Lanewise3<int32_t, MadWide<int32_t>, int16_t, int16_t, int32_t>;
    case ScalarType::kU32:
      return Lanewise3<uint64_t, MadWide<uint64_t>, uint32_t, uint32_t, uint64_t>;
    case ScalarType::kS32:
      return Lanewise3<int64_t, MadWide<int64_t>, int32_t, int32_t, int64_t>;
    default:
      return nullptr;
  }
}

Op BindIntegerAddSub(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  const bool add = instruction.parts[0] == "add";
  RequireModifiers(instruction, builder, {"sat"});
  Execute execute = add ? PickBinary<IntAdd>(type) : PickBinary<IntSub>(type);
  if (instruction.Has("sat")) {
    if (type != ScalarType::kS32) builder.Fail(instruction, "unknown form");
    execute = add ? Lanewise2<int32_t, AddSat, int32_t, int32_t>
                  : Lanewise2<int32_t, SubSat, int32_t, int32_t>;
  } else if (type == ScalarType::kU16x2 || type == ScalarType::kS16x2) {
    execute = add ? Lanewise2<uint32_t, PairAdd, uint32_t, uint32_t> : nullptr;
  }
  return BindSimple(instruction, builder, execute, type, {type, type});
}

Op BindIntegerMul(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {"lo", "hi", "wide"});
  if (instruction.Has("wide")) {
    return BindSimple(instruction, builder, PickMulWide(type), Widened(type), {type, type});
  }
  const Execute execute = instruction.Has("hi")   ? PickBinary<MulHi>(type)
                          : instruction.Has("lo") ? PickBinary<MulLo>(type)
                                                  : nullptr;
  return BindSimple(instruction, builder, execute, type, {type, type});
}

Op BindIntegerMad(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {"lo", "hi", "wide"});
  if (instruction.Has("wide")) {
    const ScalarType wide = Widened(type);
    return BindSimple(instruction, builder, PickMadWide(type), wide, {type, type, wide});
  }
  const Execute execute = instruction.Has("hi")   ? PickTernary<MadHi>(type)
                          : instruction.Has("lo") ? PickTernary<MadLo>(type)
                                                  : nullptr;
  return BindSimple(instruction, builder, execute, type, {type, type, type});
}

Op BindIntegerDiv(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  const Execute execute =
      instruction.parts[0] == "div" ? PickBinary<IntDiv>(type) : PickBinary<IntRem>(type);
  return BindSimple(instruction, builder, execute, type, {type, type});
}

Op BindIntegerAbsNeg(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  if (!IsSigned(type)) builder.Fail(instruction, "unknown form");
  const Execute execute =
      instruction.parts[0] == "abs" ? PickUnary<IntAbs>(type) : PickUnary<IntNeg>(type);
  return BindSimple(instruction, builder, execute, type, {type});
}

Op BindIntegerMinMax(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  const bool min = instruction.parts[0] == "min";
  const bool relu = instruction.Has("relu");
  RequireModifiers(instruction, builder, {"relu"});
  Execute execute = min ? PickBinary<IntMin>(type) : PickBinary<IntMax>(type);
  if (type == ScalarType::kS16x2 || type == ScalarType::kU16x2) {
    const bool is_signed = type == ScalarType::kS16x2;
    execute = is_signed ? (min ? Lanewise2<uint32_t, PairMin<int16_t>, uint32_t, uint32_t>
                               : Lanewise2<uint32_t, PairMax<int16_t>, uint32_t, uint32_t>)
                        : (min ? Lanewise2<uint32_t, PairMin<uint16_t>, uint32_t, uint32_t>
                               : Lanewise2<uint32_t, PairMax<uint16_t>, uint32_t, uint32_t>);
    if (relu) execute = nullptr;
  } else if (relu) {
    execute = type != ScalarType::kS32 ? nullptr
              : min                    ? Lanewise2<int32_t, MinRelu, int32_t, int32_t>
                                       : Lanewise2<int32_t, MaxRelu, int32_t, int32_t>;
  }
  return BindSimple(instruction, builder, execute, type, {type, type});
}

Op BindSad(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  return BindSimple(instruction, builder, PickTernary<Sad>(type), type, {type, type, type});
}

Op BindMul24(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {"lo"});
  const bool is_signed = type == ScalarType::kS32;
  if (!instruction.Has("lo") || (type != ScalarType::kU32 && !is_signed)) {
    builder.Fail(instruction, "unknown form");
  }
  if (instruction.parts[0] == "mad24") {
    return BindSimple(instruction, builder,
                      is_signed ? Lanewise3<int32_t, Mad24, int32_t, int32_t, int32_t>
                                : Lanewise3<uint32_t, Mad24, uint32_t, uint32_t, uint32_t>,
                      type, {type, type, type});
  }
  return BindSimple(instruction, builder,
                    is_signed ? Lanewise2<int32_t, Mul24, int32_t, int32_t>
                              : Lanewise2<uint32_t, Mul24, uint32_t, uint32_t>,
                    type, {type, type});
}

// dp4a.atype.btype; dp2a.{lo,hi}.atype.btype
template <class A, class B>
Execute PickDot(const ParsedInstruction& instruction) {
  if (instruction.parts[0] == "dp4a") {
    return Lanewise3<uint32_t, Dot4<A, B>, uint32_t, uint32_t, uint32_t>;
  }
  return instruction.Has("hi") ? Lanewise3<uint32_t, Dot2<A, B, 2>, uint32_t, uint32_t, uint32_t>
                               : Lanewise3<uint32_t, Dot2<A, B, 0>, uint32_t, uint32_t, uint32_t>;
}

Op BindDot(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"lo", "hi"});
  const std::vector<ScalarType> types = instruction.types();
  if (types.size() != 2 || BitsOf(types[0]) != 32 || BitsOf(types[1]) != 32) {
    builder.Fail(instruction, "unknown form");
  }
  const bool a = IsSigned(types[0]), b = IsSigned(types[1]);
  const Execute execute =
      a ? (b ? PickDot<int8_t, int8_t>(instruction) : PickDot<int8_t, uint8_t>(instruction))
        : (b ? PickDot<uint8_t, int8_t>(instruction) : PickDot<uint8_t, uint8_t>(instruction));
  return BindSimple(instruction, builder, execute, ScalarType::kB32,
                    {ScalarType::kB32, ScalarType::kB32, ScalarType::kB32});
}

// The opcodes that integers share with floating types go by their last type.
template <Binder integer>
Op BindByType(const ParsedInstruction& instruction, KernelBuilder& builder) {
  switch (instruction.type()) {
    case ScalarType::kF32:
    case ScalarType::kF64:
      return BindFloatArithmetic(instruction, builder);
    case ScalarType::kF16:
    case ScalarType::kBf16:
    case ScalarType::kF16x2:
    case ScalarType::kBf16x2:
      return BindHalfArithmetic(instruction, builder);
    default:
      return integer(instruction, builder);
  }
}

}  // namespace

void RegisterIntegerOps(InstructionTable& table) {
  table.Add("add", BindByType<BindIntegerAddSub>);
  table.Add("sub", BindByType<BindIntegerAddSub>);
  table.Add("mul", BindByType<BindIntegerMul>);
  table.Add("mad", BindByType<BindIntegerMad>);
  table.Add("div", BindByType<BindIntegerDiv>);
  table.Add("abs", BindByType<BindIntegerAbsNeg>);
  table.Add("neg", BindByType<BindIntegerAbsNeg>);
  table.Add("min", BindByType<BindIntegerMinMax>);
  table.Add("max", BindByType<BindIntegerMinMax>);
  RegisterCarryOps(table);
  table.Add("sad", BindSad);
  table.Add("rem", BindIntegerDiv);
  table.Add("mul24", BindMul24);
  table.Add("mad24", BindMul24);
  table.Add("dp4a", BindDot);
  table.Add("dp2a", BindDot);
}

}  // namespace emu
