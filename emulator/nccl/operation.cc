#include "emulator/nccl/operation.h"

#include <array>

#include "emulator/nccl/element_type.h"

namespace emu {
namespace {

const char* KindName(uint32_t kind) {
  constexpr std::array kNames = {"AllReduce", "Reduce", "Broadcast", "AllGather", "ReduceScatter",
                                 "AlltoAll",  "Gather", "Scatter",   "Send",      "Recv"};
  return kind < kNames.size() ? kNames[kind] : "unknown";
}

std::string Start(uint32_t kind, uint64_t count, uint32_t type) {
  return std::string(KindName(kind)) + "(count=" + std::to_string(count) +
         ", type=" + ElementName(static_cast<ncclDataType_t>(type));
}

}  // namespace

bool IsPointToPoint(OperationKind kind) { return kind >= OperationKind::kSend; }

bool Reduces(OperationKind kind) {
  return kind == OperationKind::kAllReduce || kind == OperationKind::kReduce ||
         kind == OperationKind::kReduceScatter;
}

bool HasRoot(OperationKind kind) {
  return kind == OperationKind::kReduce || kind == OperationKind::kBroadcast ||
         kind == OperationKind::kGather || kind == OperationKind::kScatter;
}

Signature SignatureOf(const Operation& operation) {
  return {
      .kind = static_cast<uint32_t>(operation.kind),
      .type = static_cast<uint32_t>(operation.type),
      .reduction =
          Reduces(operation.kind) ? static_cast<uint32_t>(operation.reduction.kind) + 1 : 0,
      .root = HasRoot(operation.kind) ? operation.peer : -1,
      .count = operation.count,
  };
}

std::string Describe(const Signature& signature) {
  std::string text = Start(signature.kind, signature.count, signature.type);
  if (signature.reduction != 0) {
    text += ", op=";
    text += ReductionName(static_cast<Reduction::Kind>(signature.reduction - 1));
  }
  if (signature.root >= 0) text += ", root=" + std::to_string(signature.root);
  return text + ")";
}

std::string Describe(const MessageTag& tag) {
  const std::string text = Start(tag.kind, tag.count, tag.type) + ")";
  return tag.sequence == 0 ? text : text + " as collective " + std::to_string(tag.sequence);
}

}  // namespace emu
