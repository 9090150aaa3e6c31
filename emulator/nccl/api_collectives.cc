// The C ABI: calls that move data, and groups of calls.
#include <string>

#include "emulator/nccl/abi.h"
#include "emulator/nccl/api_support.h"
#include "emulator/nccl/buffer_check.h"
#include "emulator/nccl/element_type.h"
#include "emulator/nccl/group.h"
#include "emulator/nccl/last_error.h"

namespace emu {
namespace {

// Elements of one call: far above any memory, far below where sizes in bytes overflow.
constexpr size_t kMaxCount = size_t{1} << 48;

Outcome CheckArguments(const Operation& operation, const Communicator& comm) {
  const std::string call = Describe(SignatureOf(operation)) + ": ";
  if (ElementBytes(operation.type) == 0) return {ncclInvalidArgument, call + "no such type"};
  if (operation.count > kMaxCount) return {ncclInvalidArgument, call + "the count is too large"};
  const bool has_peer = HasRoot(operation.kind) || IsPointToPoint(operation.kind);
  if (has_peer && (operation.peer < 0 || operation.peer >= comm.num_ranks())) {
    return {ncclInvalidArgument, call + "root or peer " + std::to_string(operation.peer) + " of " +
                                     std::to_string(comm.num_ranks()) + " ranks"};
  }
  Outcome buffers = CheckBuffers(operation, comm.rank(), comm.num_ranks());
  if (!buffers.ok()) buffers.text = call + buffers.text;
  return buffers;
}

// `op` is read by operations that reduce.
Outcome Call(Operation operation, ncclRedOp_t op, ncclComm_t handle, cudaStream_t stream) {
  CommPointer comm;
  if (Outcome found = FindReadyComm(handle, &comm); !found.ok()) return found;
  const auto core = comm->core();
  if (core->is_revoked()) return {ncclInvalidUsage, "the communicator was revoked"};
  if (Outcome checked = CheckArguments(operation, *core); !checked.ok()) return checked;
  if (Reduces(operation.kind) && !comm->FindReduction(op, operation.type, &operation.reduction)) {
    return {ncclInvalidArgument, Describe(SignatureOf(operation)) + ": operator " +
                                     std::to_string(static_cast<int>(op)) +
                                     " does not exist for the type"};
  }
  return Group::Current().Add(comm, operation, stream);
}

ncclResult_t Issue(const Operation& operation, ncclRedOp_t op, ncclComm_t comm,
                   cudaStream_t stream) {
  Outcome outcome = Call(operation, op, comm, stream);
  if (!outcome.ok() && outcome.code != ncclInProgress) {
    outcome = Group::Current().NoteFailure(std::move(outcome));
  }
  return Return(outcome);
}

ncclResult_t Issue(const Operation& operation, ncclComm_t comm, cudaStream_t stream) {
  return Issue(operation, ncclSum, comm, stream);
}

}  // namespace
}  // namespace emu

using emu::OperationKind;

extern "C" {

ncclResult_t ncclAllReduce(const void* sendbuff, void* recvbuff, size_t count,
                           ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                           cudaStream_t stream) {
  return emu::Issue({OperationKind::kAllReduce, sendbuff, recvbuff, count, datatype}, op, comm,
                    stream);
}
EMU_PROFILING_NAME(ncclAllReduce);

ncclResult_t ncclReduce(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                        ncclRedOp_t op, int root, ncclComm_t comm, cudaStream_t stream) {
  return emu::Issue({OperationKind::kReduce, sendbuff, recvbuff, count, datatype, {}, root}, op,
                    comm, stream);
}
EMU_PROFILING_NAME(ncclReduce);

ncclResult_t ncclReduceScatter(const void* sendbuff, void* recvbuff, size_t recvcount,
                               ncclDataType_t datatype, ncclRedOp_t op, ncclComm_t comm,
                               cudaStream_t stream) {
  return emu::Issue({OperationKind::kReduceScatter, sendbuff, recvbuff, recvcount, datatype}, op,
                    comm, stream);
}
EMU_PROFILING_NAME(ncclReduceScatter);

ncclResult_t ncclBroadcast(const void* sendbuff, void* recvbuff, size_t count,
                           ncclDataType_t datatype, int root, ncclComm_t comm,
                           cudaStream_t stream) {
  return emu::Issue({OperationKind::kBroadcast, sendbuff, recvbuff, count, datatype, {}, root},
                    comm, stream);
}
EMU_PROFILING_NAME(ncclBroadcast);

ncclResult_t ncclBcast(void* buff, size_t count, ncclDataType_t datatype, int root, ncclComm_t comm,
                       cudaStream_t stream) {
  return emu::Issue({OperationKind::kBroadcast, buff, buff, count, datatype, {}, root}, comm,
                    stream);
}
EMU_PROFILING_NAME(ncclBcast);

ncclResult_t ncclAllGather(const void* sendbuff, void* recvbuff, size_t sendcount,
                           ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream) {
  return emu::Issue({OperationKind::kAllGather, sendbuff, recvbuff, sendcount, datatype}, comm,
                    stream);
}
EMU_PROFILING_NAME(ncclAllGather);

ncclResult_t ncclAlltoAll(const void* sendbuff, void* recvbuff, size_t count,
                          ncclDataType_t datatype, ncclComm_t comm, cudaStream_t stream) {
  return emu::Issue({OperationKind::kAllToAll, sendbuff, recvbuff, count, datatype}, comm, stream);
}
EMU_PROFILING_NAME(ncclAlltoAll);

ncclResult_t ncclGather(const void* sendbuff, void* recvbuff, size_t count, ncclDataType_t datatype,
                        int root, ncclComm_t comm, cudaStream_t stream) {
  return emu::Issue({OperationKind::kGather, sendbuff, recvbuff, count, datatype, {}, root}, comm,
                    stream);
}
EMU_PROFILING_NAME(ncclGather);

ncclResult_t ncclScatter(const void* sendbuff, void* recvbuff, size_t count,
                         ncclDataType_t datatype, int root, ncclComm_t comm, cudaStream_t stream) {
  return emu::Issue({OperationKind::kScatter, sendbuff, recvbuff, count, datatype, {}, root}, comm,
                    stream);
}
EMU_PROFILING_NAME(ncclScatter);

ncclResult_t ncclSend(const void* sendbuff, size_t count, ncclDataType_t datatype, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  return emu::Issue({OperationKind::kSend, sendbuff, nullptr, count, datatype, {}, peer}, comm,
                    stream);
}
EMU_PROFILING_NAME(ncclSend);

ncclResult_t ncclRecv(void* recvbuff, size_t count, ncclDataType_t datatype, int peer,
                      ncclComm_t comm, cudaStream_t stream) {
  return emu::Issue({OperationKind::kReceive, nullptr, recvbuff, count, datatype, {}, peer}, comm,
                    stream);
}
EMU_PROFILING_NAME(ncclRecv);

ncclResult_t ncclGroupStart() {
  emu::Group::Current().Start();
  return ncclSuccess;
}
EMU_PROFILING_NAME(ncclGroupStart);

ncclResult_t ncclGroupEnd() { return emu::Return(emu::Group::Current().End()); }
EMU_PROFILING_NAME(ncclGroupEnd);

// Nothing is launched, and no time is estimated: the emulator knows nothing about a device's.
ncclResult_t ncclGroupSimulateEnd(ncclSimInfo_t* simInfo) {
  if (simInfo != nullptr) simInfo->estimatedTime = NCCL_UNDEF_FLOAT;
  return emu::Return(emu::Group::Current().Discard());
}
EMU_PROFILING_NAME(ncclGroupSimulateEnd);

}  // extern "C"
