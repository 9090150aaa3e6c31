// cp.async.bulk and cp.reduce.async.bulk: consecutive bytes between global and shared memory and
// between blocks of a cluster; bulk groups.
#include <memory>
#include <string>

#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/tma_operands.h"

namespace emu {
namespace {

constexpr uint32_t kAlignment = 16;

const BulkExtra& ExtraOf(const Op& op) { return static_cast<const BulkExtra&>(*op.extra); }

Step ExecuteLoad(Warp& warp, const Op& op, LaneMask active) {
  const BulkExtra& extra = ExtraOf(op);
  ForEachActiveLane(active, [&](int lane) {
    const GlobalSide side = LinearSide(warp, extra, lane);
    PostLoad(warp,
             std::make_shared<BulkLoad>(BulkIssuer{&warp, lane, &op}, side,
                                        LoadTargets(warp, extra, side.bytes, kAlignment, lane)));
  });
  return Step::kNext;
}

// shared::cta to shared::cluster.
Step ExecutePeerCopy(Warp& warp, const Op& op, LaneMask active) {
  const BulkExtra& extra = ExtraOf(op);
  ForEachActiveLane(active, [&](int lane) {
    const uint32_t bytes = BulkSize(warp, extra, lane);
    const SharedPiece from = FindShared(warp, SharedAddress(warp, extra.source, lane), bytes,
                                        kAlignment, lane, "a bulk copy's source");
    PostLoad(warp, std::make_shared<BulkLoad>(BulkIssuer{&warp, lane, &op}, from, bytes,
                                              LoadTargets(warp, extra, bytes, kAlignment, lane),
                                              extra.reduction, extra.type));
  });
  return Step::kNext;
}

Step ExecuteStore(Warp& warp, const Op& op, LaneMask active) {
  const BulkExtra& extra = ExtraOf(op);
  ForEachActiveLane(active, [&](int lane) {
    const GlobalSide side = LinearSide(warp, extra, lane);
    const SharedPiece from = FindShared(warp, SharedAddress(warp, extra.shared, lane), side.bytes,
                                        kAlignment, lane, "a bulk copy's source");
    PostStore(warp, lane,
              std::make_shared<BulkStore>(BulkIssuer{&warp, lane, &op}, from, side, extra.reduction,
                                          extra.type));
  });
  return Step::kNext;
}

Step ExecutePrefetch(Warp& warp, const Op& op, LaneMask active) {
  ForEachActiveLane(active, [&](int lane) { LinearSide(warp, ExtraOf(op), lane); });
  return Step::kNext;
}

Step ExecuteCommit(Warp& warp, const Op&, LaneMask active) {
  ForEachActiveLane(active, [&](int lane) { warp.bulk_groups(lane).Commit(); });
  return Step::kNext;
}

Step ExecuteWait(Warp& warp, const Op& op, LaneMask active) {
  const auto keep = static_cast<uint32_t>(op.immediate);
  AsyncQueue& queue = warp.block().gang().async;
  ForEachActiveLane(active, [&](int lane) {
    warp.bulk_groups(lane).Wait(keep, queue,
                                [](AsyncOp& ended) { static_cast<BulkStore&>(ended).Waited(); });
  });
  return Step::kNext;
}

Step ExecuteWaitForReading(Warp& warp, const Op& op, LaneMask active) {
  const auto keep = static_cast<uint32_t>(op.immediate);
  ForEachActiveLane(active, [&](int lane) {
    warp.bulk_groups(lane).ForEachCommitted(keep, [](AsyncOp& operation) {
      auto& store = static_cast<BulkStore&>(operation);
      store.FinishReading();
      store.WaitedForReading();
    });
  });
  return Step::kNext;
}

// --- binding ---

// [dst], [src], size, [mbarrier], or for stores the first three; then mask and policy.
struct BulkForm {
  bool to_shared = false;
  bool from_shared = false;
  bool multicast = false;
  bool cache_hint = false;
};

void BindOperands(const ParsedInstruction& instruction, KernelBuilder& builder,
                  const BulkForm& form, BulkExtra* extra) {
  const auto& operands = instruction.operands;
  const size_t fixed = form.to_shared ? 4 : 3;
  const size_t count = fixed + (form.multicast ? 1 : 0) + (form.cache_hint ? 1 : 0);
  if (operands.size() != count) builder.Fail(instruction, "wrong number of operands");
  if (form.to_shared) {
    extra->shared = builder.Address(operands[0], MemorySpace::kShared);
    AddressSlot& from = form.from_shared ? extra->source : extra->global;
    from = builder.Address(operands[1],
                           form.from_shared ? MemorySpace::kShared : MemorySpace::kGlobal);
    extra->mbarrier = builder.Address(operands[3], MemorySpace::kShared);
  } else {
    extra->global = builder.Address(operands[0], MemorySpace::kGlobal);
    extra->shared = builder.Address(operands[1], MemorySpace::kShared);
  }
  extra->size = builder.Source32(operands[2]);
  if (form.multicast) extra->multicast = builder.Source(operands[fixed], ScalarType::kB16);
  if (form.cache_hint) builder.Source64(operands[count - 1]);
}

Execute ExecuteOf(const BulkForm& form) {
  if (!form.to_shared) return ExecuteStore;
  return form.from_shared ? ExecutePeerCopy : ExecuteLoad;
}

// Destination and source spaces, and how the end is announced, in front of what follows.
BulkForm ParseSpaces(OpcodeParts* parts) {
  BulkForm form;
  if (parts->Take("global")) {
    parts->Expect("shared::cta");
    parts->Expect("bulk_group");
    return form;
  }
  form.to_shared = true;
  const bool cluster = parts->Take("shared::cluster");
  if (!cluster) parts->Expect("shared::cta");
  form.from_shared = cluster && parts->Take("shared::cta");
  if (!form.from_shared) parts->Expect("global");
  parts->Expect("mbarrier::complete_tx::bytes");
  form.multicast = !form.from_shared && parts->Take("multicast::cluster");
  return form;
}

Op BindBulk(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 3);
  auto* extra = builder.NewExtra<BulkExtra>();
  BulkForm form = ParseSpaces(&parts);
  form.cache_hint = parts.Take("L2::cache_hint");
  parts.ExpectEnd();
  BindOperands(instruction, builder, form, extra);
  Op op;
  op.execute = ExecuteOf(form);
  op.extra = extra;
  return op;
}

TensorType ParseElementType(std::string_view name, OpcodeParts* parts) {
  if (name == "u32" || name == "b32") return TensorType::kU32;
  if (name == "s32") return TensorType::kS32;
  if (name == "u64" || name == "b64") return TensorType::kU64;
  if (name == "s64") return TensorType::kS64;
  if (name == "f16") return TensorType::kF16;
  if (name == "bf16") return TensorType::kBf16;
  if (name == "f32") return TensorType::kF32;
  if (name == "f64") return TensorType::kF64;
  parts->Unknown();
}

// ...[.L2::cache_hint].OP[.noftz].TYPE
Op BindReduce(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 4);
  auto* extra = builder.NewExtra<BulkExtra>();
  BulkForm form = ParseSpaces(&parts);
  if (form.to_shared && !form.from_shared) parts.Unknown();
  form.cache_hint = parts.Take("L2::cache_hint");
  extra->reduction = ParseBulkReduction(parts.TakeAny());
  parts.Take("noftz");
  extra->type = ParseElementType(parts.TakeAny(), &parts);
  parts.ExpectEnd();
  if (!IsBulkReduction(extra->reduction, extra->type)) parts.Unknown();
  BindOperands(instruction, builder, form, extra);
  Op op;
  op.execute = ExecuteOf(form);
  op.extra = extra;
  return op;
}

// cp.async.bulk.prefetch.L2.global[.L2::cache_hint] [address], size, policy
Op BindPrefetch(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 4);
  parts.Expect("L2");
  parts.Expect("global");
  const size_t count = parts.Take("L2::cache_hint") ? 3 : 2;
  parts.ExpectEnd();
  if (instruction.operands.size() != count) builder.Fail(instruction, "wrong number of operands");
  auto* extra = builder.NewExtra<BulkExtra>();
  extra->global = builder.Address(instruction.operands[0], MemorySpace::kGlobal);
  extra->size = builder.Source32(instruction.operands[1]);
  if (count == 3) builder.Source64(instruction.operands[2]);
  Op op;
  op.execute = ExecutePrefetch;
  op.extra = extra;
  return op;
}

Op BindCommit(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts(instruction, builder, 4).ExpectEnd();
  if (!instruction.operands.empty()) builder.Fail(instruction, "wrong number of operands");
  Op op;
  op.execute = ExecuteCommit;
  return op;
}

Op BindWait(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 4);
  const bool reading = parts.Take("read");
  parts.ExpectEnd();
  if (instruction.operands.size() != 1) builder.Fail(instruction, "wrong number of operands");
  Op op;
  op.execute = reading ? ExecuteWaitForReading : ExecuteWait;
  op.immediate = builder.Constant(instruction, instruction.operands[0]);
  return op;
}

}  // namespace

void RegisterBulkCopyOps(InstructionTable& table) {
  table.Add("cp.async.bulk", BindBulk);
  table.Add("cp.reduce.async.bulk", BindReduce);
  table.Add("cp.async.bulk.prefetch", BindPrefetch);
  table.Add("cp.async.bulk.commit_group", BindCommit);
  table.Add("cp.async.bulk.wait_group", BindWait);
}

}  // namespace emu
