#include "emulator/nccl/buffer_check.h"

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <string>

#include "emulator/cudart/enqueue.h"
#include "emulator/nccl/element_type.h"

namespace emu {
namespace {

using AddressRangeFunction = CUresult (*)(CUdeviceptr*, size_t*, CUdeviceptr);

// The driver's function, which the runtime hands out by name; null where there is none.
AddressRangeFunction AddressRange() {
  static const auto function = [] {
    void* entry = nullptr;
    cudaDriverEntryPointQueryResult result = cudaDriverEntryPointSymbolNotFound;
    constexpr unsigned kVersion = 3020;  // in which the function got its present form
    const cudaError_t error = cudaGetDriverEntryPointByVersion(
        "cuMemGetAddressRange", &entry, kVersion, cudaEnableDefault, &result);
    const bool found = error == cudaSuccess && result == cudaDriverEntryPointSuccess;
    return found ? reinterpret_cast<AddressRangeFunction>(entry) : nullptr;
  }();
  return function;
}

Outcome CheckBuffer(const std::string& name, const void* buffer, size_t bytes) {
  if (bytes == 0) return {};
  if (buffer == nullptr) return {ncclInvalidArgument, name + " is null"};
  const AddressRangeFunction address_range = AddressRange();
  if (address_range == nullptr) return {};
  CUdeviceptr base = 0;
  size_t held = 0;
  const auto address = reinterpret_cast<CUdeviceptr>(buffer);
  if (address_range(&base, &held, address) != CUDA_SUCCESS) {
    return {ncclInvalidArgument, name + " is no memory of the CUDA runtime"};
  }
  const size_t offset = address - base;
  if (offset <= held && bytes <= held - offset) return {};
  return {ncclInvalidArgument, name + " of " + std::to_string(bytes) + " bytes begins " +
                                   std::to_string(offset) + " bytes into an allocation of " +
                                   std::to_string(held)};
}

}  // namespace

BufferUse UseOf(const Operation& operation, int rank, int num_ranks) {
  const size_t one = operation.count;
  const size_t all = one * static_cast<size_t>(num_ranks);
  const bool root = operation.peer == rank;
  switch (operation.kind) {
    case OperationKind::kAllReduce:
      return {.send = one, .receive = one};
    case OperationKind::kReduce:
      return {.send = one, .receive = root ? one : 0};
    case OperationKind::kBroadcast:
      return {.send = root ? one : 0, .receive = one};
    case OperationKind::kAllGather:
      return {.send = one, .receive = all};
    case OperationKind::kReduceScatter:
      return {.send = all, .receive = one};
    case OperationKind::kAllToAll:
      return {.send = all, .receive = all};
    case OperationKind::kGather:
      return {.send = one, .receive = root ? all : 0};
    case OperationKind::kScatter:
      return {.send = root ? all : 0, .receive = one};
    case OperationKind::kSend:
      return {.send = one};
    case OperationKind::kReceive:
      return {.receive = one};
  }
  return {};
}

Outcome CheckBuffers(const Operation& operation, int rank, int num_ranks) {
  const BufferUse use = UseOf(operation, rank, num_ranks);
  const size_t element_bytes = ElementBytes(operation.type);
  Outcome send = CheckBuffer("the send buffer", operation.send, use.send * element_bytes);
  if (!send.ok()) return send;
  return CheckBuffer("the receive buffer", operation.receive, use.receive * element_bytes);
}

Outcome CheckLive(const Operation& operation, int rank, int num_ranks) {
  const BufferUse use = UseOf(operation, rank, num_ranks);
  const size_t element_bytes = ElementBytes(operation.type);
  const auto freed = [element_bytes](const void* buffer, size_t elements) {
    return elements != 0 && !switchyard_emulator_is_live(buffer, elements * element_bytes);
  };
  const char* which = freed(operation.send, use.send)         ? "send"
                      : freed(operation.receive, use.receive) ? "receive"
                                                              : nullptr;
  if (which == nullptr) return {};
  return {ncclUnhandledCudaError, "rank " + std::to_string(rank) + ", " +
                                      Describe(SignatureOf(operation)) + ": the " + which +
                                      " buffer was freed before the operation ran"};
}

void MarkReceived(const Operation& operation, int rank, int num_ranks) {
  const size_t bytes = UseOf(operation, rank, num_ranks).receive * ElementBytes(operation.type);
  if (bytes != 0) switchyard_emulator_mark_written(operation.receive, bytes);
}

}  // namespace emu
