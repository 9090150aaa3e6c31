// Bits: and, or, xor, not, cnot, lop3, shl, shr, shf, bfe, bfi, bfind, bmsk, brev, popc, clz, prmt,
// szext, fns; and the logic of predicates.
#include <bit>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/bit_functors.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"

namespace emu {
namespace {

enum class Logic : uint8_t { kAnd, kOr, kXor, kNot };

// Predicates: slots as for registers; detail[0], detail[1]: a, b negated; detail[2]: Logic.
Step PredicateLogic(Warp& warp, const Op& op, LaneMask active) {
  LaneMask a = warp.Predicate(op.slots[1]);
  LaneMask b = op.slots[2] == kNoSlot ? 0 : warp.Predicate(op.slots[2]);
  if (op.detail[0]) a = ~a;
  if (op.detail[1]) b = ~b;
  LaneMask result = 0;
  switch (static_cast<Logic>(op.detail[2])) {
    case Logic::kAnd:
      result = a & b;
      break;
    case Logic::kOr:
      result = a | b;
      break;
    case Logic::kXor:
      result = a ^ b;
      break;
    case Logic::kNot:
      result = ~a;
      break;
  }
  SetPredicate(warp.Predicate(op.slots[0]), active, result);
  return Step::kNext;
}

Op BindPredicateLogic(const ParsedInstruction& instruction, KernelBuilder& builder, Logic logic) {
  RequireOperandCount(instruction, builder, logic == Logic::kNot ? 2 : 3);
  Op op;
  op.execute = PredicateLogic;
  op.slots[0] = builder.Destination(instruction.operands[0], 1);
  for (size_t i = 1; i < instruction.operands.size(); ++i) {
    op.slots[i] = builder.Predicate(instruction.operands[i]);
    op.detail[i - 1] = instruction.operands[i].negated;
  }
  op.detail[2] = static_cast<uint8_t>(logic);
  return op;
}

template <template <class> class F>
Execute PickBinary(uint32_t bits) {
  switch (bits) {
    case 16:
      return Lanewise2<uint16_t, F<uint16_t>, uint16_t, uint16_t>;
    case 32:
      return Lanewise2<uint32_t, F<uint32_t>, uint32_t, uint32_t>;
    case 64:
      return Lanewise2<uint64_t, F<uint64_t>, uint64_t, uint64_t>;
    default:
      return nullptr;
  }
}

template <template <class> class F>
Execute PickUnary(uint32_t bits) {
  switch (bits) {
    case 16:
      return Lanewise1<uint16_t, F<uint16_t>, uint16_t>;
    case 32:
      return Lanewise1<uint32_t, F<uint32_t>, uint32_t>;
    case 64:
      return Lanewise1<uint64_t, F<uint64_t>, uint64_t>;
    default:
      return nullptr;
  }
}

template <template <class> class F, Logic logic>
Op BindLogic(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  if (type == ScalarType::kPred) return BindPredicateLogic(instruction, builder, logic);
  return BindSimple(instruction, builder, PickBinary<F>(BitsOf(type)), type, {type, type});
}

Op BindNot(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  if (type == ScalarType::kPred) return BindPredicateLogic(instruction, builder, Logic::kNot);
  const Execute execute = instruction.parts[0] == "not" ? PickUnary<BitNot>(BitsOf(type))
                                                        : PickUnary<CNot>(BitsOf(type));
  return BindSimple(instruction, builder, execute, type, {type});
}

Op BindShift(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  Execute execute = nullptr;
  const bool left = instruction.parts[0] == "shl", arithmetic = IsSigned(type);
  switch (BitsOf(type)) {
    case 16:
      execute = left         ? Lanewise2<uint16_t, ShiftLeft, uint16_t, uint32_t>
                : arithmetic ? Lanewise2<int16_t, ShiftRight, int16_t, uint32_t>
                             : Lanewise2<uint16_t, ShiftRight, uint16_t, uint32_t>;
      break;
    case 32:
      execute = left         ? Lanewise2<uint32_t, ShiftLeft, uint32_t, uint32_t>
                : arithmetic ? Lanewise2<int32_t, ShiftRight, int32_t, uint32_t>
                             : Lanewise2<uint32_t, ShiftRight, uint32_t, uint32_t>;
      break;
    case 64:
      execute = left         ? Lanewise2<uint64_t, ShiftLeft, uint64_t, uint32_t>
                : arithmetic ? Lanewise2<int64_t, ShiftRight, int64_t, uint32_t>
                             : Lanewise2<uint64_t, ShiftRight, uint64_t, uint32_t>;
      break;
    default:
      break;
  }
  return BindSimple(instruction, builder, execute, type, {type, ScalarType::kU32});
}

// shf.{l,r}.{clamp,wrap}.b32 d, a, b, c: the 64 bits b:a shifted by c.
template <bool left, bool wrap>
Step FunnelShift(Warp& warp, const Op& op, LaneMask active) {
  return Map3<uint32_t, uint32_t, uint32_t, uint32_t>(
      warp, op, active, [](uint32_t low, uint32_t high, uint32_t amount) {
        const uint32_t n = wrap ? amount & 31 : std::min(amount, 32u);
        const uint64_t both = uint64_t{high} << 32 | low;
        return left ? static_cast<uint32_t>((both << n) >> 32) : static_cast<uint32_t>(both >> n);
      });
}

Op BindFunnelShift(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"l", "r", "clamp", "wrap"});
  const bool left = instruction.Has("l"), wrap = instruction.Has("wrap");
  const ScalarType b32 = ScalarType::kB32;
  const Execute execute = left ? (wrap ? FunnelShift<true, true> : FunnelShift<true, false>)
                               : (wrap ? FunnelShift<false, true> : FunnelShift<false, false>);
  return BindSimple(instruction, builder, execute, b32, {b32, b32, b32});
}

// lop3.b32 d, a, b, c, table: bit (a << 2 | b << 1 | c) of the table.
Step LookUp3(Warp& warp, const Op& op, LaneMask active) {
  const auto table = static_cast<uint32_t>(op.immediate);
  auto term = [table](int i) { return (table >> i & 1) ? ~uint32_t{0} : 0; };
  const uint32_t t[8] = {term(0), term(1), term(2), term(3), term(4), term(5), term(6), term(7)};
  return Map3<uint32_t, uint32_t, uint32_t, uint32_t>(
      warp, op, active, [t](uint32_t a, uint32_t b, uint32_t c) {
        return (t[0] & ~a & ~b & ~c) | (t[1] & ~a & ~b & c) | (t[2] & ~a & b & ~c) |
               (t[3] & ~a & b & c) | (t[4] & a & ~b & ~c) | (t[5] & a & ~b & c) |
               (t[6] & a & b & ~c) | (t[7] & a & b & c);
      });
}

Op BindLookUp3(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {});
  RequireOperandCount(instruction, builder, 5);
  Op op;
  op.execute = LookUp3;
  op.slots[0] = builder.Destination(instruction.operands[0], 32);
  for (int i = 1; i < 4; ++i) op.slots[i] = builder.Source32(instruction.operands[i]);
  op.immediate = builder.Constant(instruction, instruction.operands[4]) & 0xff;
  return op;
}

Op BindExtract(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  Execute execute = nullptr;
  switch (type) {
    case ScalarType::kU32:
      execute = Lanewise3<uint32_t, Extract, uint32_t, uint32_t, uint32_t>;
      break;
    case ScalarType::kS32:
      execute = Lanewise3<int32_t, Extract, int32_t, uint32_t, uint32_t>;
      break;
    case ScalarType::kU64:
      execute = Lanewise3<uint64_t, Extract, uint64_t, uint32_t, uint32_t>;
      break;
    case ScalarType::kS64:
      execute = Lanewise3<int64_t, Extract, int64_t, uint32_t, uint32_t>;
      break;
    default:
      break;
  }
  return BindSimple(instruction, builder, execute, type,
                    {type, ScalarType::kU32, ScalarType::kU32});
}

// bfi d, a, b, position, length: a's low bits into b.
template <class T>
Step InsertBits(Warp& warp, const Op& op, LaneMask active) {
  const T* a = warp.Lanes<T>(op.slots[1]);
  const T* b = warp.Lanes<T>(op.slots[2]);
  const uint32_t* position = warp.Lanes<uint32_t>(op.slots[3]);
  const uint32_t* length = warp.Lanes<uint32_t>(op.slots[4]);
  ForLanes<T>(warp.Lanes<T>(op.slots[0]), active, [=](int lane) {
    return Insert<T>(a[lane], b[lane], position[lane] & 0xff, length[lane] & 0xff);
  });
  return Step::kNext;
}

Op BindInsert(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  const Execute execute = BitsOf(type) == 32   ? InsertBits<uint32_t>
                          : BitsOf(type) == 64 ? InsertBits<uint64_t>
                                               : nullptr;
  return BindSimple(instruction, builder, execute, type,
                    {type, type, ScalarType::kU32, ScalarType::kU32});
}

template <template <class> class F>
Op BindCount(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  const Execute execute = BitsOf(type) == 32   ? Lanewise1<uint32_t, F<uint32_t>, uint32_t>
                          : BitsOf(type) == 64 ? Lanewise1<uint32_t, F<uint64_t>, uint64_t>
                                               : nullptr;
  return BindSimple(instruction, builder, execute, ScalarType::kU32, {type});
}

template <bool shift_amount>
Op BindFindLeading(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {"shiftamt"});
  Execute execute = nullptr;
  switch (type) {
    case ScalarType::kU32:
      execute = Lanewise1<uint32_t, FindLeading<shift_amount>, uint32_t>;
      break;
    case ScalarType::kS32:
      execute = Lanewise1<uint32_t, FindLeading<shift_amount>, int32_t>;
      break;
    case ScalarType::kU64:
      execute = Lanewise1<uint32_t, FindLeading<shift_amount>, uint64_t>;
      break;
    case ScalarType::kS64:
      execute = Lanewise1<uint32_t, FindLeading<shift_amount>, int64_t>;
      break;
    default:
      break;
  }
  return BindSimple(instruction, builder, execute, ScalarType::kU32, {type});
}

Op BindReverse(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const ScalarType type = instruction.type();
  RequireModifiers(instruction, builder, {});
  return BindSimple(instruction, builder, PickUnary<Reverse>(BitsOf(type)), type, {type});
}

Op BindPermute(const ParsedInstruction& instruction, KernelBuilder& builder) {
  using Run = Execute;
  RequireModifiers(instruction, builder, {"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
  const Run execute =
      instruction.Has("f4e")    ? Lanewise3<uint32_t, PermuteF4e, uint32_t, uint32_t, uint32_t>
      : instruction.Has("b4e")  ? Lanewise3<uint32_t, PermuteB4e, uint32_t, uint32_t, uint32_t>
      : instruction.Has("rc8")  ? Lanewise3<uint32_t, PermuteRc8, uint32_t, uint32_t, uint32_t>
      : instruction.Has("rc16") ? Lanewise3<uint32_t, PermuteRc16, uint32_t, uint32_t, uint32_t>
      : instruction.Has("ecl")  ? Lanewise3<uint32_t, PermuteEcl, uint32_t, uint32_t, uint32_t>
      : instruction.Has("ecr")  ? Lanewise3<uint32_t, PermuteEcr, uint32_t, uint32_t, uint32_t>
                                : Lanewise3<uint32_t, Permute, uint32_t, uint32_t, uint32_t>;
  const ScalarType b32 = ScalarType::kB32;
  return BindSimple(instruction, builder, execute, b32, {b32, b32, b32});
}

Op BindMask(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"clamp", "wrap"});
  const ScalarType b32 = ScalarType::kB32;
  return BindSimple(instruction, builder,
                    instruction.Has("wrap") ? Lanewise2<uint32_t, MakeMaskWrap, uint32_t, uint32_t>
                                            : Lanewise2<uint32_t, MakeMask, uint32_t, uint32_t>,
                    b32, {b32, b32});
}

Op BindExtend(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"clamp", "wrap"});
  const ScalarType type = instruction.type();
  const bool wrap = instruction.Has("wrap");
  const Execute execute = type == ScalarType::kS32
                              ? (wrap ? Lanewise2<int32_t, SizeExtend<true>, int32_t, uint32_t>
                                      : Lanewise2<int32_t, SizeExtend<false>, int32_t, uint32_t>)
                          : type == ScalarType::kU32
                              ? (wrap ? Lanewise2<uint32_t, SizeExtend<true>, uint32_t, uint32_t>
                                      : Lanewise2<uint32_t, SizeExtend<false>, uint32_t, uint32_t>)
                              : nullptr;
  return BindSimple(instruction, builder, execute, type, {type, ScalarType::kU32});
}

Op BindFindNth(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {});
  return BindSimple(instruction, builder, Lanewise3<uint32_t, FindNth, uint32_t, uint32_t, int32_t>,
                    ScalarType::kB32, {ScalarType::kB32, ScalarType::kB32, ScalarType::kS32});
}

}  // namespace

void RegisterBitOps(InstructionTable& table) {
  table.Add("and", BindLogic<BitAnd, Logic::kAnd>);
  table.Add("or", BindLogic<BitOr, Logic::kOr>);
  table.Add("xor", BindLogic<BitXor, Logic::kXor>);
  table.Add("not", BindNot);
  table.Add("cnot", BindNot);
  table.Add("lop3", BindLookUp3);
  table.Add("shl", BindShift);
  table.Add("shr", BindShift);
  table.Add("shf", BindFunnelShift);
  table.Add("bfe", BindExtract);
  table.Add("bfi", BindInsert);
  table.Add("bfind", BindFindLeading<false>);
  table.Add("bfind.shiftamt", BindFindLeading<true>);
  table.Add("brev", BindReverse);
  table.Add("popc", BindCount<PopCount>);
  table.Add("clz", BindCount<LeadingZeros>);
  table.Add("prmt", BindPermute);
  table.Add("bmsk", BindMask);
  table.Add("szext", BindExtend);
  table.Add("fns", BindFindNth);
}

}  // namespace emu
