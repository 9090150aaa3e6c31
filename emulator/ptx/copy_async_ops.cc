// cp.async and its groups. (Bulk copies: tma_bulk_ops.cc.)
#include <algorithm>
#include <bit>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/block.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"

namespace emu {
namespace {

// slots: 0 shared address, 1 global address, 2 source bytes, 3 predicate that says to ignore the
// source; immediate: bytes; detail[0], [1]: addresses wide; detail[2]: predicate negated; extra:
// the offsets.
struct CopyOffsets : OpExtra {
  int64_t to = 0, from = 0;
};

void Observe(Warp& warp, WarpCopy& copy, const Op& op) {
  Observer* const observer = warp.block().observer();
  if (observer == nullptr) return;
  const auto& offsets = *static_cast<const CopyOffsets*>(op.extra);
  copy.ids.resize(kWarpSize);
  EachLane(copy.lanes, [&](int lane) {
    const WarpCopy::Copy& c = copy.copies[lane];
    const AsyncId id = observer->OnAsyncIssue(warp, LaneMask{1} << lane, AsyncKind::kCpAsync);
    copy.ids[lane] = id;
    if (c.copied != 0) {
      observer->OnAsyncAccess(id, AccessKind::kLoad, Proxy::kGeneric,
                              {.space = MemorySpace::kGlobal,
                               .address = reinterpret_cast<uint64_t>(c.from),
                               .bytes = c.copied});
    }
    const auto address = static_cast<uint32_t>(warp.Address(op.slots[0], op.detail[0], lane) +
                                               static_cast<uint64_t>(offsets.to));
    observer->OnAsyncAccess(id, AccessKind::kStore, Proxy::kGeneric,
                            warp.SharedLocation(address, c.bytes, lane));
  });
}

Step CopyAsync(Warp& warp, const Op& op, LaneMask active) {
  const auto& offsets = *static_cast<const CopyOffsets*>(op.extra);
  const auto bytes = static_cast<uint32_t>(op.immediate);
  LaneMask ignored = 0;
  if (op.slots[3] != kNoSlot) {
    ignored = warp.Predicate(op.slots[3]);
    if (op.detail[2]) ignored = ~ignored;
  }
  auto copy = std::make_shared<WarpCopy>();
  copy->lanes = active;
  EachLane(active, [&](int lane) {
    const auto to = static_cast<uint32_t>(warp.Address(op.slots[0], op.detail[0], lane) +
                                          static_cast<uint64_t>(offsets.to));
    const uint64_t from =
        warp.Address(op.slots[1], op.detail[1], lane) + static_cast<uint64_t>(offsets.from);
    if ((to & (bytes - 1)) != 0 || (from & (bytes - 1)) != 0) {
      throw Fault(FaultKind::kMisaligned, lane, "cp.async");
    }
    WarpCopy::Copy& c = copy->copies[lane];
    c.bytes = bytes;
    c.copied = bytes;
    if (op.slots[2] != kNoSlot) c.copied = warp.Lanes<uint32_t>(op.slots[2])[lane];
    if (c.copied > bytes) {
      throw Fault(FaultKind::kIllegalOperation, lane, "cp.async with a source size above its own");
    }
    if (ignored >> lane & 1) c.copied = 0;
    c.to = warp.SharedPointer(to, bytes, lane);
    if (c.copied != 0) c.from = warp.GenericPointer(from, c.copied, lane);
  });
  Observe(warp, *copy, op);
  warp.copy_groups().Add(copy);
  warp.block().gang().async.Post(std::move(copy));
  return Step::kNext;
}

Op BindCopy(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder,
                   {"async", "ca", "cg", "shared", "shared::cta", "global", "L2::cache_hint",
                    "L2::64B", "L2::128B", "L2::256B"});
  const size_t hint = instruction.Has("L2::cache_hint") ? 1 : 0;
  RequireOperandCount(instruction, builder, 3 + hint, 4 + hint);
  const AddressSlot to = builder.Address(instruction.operands[0], MemorySpace::kShared);
  const AddressSlot from = builder.Address(instruction.operands[1], MemorySpace::kGlobal);
  Op op;
  op.execute = CopyAsync;
  op.slots[0] = to.slot;
  op.slots[1] = from.slot;
  op.detail[0] = to.wide;
  op.detail[1] = from.wide;
  auto* offsets = builder.NewExtra<CopyOffsets>();
  *offsets = {};
  offsets->to = to.offset;
  offsets->from = from.offset;
  op.extra = offsets;
  op.immediate = builder.Constant(instruction, instruction.operands[2]);
  if (op.immediate != 4 && op.immediate != 8 && op.immediate != 16) {
    builder.Fail(instruction, "cp.async copies 4, 8 or 16 bytes");
  }
  if (instruction.operands.size() == 4 + hint) {
    const Operand& limit = instruction.operands[3];
    if (builder.RegisterBits(limit) == 1) {
      op.slots[3] = builder.Predicate(limit);
      op.detail[2] = limit.negated;
    } else {
      op.slots[2] = builder.Source32(limit);
    }
  }
  return op;
}

Step Commit(Warp& warp, const Op&, LaneMask active) {
  warp.copy_groups().Commit(active);
  return Step::kNext;
}

Step Wait(Warp& warp, const Op& op, LaneMask active) {
  warp.copy_groups().Wait(warp, active, static_cast<uint32_t>(op.immediate), op.detail[0]);
  return Step::kNext;
}

Op BindCommit(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireOperandCount(instruction, builder, 0);
  Op op;
  op.execute = Commit;
  return op;
}

Op BindWait(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const bool all = instruction.Has("wait_all");
  RequireOperandCount(instruction, builder, all ? 0 : 1);
  Op op;
  op.execute = Wait;
  op.detail[0] = all;
  if (!all) op.immediate = builder.Constant(instruction, instruction.operands[0]);
  return op;
}

}  // namespace

void RegisterCopyAsyncOps(InstructionTable& table) {
  table.Add("cp.async", BindCopy);
  table.Add("cp.async.commit_group", BindCommit);
  table.Add("cp.async.wait_group", BindWait);
  table.Add("cp.async.wait_all", BindWait);
}

}  // namespace emu
