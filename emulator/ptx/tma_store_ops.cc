// st.async and red.async: registers into the shared memory of a cluster, with an mbarrier that
// counts the bytes.
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/tma_operands.h"

namespace emu {
namespace {

struct StoreExtra : OpExtra {
  AddressSlot to;
  AddressSlot mbarrier;
  std::vector<int32_t> values;
  uint32_t element_bytes = 4;
  BulkReduction reduction = BulkReduction::kNone;
  TensorType type = TensorType::kU32;
};

Step ExecuteStore(Warp& warp, const Op& op, LaneMask active) {
  const auto& extra = static_cast<const StoreExtra&>(*op.extra);
  const auto bytes = static_cast<uint32_t>(extra.values.size()) * extra.element_bytes;
  ForEachActiveLane(active, [&](int lane) {
    std::vector<std::byte> values(bytes);
    for (size_t i = 0; i < extra.values.size(); ++i) {
      const uint64_t value = extra.element_bytes == 8 ? warp.Lanes<uint64_t>(extra.values[i])[lane]
                                                      : warp.Lanes<uint32_t>(extra.values[i])[lane];
      std::memcpy(values.data() + i * extra.element_bytes, &value, extra.element_bytes);
    }
    BulkLoad::Target target;
    target.to = FindShared(warp, SharedAddress(warp, extra.to, lane), bytes, bytes, lane,
                           "an asynchronous store");
    target.mbarrier = FindShared(warp, SharedAddress(warp, extra.mbarrier, lane), Mbarrier::kBytes,
                                 Mbarrier::kBytes, lane, "an asynchronous store's mbarrier");
    if (target.to.owner != target.mbarrier.owner) {
      throw Fault(FaultKind::kIllegalOperation, lane,
                  "an asynchronous store's target and mbarrier are in different blocks");
    }
    PostLoad(warp, std::make_shared<BulkLoad>(BulkIssuer{&warp, lane, &op}, std::move(values),
                                              target, extra.reduction, extra.type));
  });
  return Step::kNext;
}

TensorType TypeOf(ScalarType type, OpcodeParts* parts) {
  switch (type) {
    case ScalarType::kB32:
    case ScalarType::kU32:
      return TensorType::kU32;
    case ScalarType::kS32:
      return TensorType::kS32;
    case ScalarType::kB64:
    case ScalarType::kU64:
      return TensorType::kU64;
    case ScalarType::kS64:
      return TensorType::kS64;
    case ScalarType::kF32:
      return TensorType::kF32;
    case ScalarType::kF64:
      return TensorType::kF64;
    default:
      parts->Unknown();
  }
}

// [address], value or {values}, [mbarrier]
Op BindOperands(const ParsedInstruction& instruction, KernelBuilder& builder, size_t count,
                StoreExtra* extra) {
  const auto& operands = instruction.operands;
  if (operands.size() != 3) builder.Fail(instruction, "wrong number of operands");
  extra->to = builder.Address(operands[0], MemorySpace::kShared);
  extra->mbarrier = builder.Address(operands[2], MemorySpace::kShared);
  const bool vector = operands[1].kind == Operand::Kind::kVector;
  if (vector ? operands[1].elements.size() != count : count != 1) {
    builder.Fail(instruction, "expected " + std::to_string(count) + " values");
  }
  const ScalarType type = instruction.type();
  extra->element_bytes = BitsOf(type) / 8;
  for (size_t i = 0; i < count; ++i) {
    extra->values.push_back(builder.Source(vector ? operands[1].elements[i] : operands[1], type));
  }
  Op op;
  op.execute = ExecuteStore;
  op.extra = extra;
  return op;
}

// st.async[.weak].shared::cluster.mbarrier::complete_tx::bytes[.v2,.v4].TYPE
Op BindStore(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 2);
  auto* extra = builder.NewExtra<StoreExtra>();
  parts.Take("weak");
  parts.Expect("shared::cluster");
  parts.Expect("mbarrier::complete_tx::bytes");
  const size_t count = parts.Take("v2") ? 2 : parts.Take("v4") ? 4 : 1;
  extra->type = TypeOf(ParseScalarType(parts.TakeAny()), &parts);
  parts.ExpectEnd();
  return BindOperands(instruction, builder, count, extra);
}

// red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.OP.TYPE
Op BindReduce(const ParsedInstruction& instruction, KernelBuilder& builder) {
  OpcodeParts parts(instruction, builder, 2);
  auto* extra = builder.NewExtra<StoreExtra>();
  parts.Expect("relaxed");
  parts.Expect("cluster");
  parts.Take("shared::cluster");
  parts.Expect("mbarrier::complete_tx::bytes");
  extra->reduction = ParseBulkReduction(parts.TakeAny());
  extra->type = TypeOf(ParseScalarType(parts.TakeAny()), &parts);
  parts.ExpectEnd();
  if (!IsBulkReduction(extra->reduction, extra->type) || IsFloatTensorType(extra->type)) {
    parts.Unknown();
  }
  return BindOperands(instruction, builder, 1, extra);
}

}  // namespace

void RegisterClusterStoreOps(InstructionTable& table) {
  table.Add("st.async", BindStore);
  table.Add("red.async", BindReduce);
}

}  // namespace emu
