// bar and barrier in all forms, fences, and what gives time away (nanosleep) or changes nothing
// here (setmaxnreg, griddepcontrol).
#include <bit>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/block.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"

namespace emu {
namespace {

// bar: slots[0] id, slots[1] thread count or none, slots[2] predicate, slots[3] result.
enum BarrierDetail { kAligned, kWaits, kReduction, kNegated };

Step Barrier(Warp& warp, const Op& op, LaneMask active) {
  if (op.detail[kAligned] && !warp.AllPresent(active)) return Step::kRetry;
  BarrierArrival arrival;
  arrival.id = static_cast<int>(warp.Uniform32(op.slots[0], active, "the barrier"));
  if (op.slots[1] != kNoSlot) {
    arrival.count = warp.Uniform32(op.slots[1], active, "the barrier's thread count");
  }
  arrival.waits = op.detail[kWaits];
  arrival.reduction = static_cast<BarrierReduction>(op.detail[kReduction]);
  if (op.slots[2] != kNoSlot) {
    const LaneMask predicate = warp.Predicate(op.slots[2]);
    arrival.predicate = op.detail[kNegated] ? ~predicate : predicate;
    arrival.result = op.slots[3];
  }
  warp.block().barriers().Arrive(warp.block(), warp, active, arrival);
  return arrival.waits ? Step::kReselect : Step::kNext;
}

BarrierReduction ReductionOf(const ParsedInstruction& instruction, const KernelBuilder& builder) {
  if (instruction.Has("popc")) return BarrierReduction::kPopc;
  if (instruction.Has("and")) return BarrierReduction::kAnd;
  if (instruction.Has("or")) return BarrierReduction::kOr;
  builder.Fail(instruction, "unknown form");
}

// bar{.cta}.sync a{, b}; .arrive a, b; .red.op d, a{, b}, {!}p; barrier the same, .aligned or not.
Op BindBarrier(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder,
                   {"cta", "sync", "arrive", "red", "aligned", "popc", "and", "or"});
  Op op;
  op.execute = Barrier;
  op.detail[kAligned] = instruction.parts[0] == "bar" || instruction.Has("aligned");
  op.detail[kWaits] = !instruction.Has("arrive");
  const std::vector<Operand>& operands = instruction.operands;
  if (instruction.Has("red")) {
    RequireOperandCount(instruction, builder, 3, 4);
    const BarrierReduction reduction = ReductionOf(instruction, builder);
    op.detail[kReduction] = static_cast<uint8_t>(reduction);
    op.slots[3] = builder.Destination(operands[0], reduction == BarrierReduction::kPopc ? 32 : 1);
    op.slots[0] = builder.Source32(operands[1]);
    if (operands.size() == 4) op.slots[1] = builder.Source32(operands[2]);
    op.slots[2] = builder.Predicate(operands.back());
    op.detail[kNegated] = operands.back().negated;
    return op;
  }
  if (!instruction.Has("sync") && !instruction.Has("arrive")) {
    builder.Fail(instruction, "unknown form");
  }
  RequireOperandCount(instruction, builder, instruction.Has("arrive") ? 2 : 1, 2);
  op.slots[0] = builder.Source32(operands[0]);
  if (operands.size() == 2) op.slots[1] = builder.Source32(operands[1]);
  return op;
}

Step WarpSync(Warp& warp, const Op& op, LaneMask active) {
  return warp.RunMembers(op.slots[0], active, [&](LaneMask members) {
    if (Observer* observer = warp.block().observer()) observer->OnWarpSync(warp, members);
  });
}

Op BindWarpSync(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"warp", "sync"});
  RequireOperandCount(instruction, builder, 1);
  Op op;
  op.execute = WarpSync;
  op.slots[0] = builder.Source32(instruction.operands[0]);
  return op;
}

// --- clusters: detail[0] aligned, detail[1] order ---

Step ClusterArrive(Warp& warp, const Op& op, LaneMask active) {
  if (op.detail[0] && !warp.AllPresent(active)) return Step::kRetry;
  Cluster& cluster = *warp.block().cluster();
  if (Observer* observer = warp.block().observer()) {
    observer->OnClusterArrive(warp, active, static_cast<Order>(op.detail[1]));
  }
  cluster.barrier.Arrive(cluster, warp, active);
  return Step::kNext;
}

Step ClusterWait(Warp& warp, const Op& op, LaneMask active) {
  if (op.detail[0] && !warp.AllPresent(active)) return Step::kRetry;
  if (((warp.cluster_arrived() | warp.cluster_passed()) & active) != active) {
    throw Fault(FaultKind::kIllegalOperation, "barrier.cluster.wait without an arrive");
  }
  if (!warp.block().cluster()->barrier.Done(warp, active)) return Step::kRetry;
  warp.ClusterWaited(active);
  if (Observer* observer = warp.block().observer()) {
    observer->OnClusterWait(warp, active, static_cast<Order>(op.detail[1]));
  }
  return Step::kNext;
}

Op BindClusterBarrier(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder,
                   {"cluster", "arrive", "wait", "relaxed", "release", "acquire", "aligned"});
  RequireOperandCount(instruction, builder, 0);
  Op op;
  const bool arrive = instruction.Has("arrive");
  op.execute = arrive ? ClusterArrive : ClusterWait;
  op.detail[0] = instruction.Has("aligned");
  const Order order = instruction.Has("relaxed") ? Order::kRelaxed
                      : arrive                   ? Order::kRelease
                                                 : Order::kAcquire;
  op.detail[1] = static_cast<uint8_t>(order);
  return op;
}

// --- fences: detail[0] kind, detail[1] order, detail[2] scope ---

Step Fence(Warp& warp, const Op& op, LaneMask active) {
  if (Observer* observer = warp.block().observer()) {
    observer->OnFence(warp, active, static_cast<FenceKind>(op.detail[0]),
                      static_cast<Order>(op.detail[1]), static_cast<Scope>(op.detail[2]));
  }
  return Step::kNext;
}

Op MakeFence(FenceKind kind, Order order, Scope scope) {
  Op op;
  op.execute = Fence;
  op.detail[0] = static_cast<uint8_t>(kind);
  op.detail[1] = static_cast<uint8_t>(order);
  op.detail[2] = static_cast<uint8_t>(scope);
  return op;
}

Scope ScopeOf(const ParsedInstruction& instruction) {
  if (instruction.Has("cta")) return Scope::kCta;
  if (instruction.Has("cluster")) return Scope::kCluster;
  if (instruction.Has("gpu") || instruction.Has("gl")) return Scope::kGpu;
  return Scope::kSys;
}

Op BindFence(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(
      instruction, builder,
      {"sc", "acq_rel", "acquire", "release", "cta", "cluster", "gpu", "sys", "mbarrier_init"});
  RequireOperandCount(instruction, builder, 0);
  const Order order = instruction.Has("sc")        ? Order::kSeqCst
                      : instruction.Has("acquire") ? Order::kAcquire
                      : instruction.Has("release") ? Order::kRelease
                                                   : Order::kAcqRel;
  const bool init = instruction.Has("mbarrier_init");
  return MakeFence(init ? FenceKind::kMbarrierInit : FenceKind::kThread, order,
                   ScopeOf(instruction));
}

Op BindMembar(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"cta", "gl", "sys"});
  return MakeFence(FenceKind::kThread, Order::kSeqCst, ScopeOf(instruction));
}

// fence.proxy.async{.global, .shared::cta, .shared::cluster}, .alias, .tensormap::generic...
Op BindProxyFence(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder,
                   {"proxy", "async", "alias", "tensormap::generic", "async::generic", "global",
                    "shared::cta", "shared::cluster", "acquire", "release", "cta", "cluster", "gpu",
                    "sys", "sync_restrict::shared::cta", "sync_restrict::shared::cluster"});
  const Order order = instruction.Has("acquire")   ? Order::kAcquire
                      : instruction.Has("release") ? Order::kRelease
                                                   : Order::kAcqRel;
  const bool async = instruction.Has("async") || instruction.Has("async::generic");
  return MakeFence(async ? FenceKind::kProxyAsync : FenceKind::kProxyOther, order,
                   ScopeOf(instruction));
}

// --- time ---

Step Sleep(Warp& warp, const Op&, LaneMask) {
  warp.Polled(PollKind::kGlobal);
  return Step::kYield;
}

Step Nothing(Warp&, const Op&, LaneMask) { return Step::kNext; }

Op BindSleep(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {});
  RequireOperandCount(instruction, builder, 1);
  builder.Source32(instruction.operands[0]);
  Op op;
  op.execute = Sleep;
  return op;
}

Op DoNothing() {
  Op op;
  op.execute = Nothing;
  return op;
}

// setmaxnreg.inc|dec.sync.aligned.u32 n: registers are not counted here.
Op BindSetRegisters(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"inc", "dec", "sync", "aligned"});
  RequireOperandCount(instruction, builder, 1);
  const int64_t count = builder.Constant(instruction, instruction.operands[0]);
  if (instruction.Has("inc") == instruction.Has("dec") || count < 24 || count > 256 ||
      count % 8 != 0) {
    builder.Fail(instruction, "unknown form");
  }
  return DoNothing();
}

// griddepcontrol.wait|launch_dependents: kernels of a stream run one after another.
Op BindGridDependency(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"wait", "launch_dependents"});
  RequireOperandCount(instruction, builder, 0);
  return DoNothing();
}

// pmevent a, pmevent.mask a: nobody counts.
Op BindEvent(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"mask"});
  RequireOperandCount(instruction, builder, 1);
  builder.Constant(instruction, instruction.operands[0]);
  return DoNothing();
}

}  // namespace

void RegisterBarrierOps(InstructionTable& table) {
  table.Add("bar", BindBarrier);
  table.Add("barrier", BindBarrier);
  table.Add("bar.warp", BindWarpSync);
  table.Add("barrier.cluster", BindClusterBarrier);
  table.Add("fence", BindFence);
  table.Add("fence.proxy", BindProxyFence);
  table.Add("membar", BindMembar);
  table.Add("membar.proxy", BindProxyFence);
  table.Add("nanosleep", BindSleep);
  table.Add("setmaxnreg", BindSetRegisters);
  table.Add("griddepcontrol", BindGridDependency);
  table.Add("pmevent", BindEvent);
}

}  // namespace emu
