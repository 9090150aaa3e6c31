// The mbarrier instructions. What the object does: mbarrier.h.
#include <bit>
#include <string>

#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/mbarrier.h"
#include "emulator/ptx/mbarrier_report.h"
#include "emulator/ptx/tensor_address.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

// Op: slots[0] the result (state or predicate), slots[1] the address with `immediate` as its
// offset, slots[2] count, bytes, state or parity.
enum Slot { kResult, kAddress, kValue };
enum Detail { kWide, kVariant, kRelaxed };
enum ArriveVariant : uint8_t { kPlain, kDrop, kExpect, kDropExpect, kNoComplete, kDropNoComplete };
enum WaitVariant : uint8_t { kByState, kByParity };

bool Drops(uint8_t variant) {
  return variant == kDrop || variant == kDropExpect || variant == kDropNoComplete;
}
bool Expects(uint8_t variant) { return variant == kExpect || variant == kDropExpect; }

SharedPiece Locate(const Warp& warp, const Op& op, int lane) {
  const AddressSlot operand{op.slots[kAddress], op.detail[kWide] != 0, op.immediate};
  return FindShared(warp, SharedAddress(warp, operand, lane), Mbarrier::kBytes, Mbarrier::kBytes,
                    lane, "an mbarrier");
}

uint32_t Value(const Warp& warp, const Op& op, int lane, uint32_t absent) {
  return op.slots[kValue] == kNoSlot ? absent : warp.Lanes<uint32_t>(op.slots[kValue])[lane];
}

// Calls action(lane, piece) for each active lane; a Fault from it gets the lane.
template <class Action>
void ForEachLane(Warp& warp, const Op& op, LaneMask active, Action action) {
  for (LaneMask left = active; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    const SharedPiece piece = Locate(warp, op, lane);
    try {
      action(lane, piece);
    } catch (const Fault& fault) {
      if (fault.lane() >= 0) throw;
      throw Fault(
          fault.kind(), lane,
          fault.message() + " (the object at shared offset " + std::to_string(piece.offset) + ")");
    }
  }
}

void AfterPhase(Warp& warp, const SharedPiece& piece, bool ended) {
  warp.Progress();
  Observer* observer = warp.block().observer();
  if (ended && observer != nullptr) observer->OnMbarrierPhase(piece.At(Mbarrier::kBytes));
}

Step ExecuteInit(Warp& warp, const Op& op, LaneMask active) {
  Observer* observer = warp.block().observer();
  ForEachLane(warp, op, active, [&](int lane, const SharedPiece& piece) {
    const uint32_t count = Value(warp, op, lane, 0);
    if (observer != nullptr) {
      observer->OnMbarrierInit(warp, lane, piece.At(Mbarrier::kBytes), count);
    }
    Mbarrier(piece.pointer).Init(count);
  });
  return Step::kNext;
}

Step ExecuteInvalidate(Warp& warp, const Op& op, LaneMask active) {
  Observer* observer = warp.block().observer();
  ForEachLane(warp, op, active, [&](int lane, const SharedPiece& piece) {
    if (observer != nullptr) {
      observer->OnMbarrierInvalidate(warp, lane, piece.At(Mbarrier::kBytes));
    }
    Mbarrier(piece.pointer).Invalidate();
  });
  return Step::kNext;
}

Step ExecuteArrive(Warp& warp, const Op& op, LaneMask active) {
  Observer* observer = warp.block().observer();
  const uint8_t variant = op.detail[kVariant];
  ForEachLane(warp, op, active, [&](int lane, const SharedPiece& piece) {
    Mbarrier object(piece.pointer);
    if (!object.valid()) object.pending();  // throws, before anyone is told of an arrival
    if (observer != nullptr && op.detail[kRelaxed] == 0) {
      observer->OnMbarrierArrive(warp, lane, piece.At(Mbarrier::kBytes));
    }
    const uint32_t count = Expects(variant) ? 1 : Value(warp, op, lane, 1);
    if (variant == kNoComplete || variant == kDropNoComplete) object.CheckNoComplete(count);
    if (Expects(variant)) object.ExpectTransactions(Value(warp, op, lane, 0));
    uint64_t state = 0;
    const bool ended = object.Arrive(count, Drops(variant), &state);
    if (op.slots[kResult] != kNoSlot) {
      if (piece.owner != &warp.block()) {
        throw Fault(FaultKind::kIllegalOperation, lane,
                    "mbarrier: an arrival in another block of the cluster gives no state");
      }
      warp.Lanes<uint64_t>(op.slots[kResult])[lane] = state;
    }
    AfterPhase(warp, piece, ended);
  });
  return Step::kNext;
}

Step ExecuteExpect(Warp& warp, const Op& op, LaneMask active) {
  ForEachLane(warp, op, active, [&](int lane, const SharedPiece& piece) {
    const bool ended = Mbarrier(piece.pointer).ExpectTransactions(Value(warp, op, lane, 0));
    AfterPhase(warp, piece, ended);
  });
  return Step::kNext;
}

Step ExecuteComplete(Warp& warp, const Op& op, LaneMask active) {
  ForEachLane(warp, op, active, [&](int lane, const SharedPiece& piece) {
    const bool ended = Mbarrier(piece.pointer).CompleteTransactions(Value(warp, op, lane, 0));
    AfterPhase(warp, piece, ended);
  });
  return Step::kNext;
}

// test_wait and try_wait: the latter may suspend the thread for a while, which yielding is.
Step ExecuteWait(Warp& warp, const Op& op, LaneMask active) {
  LaneMask ended = 0;
  ForEachLane(warp, op, active, [&](int lane, const SharedPiece& piece) {
    if (piece.owner != &warp.block()) {
      throw Fault(FaultKind::kIllegalOperation, lane,
                  "mbarrier: a wait on an object of another block of the cluster");
    }
    const Mbarrier object(piece.pointer);
    const bool done = op.detail[kVariant] == kByParity
                          ? object.PhaseEnded(Value(warp, op, lane, 0))
                          : object.StateEnded(warp.Lanes<uint64_t>(op.slots[kValue])[lane]);
    if (done) ended |= LaneMask{1} << lane;
  });
  LaneMask& result = warp.Predicate(op.slots[kResult]);
  result = (result & ~active) | ended;
  Observer* observer = warp.block().observer();
  if (observer != nullptr && op.detail[kRelaxed] == 0) {
    ForEachLane(warp, op, ended, [&](int lane, const SharedPiece& piece) {
      observer->OnMbarrierWaitDone(warp, lane, piece.At(Mbarrier::kBytes));
    });
  }
  if (ended == active) {
    warp.PollSucceeded();
    return Step::kNext;
  }
  return warp.Polled(PollKind::kGang);
}

Step ExecutePendingCount(Warp& warp, const Op& op, LaneMask active) {
  uint32_t* result = warp.Lanes<uint32_t>(op.slots[kResult]);
  const uint64_t* state = warp.Lanes<uint64_t>(op.slots[kValue]);
  for (LaneMask left = active; left != 0; left &= left - 1) {
    const int lane = std::countr_zero(left);
    result[lane] = Mbarrier::PendingCount(state[lane]);
  }
  return Step::kNext;
}

// --- binding ---

// Checks everything behind the name: order, scope, state space and .b64, once each.
void CheckSuffixes(const ParsedInstruction& instruction, KernelBuilder& builder, size_t first,
                   Op* op) {
  const auto& parts = instruction.parts;
  if (parts.back() != "b64") builder.Fail(instruction, "an mbarrier instruction ends in .b64");
  for (size_t i = first; i + 1 < parts.size(); ++i) {
    const std::string_view part = parts[i];
    if (part == "relaxed") {
      op->detail[kRelaxed] = 1;
    } else if (part != "release" && part != "acquire" && part != "cta" && part != "cluster" &&
               part != "shared" && part != "shared::cta" && part != "shared::cluster") {
      builder.Fail(instruction, "unknown modifier ." + std::string(part));
    }
  }
}

void BindAddress(const Operand& operand, KernelBuilder& builder, Op* op) {
  const AddressSlot address = builder.Address(operand, MemorySpace::kShared);
  op->slots[kAddress] = address.slot;
  op->immediate = address.offset;
  op->detail[kWide] = address.wide ? 1 : 0;
}

void RequireOperands(const ParsedInstruction& instruction, KernelBuilder& builder, size_t least,
                     size_t most) {
  const size_t count = instruction.operands.size();
  if (count < least || count > most) builder.Fail(instruction, "wrong number of operands");
}

template <Execute kExecute, bool kHasValue>
Op BindOnObject(const ParsedInstruction& instruction, KernelBuilder& builder) {
  Op op;
  RequireOperands(instruction, builder, kHasValue ? 2 : 1, kHasValue ? 2 : 1);
  CheckSuffixes(instruction, builder, 2, &op);
  BindAddress(instruction.operands[0], builder, &op);
  if (kHasValue) op.slots[kValue] = builder.Source32(instruction.operands[1]);
  op.execute = kExecute;
  return op;
}

Op BindArrive(const ParsedInstruction& instruction, KernelBuilder& builder) {
  Op op;
  const auto& parts = instruction.parts;
  const bool drop = parts[1] == "arrive_drop";
  size_t first = 2;
  uint8_t variant = drop ? kDrop : kPlain;
  if (parts.size() > 2 && parts[2] == "expect_tx") {
    variant = drop ? kDropExpect : kExpect;
    first = 3;
  } else if (parts.size() > 2 && parts[2] == "noComplete") {
    variant = drop ? kDropNoComplete : kNoComplete;
    first = 3;
  }
  op.detail[kVariant] = variant;
  CheckSuffixes(instruction, builder, first, &op);
  RequireOperands(instruction, builder, 1, 3);
  // The remote form has no result; PTX lets it be left out altogether.
  const bool no_result = instruction.operands[0].kind == Operand::Kind::kMemory;
  const size_t at = no_result ? 0 : 1;
  RequireOperands(instruction, builder, at + (first == 3 ? 2 : 1), at + 2);
  if (!no_result) op.slots[kResult] = builder.OptionalDestination(instruction.operands[0], 64);
  BindAddress(instruction.operands[at], builder, &op);
  if (instruction.operands.size() == at + 2) {
    op.slots[kValue] = builder.Source32(instruction.operands[at + 1]);
  }
  op.execute = ExecuteArrive;
  return op;
}

// {test_wait,try_wait}[.parity]... p, [addr], state or parity [, suspend time]
Op BindWait(const ParsedInstruction& instruction, KernelBuilder& builder) {
  Op op;
  const auto& parts = instruction.parts;
  const bool by_parity = parts.size() > 2 && parts[2] == "parity";
  op.detail[kVariant] = by_parity ? kByParity : kByState;
  CheckSuffixes(instruction, builder, by_parity ? 3 : 2, &op);
  RequireOperands(instruction, builder, 3, parts[1] == "try_wait" ? 4 : 3);
  op.slots[kResult] = builder.Destination(instruction.operands[0], 1);
  BindAddress(instruction.operands[1], builder, &op);
  op.slots[kValue] = by_parity ? builder.Source32(instruction.operands[2])
                               : builder.Source64(instruction.operands[2]);
  op.execute = ExecuteWait;
  return op;
}

Op BindPendingCount(const ParsedInstruction& instruction, KernelBuilder& builder) {
  Op op;
  RequireOperands(instruction, builder, 2, 2);
  CheckSuffixes(instruction, builder, 2, &op);
  op.slots[kResult] = builder.Destination(instruction.operands[0], 32);
  op.slots[kValue] = builder.Source64(instruction.operands[1]);
  op.execute = ExecutePendingCount;
  return op;
}

}  // namespace

std::string DescribeMbarrierWait(const Warp& warp, const Op& op) {
  if (op.execute != ExecuteWait || warp.live() == 0) return {};
  SharedPiece piece;
  try {
    piece = Locate(warp, op, std::countr_zero(warp.live()));
  } catch (const Fault&) {
    return {};  // the address register has changed since
  }
  const Mbarrier object(piece.pointer);
  if (!object.valid()) return " (the mbarrier is not initialised)";
  return " (the mbarrier at shared offset " + std::to_string(piece.offset) + ", phase " +
         std::to_string(object.parity()) + ": " + std::to_string(object.pending()) +
         " arrivals and " + std::to_string(object.transactions()) + " bytes are missing)";
}

void RegisterMbarrierOps(InstructionTable& table) {
  table.Add("mbarrier.init", BindOnObject<ExecuteInit, true>);
  table.Add("mbarrier.inval", BindOnObject<ExecuteInvalidate, false>);
  table.Add("mbarrier.expect_tx", BindOnObject<ExecuteExpect, true>);
  table.Add("mbarrier.complete_tx", BindOnObject<ExecuteComplete, true>);
  table.Add("mbarrier.arrive", BindArrive);
  table.Add("mbarrier.arrive_drop", BindArrive);
  table.Add("mbarrier.test_wait", BindWait);
  table.Add("mbarrier.try_wait", BindWait);
  table.Add("mbarrier.pending_count", BindPendingCount);
}

}  // namespace emu
