// cp.async.bulk.tensor and cp.reduce.async.bulk.tensor: boxes of tensors.
#include <memory>
#include <string>

#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/tma_operands.h"

namespace emu {
namespace {

constexpr uint32_t kBoxAlignment = 128;  // of the box in shared memory

const BulkExtra& ExtraOf(const Op& op) { return static_cast<const BulkExtra&>(*op.extra); }

Step ExecuteLoad(Warp& warp, const Op& op, LaneMask active) {
  const BulkExtra& extra = ExtraOf(op);
  ForEachActiveLane(active, [&](int lane) {
    const GlobalSide side = TensorSide(warp, extra, lane);
    PostLoad(warp,
             std::make_shared<BulkLoad>(BulkIssuer{&warp, lane, &op}, side,
                                        LoadTargets(warp, extra, side.bytes, kBoxAlignment, lane)));
  });
  return Step::kNext;
}

Step ExecuteStore(Warp& warp, const Op& op, LaneMask active) {
  const BulkExtra& extra = ExtraOf(op);
  ForEachActiveLane(active, [&](int lane) {
    const GlobalSide side = TensorSide(warp, extra, lane);
    if (extra.reduction != BulkReduction::kNone &&
        !IsBulkReduction(extra.reduction, side.map.type)) {
      throw Fault(FaultKind::kIllegalOperation, lane,
                  "this reduction does not exist for the tensor map's data type");
    }
    const SharedPiece from = FindShared(warp, SharedAddress(warp, extra.shared, lane), side.bytes,
                                        kBoxAlignment, lane, "a bulk copy's source");
    PostStore(warp, lane,
              std::make_shared<BulkStore>(BulkIssuer{&warp, lane, &op}, from, side, extra.reduction,
                                          side.map.type));
  });
  return Step::kNext;
}

// A prefetch has no effect that a program can see, but its map and coordinates must be good.
Step ExecutePrefetch(Warp& warp, const Op& op, LaneMask active) {
  ForEachActiveLane(active, [&](int lane) { TensorSide(warp, ExtraOf(op), lane); });
  return Step::kNext;
}

uint32_t ParseRank(OpcodeParts* parts) {
  const std::string_view dims = parts->TakeAny();
  if (dims.size() != 2 || dims[1] != 'd' || dims[0] < '1' || dims[0] > '5') parts->Unknown();
  return static_cast<uint32_t>(dims[0] - '0');
}

// Operands behind the `fixed` ones: a multicast mask and a cache policy, which changes nothing
// here.
void BindTrailing(const ParsedInstruction& instruction, KernelBuilder& builder, size_t fixed,
                  bool multicast, bool cache_hint, BulkExtra* extra) {
  const auto& operands = instruction.operands;
  const size_t count = fixed + (multicast ? 1 : 0) + (cache_hint ? 1 : 0);
  if (operands.size() != count) builder.Fail(instruction, "wrong number of operands");
  if (multicast) extra->multicast = builder.Source(operands[fixed], ScalarType::kB16);
  if (cache_hint) builder.Source64(operands[count - 1]);
}

// .Nd.shared::{cluster,cta}.global[.tile].mbarrier::complete_tx::bytes[.multicast::cluster]
//     [.L2::cache_hint] [dst], [map, {..}], [mbarrier], mask, policy
Op BindLoad(const ParsedInstruction& instruction, KernelBuilder& builder, OpcodeParts parts,
            BulkExtra* extra) {
  parts.Expect("global");
  parts.Take("tile");
  parts.Expect("mbarrier::complete_tx::bytes");
  const bool multicast = parts.Take("multicast::cluster");
  const bool cache_hint = parts.Take("L2::cache_hint");
  parts.ExpectEnd();
  BindTrailing(instruction, builder, 3, multicast, cache_hint, extra);
  extra->shared = builder.Address(instruction.operands[0], MemorySpace::kShared);
  BindTensor(instruction, builder, instruction.operands[1], extra);
  extra->mbarrier = builder.Address(instruction.operands[2], MemorySpace::kShared);
  Op op;
  op.execute = ExecuteLoad;
  op.extra = extra;
  return op;
}

// .Nd.global.shared::cta[.OP][.tile].bulk_group[.L2::cache_hint] [map, {..}], [src], policy
Op BindStore(const ParsedInstruction& instruction, KernelBuilder& builder, OpcodeParts parts,
             bool reduces, BulkExtra* extra) {
  parts.Expect("shared::cta");
  if (reduces) {
    extra->reduction = ParseBulkReduction(parts.TakeAny());
    if (extra->reduction == BulkReduction::kNone) parts.Unknown();
  }
  parts.Take("tile");
  parts.Expect("bulk_group");
  const bool cache_hint = parts.Take("L2::cache_hint");
  parts.ExpectEnd();
  BindTrailing(instruction, builder, 2, false, cache_hint, extra);
  BindTensor(instruction, builder, instruction.operands[0], extra);
  extra->shared = builder.Address(instruction.operands[1], MemorySpace::kShared);
  Op op;
  op.execute = ExecuteStore;
  op.extra = extra;
  return op;
}

Op BindTensorCopy(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 4);
  auto* extra = builder.NewExtra<BulkExtra>();
  extra->rank = ParseRank(&parts);
  if (parts.Take("global")) return BindStore(instruction, builder, parts, false, extra);
  if (!parts.Take("shared::cluster")) parts.Expect("shared::cta");
  return BindLoad(instruction, builder, parts, extra);
}

Op BindTensorReduce(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 5);
  auto* extra = builder.NewExtra<BulkExtra>();
  extra->rank = ParseRank(&parts);
  parts.Expect("global");
  return BindStore(instruction, builder, parts, true, extra);
}

// cp.async.bulk.prefetch.tensor.Nd.L2.global[.tile][.L2::cache_hint] [map, {..}], policy
Op BindTensorPrefetch(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 5);
  auto* extra = builder.NewExtra<BulkExtra>();
  extra->rank = ParseRank(&parts);
  parts.Expect("L2");
  parts.Expect("global");
  parts.Take("tile");
  const bool cache_hint = parts.Take("L2::cache_hint");
  parts.ExpectEnd();
  BindTrailing(instruction, builder, 1, false, cache_hint, extra);
  BindTensor(instruction, builder, instruction.operands[0], extra);
  Op op;
  op.execute = ExecutePrefetch;
  op.extra = extra;
  return op;
}

}  // namespace

void RegisterTensorCopyOps(InstructionTable& table) {
  table.Add("cp.async.bulk.tensor", BindTensorCopy);
  table.Add("cp.reduce.async.bulk.tensor", BindTensorReduce);
  table.Add("cp.async.bulk.prefetch.tensor", BindTensorPrefetch);
}

}  // namespace emu
