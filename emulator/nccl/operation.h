// One call of the C ABI that moves data, and the part of it on which all ranks must agree.
#ifndef SWITCHYARD_EMULATOR_NCCL_OPERATION_H_
#define SWITCHYARD_EMULATOR_NCCL_OPERATION_H_

#include <nccl.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "emulator/nccl/channel.h"
#include "emulator/nccl/reduction.h"

namespace emu {

enum class OperationKind : uint32_t {
  kAllReduce,
  kReduce,
  kBroadcast,
  kAllGather,
  kReduceScatter,
  kAllToAll,
  kGather,
  kScatter,
  kSend,
  kReceive,
};

struct Operation {
  OperationKind kind = OperationKind::kAllReduce;
  const void* send = nullptr;  // may be null where this rank sends nothing
  void* receive = nullptr;     // may be null where this rank receives nothing
  size_t count = 0;            // elements, per rank where the operation has blocks per rank
  ncclDataType_t type = ncclFloat32;
  Reduction reduction;  // of operations that reduce
  int peer = -1;        // root, or the other rank of send and receive; -1 where there is none
};

bool IsPointToPoint(OperationKind kind);
bool Reduces(OperationKind kind);
bool HasRoot(OperationKind kind);

// What all ranks of a collective must have said alike. Lives in shared memory.
struct Signature {
  uint32_t kind = 0;
  uint32_t type = 0;
  uint32_t reduction = 0;  // 0 where nothing is reduced
  int32_t root = -1;
  uint64_t count = 0;

  bool operator==(const Signature&) const = default;
};

Signature SignatureOf(const Operation& operation);

// "AllReduce(count=100, type=float32, op=sum)"
std::string Describe(const Signature& signature);

// "Send(count=100, type=float32)", of what came through a channel.
std::string Describe(const MessageTag& tag);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_OPERATION_H_
