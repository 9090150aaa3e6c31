// Arithmetic with the carry flag, of which each lane has one: add.cc, addc, sub.cc, subc, mad.cc,
// madc. The flag of a subtraction is the borrow.
#include "emulator/ptx/arithmetic_binders.h"
#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/integer_functors.h"
#include "emulator/ptx/lanes.h"

namespace emu {
namespace {

enum Detail { kSetsCarry, kTakesCarry };

// d = left + right + carry (or left - right - borrow) for each active lane.
template <class T, bool subtract, class Right, class Left>
Step WithCarry(Warp& warp, const Op& op, LaneMask active, Left left, Right right) {
  const LaneMask in = op.detail[kTakesCarry] ? warp.carry() : 0;
  T results[kWarpSize];
  LaneMask out = 0;
  EachLane(active, [&](int lane) {
    const T a = left(lane), b = right(lane);
    const T flag = in >> lane & 1;
    T partial, whole;
    bool carry;
    if constexpr (subtract) {
      carry = __builtin_sub_overflow(a, b, &partial);
      carry |= __builtin_sub_overflow(partial, flag, &whole);
    } else {
      carry = __builtin_add_overflow(a, b, &partial);
      carry |= __builtin_add_overflow(partial, flag, &whole);
    }
    results[lane] = whole;
    out |= static_cast<LaneMask>(carry) << lane;
  });
  T* destination = warp.Lanes<T>(op.slots[0]);
  EachLane(active, [&](int lane) { destination[lane] = results[lane]; });
  if (op.detail[kSetsCarry]) warp.set_carry((warp.carry() & ~active) | out);
  return Step::kNext;
}

template <class T, bool subtract>
Step AddSub(Warp& warp, const Op& op, LaneMask active) {
  const T* a = warp.Lanes<T>(op.slots[1]);
  const T* b = warp.Lanes<T>(op.slots[2]);
  return WithCarry<T, subtract>(
      warp, op, active, [=](int lane) { return a[lane]; }, [=](int lane) { return b[lane]; });
}

// S: signed or unsigned product; T: unsigned.
template <class T, class S, bool high>
Step Mad(Warp& warp, const Op& op, LaneMask active) {
  const S* a = warp.Lanes<S>(op.slots[1]);
  const S* b = warp.Lanes<S>(op.slots[2]);
  const T* c = warp.Lanes<T>(op.slots[3]);
  return WithCarry<T, false>(
      warp, op, active,
      [=](int lane) {
        return static_cast<T>(high ? MulHi<S>::Run(a[lane], b[lane])
                                   : MulLo<S>::Run(a[lane], b[lane]));
      },
      [=](int lane) { return c[lane]; });
}

Op Finish(const ParsedInstruction& instruction, Op op, std::string_view with_carry) {
  op.detail[kSetsCarry] = instruction.Has("cc");
  op.detail[kTakesCarry] = instruction.parts[0] == with_carry;
  return op;
}

template <bool subtract>
Op BindAddSub(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"cc"});
  const ScalarType type = instruction.type();
  const uint32_t bits = BitsOf(type);
  const Execute execute = IsFloat(type) ? nullptr
                          : bits == 32  ? AddSub<uint32_t, subtract>
                          : bits == 64  ? AddSub<uint64_t, subtract>
                                        : nullptr;
  return Finish(instruction, BindSimple(instruction, builder, execute, type, {type, type}),
                subtract ? "subc" : "addc");
}

Op BindMad(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"cc", "lo", "hi"});
  const ScalarType type = instruction.type();
  const bool high = instruction.Has("hi");
  Execute execute = nullptr;
  switch (type) {
    case ScalarType::kU32:
      execute = high ? Mad<uint32_t, uint32_t, true> : Mad<uint32_t, uint32_t, false>;
      break;
    case ScalarType::kS32:
      execute = high ? Mad<uint32_t, int32_t, true> : Mad<uint32_t, int32_t, false>;
      break;
    case ScalarType::kU64:
      execute = high ? Mad<uint64_t, uint64_t, true> : Mad<uint64_t, uint64_t, false>;
      break;
    case ScalarType::kS64:
      execute = high ? Mad<uint64_t, int64_t, true> : Mad<uint64_t, int64_t, false>;
      break;
    default:
      break;
  }
  return Finish(instruction, BindSimple(instruction, builder, execute, type, {type, type, type}),
                "madc");
}

}  // namespace

void RegisterCarryOps(InstructionTable& table) {
  table.Add("add.cc", BindAddSub<false>);
  table.Add("addc", BindAddSub<false>);
  table.Add("sub.cc", BindAddSub<true>);
  table.Add("subc", BindAddSub<true>);
  table.Add("mad.lo.cc", BindMad);
  table.Add("mad.hi.cc", BindMad);
  table.Add("madc", BindMad);
}

}  // namespace emu
