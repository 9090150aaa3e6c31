// setp, set, selp, slct.
#include <algorithm>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/float_functors.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/small_float.h"

namespace emu {
namespace {

enum class Compare : uint8_t {
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kEqu,
  kNeu,
  kLtu,
  kLeu,
  kGtu,
  kGeu,
  kNum,
  kNan,
};

struct CompareName {
  std::string_view name;
  Compare compare;
};
constexpr CompareName kCompares[] = {
    {"eq", Compare::kEq},   {"ne", Compare::kNe},   {"lt", Compare::kLt},   {"le", Compare::kLe},
    {"gt", Compare::kGt},   {"ge", Compare::kGe},   {"lo", Compare::kLt},   {"ls", Compare::kLe},
    {"hi", Compare::kGt},   {"hs", Compare::kGe},   {"equ", Compare::kEqu}, {"neu", Compare::kNeu},
    {"ltu", Compare::kLtu}, {"leu", Compare::kLeu}, {"gtu", Compare::kGtu}, {"geu", Compare::kGeu},
    {"num", Compare::kNum}, {"nan", Compare::kNan},
};

// Ordered comparisons are false with NaN, the ..u ones true.
template <class T>
bool Holds(Compare compare, T a, T b) {
  switch (compare) {
    case Compare::kEq:
      return a == b;
    case Compare::kNe:
      return a < b || a > b;
    case Compare::kLt:
      return a < b;
    case Compare::kLe:
      return a <= b;
    case Compare::kGt:
      return a > b;
    case Compare::kGe:
      return a >= b;
    case Compare::kEqu:
      return !(a < b || a > b);
    case Compare::kNeu:
      return a != b;
    case Compare::kLtu:
      return !(a >= b);
    case Compare::kLeu:
      return !(a > b);
    case Compare::kGtu:
      return !(a <= b);
    case Compare::kGeu:
      return !(a < b);
    case Compare::kNum:
      return a == a && b == b;
    case Compare::kNan:
      return a != a || b != b;
  }
  return false;
}

// Op::detail of set and setp. The third operand, slots[3], is a predicate.
enum Detail { kCombine, kThirdNegated, kFlush };
enum class Combine : uint8_t { kNone, kAnd, kOr, kXor };

LaneMask Combined(Warp& warp, const Op& op, LaneMask holds) {
  const auto combine = static_cast<Combine>(op.detail[kCombine]);
  if (combine == Combine::kNone) return holds;
  LaneMask third = warp.Predicate(op.slots[3]);
  if (op.detail[kThirdNegated]) third = ~third;
  return combine == Combine::kAnd  ? holds & third
         : combine == Combine::kOr ? holds | third
                                   : holds ^ third;
}

// The lanes for which the comparison holds.
template <class T, Compare compare>
LaneMask CompareLanes(Warp& warp, const Op& op) {
  const CellOf<T>* a = warp.Lanes<CellOf<T>>(op.slots[1]);
  const CellOf<T>* b = warp.Lanes<CellOf<T>>(op.slots[2]);
  if constexpr (std::is_floating_point_v<T>) {
    if (op.detail[kFlush]) {
      return MaskOf([=](int lane) { return Holds<T>(compare, Flush(a[lane]), Flush(b[lane])); });
    }
  }
  uint32_t holds[kWarpSize];
#pragma GCC ivdep
  for (int lane = 0; lane < kWarpSize; ++lane) {
    holds[lane] = Holds<T>(compare, LaneCell<T>::Read(a[lane]), LaneCell<T>::Read(b[lane])) ? 1 : 0;
  }
  LaneMask result = 0;
  for (int lane = 0; lane < kWarpSize; ++lane) result |= holds[lane] << lane;
  return result;
}

template <class T, Compare compare>
Step SetPredicates(Warp& warp, const Op& op, LaneMask active) {
  const LaneMask holds = CompareLanes<T, compare>(warp, op);
  const LaneMask first = Combined(warp, op, holds);
  const LaneMask second = op.slots[4] == kNoSlot ? 0 : Combined(warp, op, ~holds);
  if (op.slots[0] != kNoSlot) SetPredicate(warp.Predicate(op.slots[0]), active, first);
  if (op.slots[4] != kNoSlot) SetPredicate(warp.Predicate(op.slots[4]), active, second);
  return Step::kNext;
}

// set: all ones, or 1.0 for an f32 result (immediate holds the value).
template <class T, Compare compare>
Step SetValue(Warp& warp, const Op& op, LaneMask active) {
  const LaneMask holds = Combined(warp, op, CompareLanes<T, compare>(warp, op));
  const auto value = static_cast<uint32_t>(op.immediate);
  ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active,
                     [=](int lane) { return (holds >> lane & 1) ? value : 0; });
  return Step::kNext;
}

template <class T, bool to_predicate, Compare compare>
Execute Instance() {
  return to_predicate ? SetPredicates<T, compare> : SetValue<T, compare>;
}

template <class T, bool to_predicate>
Execute PickCompare(Compare compare) {
  switch (compare) {
    case Compare::kEq:
      return Instance<T, to_predicate, Compare::kEq>();
    case Compare::kNe:
      return Instance<T, to_predicate, Compare::kNe>();
    case Compare::kLt:
      return Instance<T, to_predicate, Compare::kLt>();
    case Compare::kLe:
      return Instance<T, to_predicate, Compare::kLe>();
    case Compare::kGt:
      return Instance<T, to_predicate, Compare::kGt>();
    case Compare::kGe:
      return Instance<T, to_predicate, Compare::kGe>();
    default:
      break;
  }
  if constexpr (std::is_floating_point_v<T>) {
    switch (compare) {
      case Compare::kEqu:
        return Instance<T, to_predicate, Compare::kEqu>();
      case Compare::kNeu:
        return Instance<T, to_predicate, Compare::kNeu>();
      case Compare::kLtu:
        return Instance<T, to_predicate, Compare::kLtu>();
      case Compare::kLeu:
        return Instance<T, to_predicate, Compare::kLeu>();
      case Compare::kGtu:
        return Instance<T, to_predicate, Compare::kGtu>();
      case Compare::kGeu:
        return Instance<T, to_predicate, Compare::kGeu>();
      case Compare::kNum:
        return Instance<T, to_predicate, Compare::kNum>();
      case Compare::kNan:
        return Instance<T, to_predicate, Compare::kNan>();
      default:
        break;
    }
  }
  return nullptr;
}

template <bool to_predicate>
Execute PickType(ScalarType type, Compare compare) {
  switch (type) {
    case ScalarType::kB16:
    case ScalarType::kU16:
      return PickCompare<uint16_t, to_predicate>(compare);
    case ScalarType::kS16:
      return PickCompare<int16_t, to_predicate>(compare);
    case ScalarType::kB32:
    case ScalarType::kU32:
      return PickCompare<uint32_t, to_predicate>(compare);
    case ScalarType::kS32:
      return PickCompare<int32_t, to_predicate>(compare);
    case ScalarType::kB64:
    case ScalarType::kU64:
      return PickCompare<uint64_t, to_predicate>(compare);
    case ScalarType::kS64:
      return PickCompare<int64_t, to_predicate>(compare);
    case ScalarType::kF32:
      return PickCompare<float, to_predicate>(compare);
    case ScalarType::kF64:
      return PickCompare<double, to_predicate>(compare);
    default:
      return nullptr;
  }
}

// Halves and pairs, rarely compared: which comparison is looked up at run time (detail[3]), the
// pair's upper result goes to slots[4].
template <class H, bool pair, bool to_predicate>
Step CompareHalves(Warp& warp, const Op& op, LaneMask active) {
  const uint32_t* a = warp.Lanes<uint32_t>(op.slots[1]);
  const uint32_t* b = warp.Lanes<uint32_t>(op.slots[2]);
  const auto compare = static_cast<Compare>(op.detail[3]);
  auto lanes = [&](int shift) {
    return MaskOf([=](int lane) {
      return Holds<float>(compare, H::ToFloat(static_cast<uint16_t>(a[lane] >> shift)),
                          H::ToFloat(static_cast<uint16_t>(b[lane] >> shift)));
    });
  };
  const LaneMask low = lanes(0);
  const LaneMask other = pair ? lanes(16) : ~low;
  const LaneMask first = Combined(warp, op, low), second = Combined(warp, op, other);
  if constexpr (to_predicate) {
    if (op.slots[0] != kNoSlot) SetPredicate(warp.Predicate(op.slots[0]), active, first);
    if (op.slots[4] != kNoSlot) SetPredicate(warp.Predicate(op.slots[4]), active, second);
  } else {
    const auto value = static_cast<uint32_t>(op.immediate);
    ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active, [=](int lane) {
      return ((first >> lane & 1) ? value & 0xffff : 0) |
             (pair && (second >> lane & 1) ? value & 0xffff'0000 : 0);
    });
  }
  return Step::kNext;
}

template <bool to_predicate>
Execute PickHalf(ScalarType type) {
  switch (type) {
    case ScalarType::kF16:
      return CompareHalves<F16, false, to_predicate>;
    case ScalarType::kBf16:
      return CompareHalves<Bf16, false, to_predicate>;
    case ScalarType::kF16x2:
      return CompareHalves<F16, true, to_predicate>;
    case ScalarType::kBf16x2:
      return CompareHalves<Bf16, true, to_predicate>;
    default:
      return nullptr;
  }
}

// Comparison, combination, operands from the second on. `type` is that of what is compared.
template <bool to_predicate>
Op BindCompare(const ParsedInstruction& instruction, KernelBuilder& builder, ScalarType type) {
  RequireOperandCount(instruction, builder, 3, 4);
  const auto* name = std::find_if(std::begin(kCompares), std::end(kCompares), [&](const auto& row) {
    return instruction.parts.size() > 1 && row.name == instruction.parts[1];
  });
  if (name == std::end(kCompares)) builder.Fail(instruction, "unknown comparison");
  RequireModifiers(instruction, builder, {name->name, "and", "or", "xor", "ftz"});
  Op op;
  Compare compare = name->compare;
  op.execute = PickType<to_predicate>(type, compare);
  if (op.execute == nullptr) op.execute = PickHalf<to_predicate>(type);
  if (op.execute == nullptr) builder.Fail(instruction, "unknown form");
  op.detail[3] = static_cast<uint8_t>(compare);
  op.detail[kFlush] = instruction.Has("ftz");
  op.slots[1] = builder.Source(instruction.operands[1], type);
  op.slots[2] = builder.Source(instruction.operands[2], type);
  const Combine combine = instruction.Has("and")   ? Combine::kAnd
                          : instruction.Has("or")  ? Combine::kOr
                          : instruction.Has("xor") ? Combine::kXor
                                                   : Combine::kNone;
  if ((combine != Combine::kNone) != (instruction.operands.size() == 4)) {
    builder.Fail(instruction, "number of operands");
  }
  op.detail[kCombine] = static_cast<uint8_t>(combine);
  if (combine != Combine::kNone) {
    op.slots[3] = builder.Predicate(instruction.operands[3]);
    op.detail[kThirdNegated] = instruction.operands[3].negated;
  }
  return op;
}

Op BindSetp(const ParsedInstruction& instruction, KernelBuilder& builder) {
  Op op = BindCompare<true>(instruction, builder, instruction.type());
  op.slots[0] = builder.OptionalDestination(instruction.operands[0], 1);
  if (const std::string_view second = instruction.operands[0].second; !second.empty()) {
    op.slots[4] = builder.Destination({.kind = Operand::Kind::kName, .name = second}, 1);
  }
  return op;
}

// set.CmpOp.dtype.stype
Op BindSet(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const std::vector<ScalarType> types = instruction.types();
  if (types.size() != 2) builder.Fail(instruction, "unknown form");
  Op op = BindCompare<false>(instruction, builder, types[1]);
  switch (types[0]) {
    case ScalarType::kF32:
      op.immediate = 0x3f80'0000;
      break;
    case ScalarType::kF16:
      op.immediate = 0x3c00;
      break;
    case ScalarType::kBf16:
      op.immediate = 0x3f80;
      break;
    case ScalarType::kF16x2:
      op.immediate = 0x3c00'3c00;
      break;
    case ScalarType::kBf16x2:
      op.immediate = 0x3f80'3f80;
      break;
    case ScalarType::kU16:
    case ScalarType::kS16:
      op.immediate = 0xffff;
      break;
    case ScalarType::kU32:
    case ScalarType::kS32:
      op.immediate = 0xffff'ffff;
      break;
    default:
      builder.Fail(instruction, "unknown form");
  }
  op.slots[0] = builder.Destination(instruction.operands[0], BitsOf(types[0]));
  return op;
}

template <class T>
Step SelectLanes(Warp& warp, const Op& op, LaneMask active) {
  LaneMask choice = warp.Predicate(op.slots[3]);
  if (op.detail[0]) choice = ~choice;
  const T* a = warp.Lanes<T>(op.slots[1]);
  const T* b = warp.Lanes<T>(op.slots[2]);
  ForLanes<T>(warp.Lanes<T>(op.slots[0]), active,
              [=](int lane) { return (choice >> lane & 1) ? a[lane] : b[lane]; });
  return Step::kNext;
}

Op BindSelp(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  RequireOperandCount(instruction, builder, 4);
  Op op;
  op.execute = BitsOf(type) == 64 ? SelectLanes<uint64_t> : SelectLanes<uint32_t>;
  if (BitsOf(type) < 16 || BitsOf(type) > 64) builder.Fail(instruction, "unknown form");
  op.slots[0] = builder.Destination(instruction.operands[0], BitsOf(type));
  op.slots[1] = builder.Source(instruction.operands[1], type);
  op.slots[2] = builder.Source(instruction.operands[2], type);
  op.slots[3] = builder.Predicate(instruction.operands[3]);
  op.detail[0] = instruction.operands[3].negated;
  return op;
}

// slct d, a, b, c: c >= 0 ? a : b.
template <class T, class C>
Step SelectBySign(Warp& warp, const Op& op, LaneMask active) {
  const T* a = warp.Lanes<T>(op.slots[1]);
  const T* b = warp.Lanes<T>(op.slots[2]);
  const C* c = warp.Lanes<C>(op.slots[3]);
  ForLanes<T>(warp.Lanes<T>(op.slots[0]), active,
              [=](int lane) { return c[lane] >= 0 ? a[lane] : b[lane]; });
  return Step::kNext;
}

Op BindSlct(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const std::vector<ScalarType> types = instruction.types();
  RequireModifiers(instruction, builder, {"ftz"});
  if (types.size() != 2 || (types[1] != ScalarType::kS32 && types[1] != ScalarType::kF32) ||
      BitsOf(types[0]) < 16) {
    builder.Fail(instruction, "unknown form");
  }
  const bool wide = BitsOf(types[0]) == 64, by_float = types[1] == ScalarType::kF32;
  const Execute execute =
      wide ? (by_float ? SelectBySign<uint64_t, float> : SelectBySign<uint64_t, int32_t>)
           : (by_float ? SelectBySign<uint32_t, float> : SelectBySign<uint32_t, int32_t>);
  return BindSimple(instruction, builder, execute, types[0], {types[0], types[0], types[1]});
}

}  // namespace

void RegisterCompareOps(InstructionTable& table) {
  table.Add("setp", BindSetp);
  table.Add("set", BindSet);
  table.Add("selp", BindSelp);
  table.Add("slct", BindSlct);
}

}  // namespace emu
