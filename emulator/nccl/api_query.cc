// The C ABI: questions, errors, operators and memory.
#include <cuda_runtime_api.h>

#include <cstring>
#include <string>

#include "emulator/nccl/abi.h"
#include "emulator/nccl/api_support.h"
#include "emulator/nccl/element_type.h"
#include "emulator/nccl/last_error.h"

namespace emu {
namespace {

const Outcome kNullResult = {ncclInvalidArgument, "the address of the result is null"};

// One number of a communicator that is complete.
template <typename F>
Outcome Query(ncclComm_t handle, int* result, F number) {
  if (result == nullptr) return kNullResult;
  CommPointer comm;
  if (Outcome found = FindComm(handle, &comm); !found.ok()) return found;
  const auto core = comm->core();
  if (comm->in_progress() || core == nullptr) {
    return {ncclInvalidArgument, "the communicator is not complete yet"};
  }
  *result = number(*core);
  return {};
}

// Also the moment at which a non-blocking communicator's calls reach their streams.
Outcome AsyncError(ncclComm_t handle, ncclResult_t* result) {
  if (result == nullptr) return kNullResult;
  CommPointer comm;
  if (Outcome found = FindComm(handle, &comm); !found.ok()) return found;
  *result = comm->State();
  if (*result != ncclSuccess || !comm->launches.has_deferred()) return {};
  Outcome flushed = comm->launches.FlushDeferred(comm->core());
  *result = flushed.code;
  return flushed.ok() ? Outcome{} : Outcome{ncclSuccess, flushed.text};
}

Outcome CreateReduction(ncclRedOp_t* op, void* scalar, ncclDataType_t type,
                        ncclScalarResidence_t residence, ncclComm_t handle) {
  CommPointer comm;
  if (Outcome found = FindReadyComm(handle, &comm); !found.ok()) return found;
  const bool immediate = residence == ncclScalarHostImmediate;
  if (op == nullptr || scalar == nullptr || ElementBytes(type) == 0 ||
      (!immediate && residence != ncclScalarDevice)) {
    return {ncclInvalidArgument, "operator, scalar, type or residence of a scaled sum"};
  }
  Reduction reduction = {.kind = Reduction::Kind::kScaledSum};
  if (immediate) {
    std::memcpy(&reduction.scalar_bits, scalar, ElementBytes(type));
  } else {
    reduction.scalar_address = scalar;
  }
  *op = comm->AddReduction(reduction, type);
  return {};
}

Outcome Register(ncclComm_t handle, void* buffer, size_t size, void** registration) {
  CommPointer comm;
  if (Outcome found = FindReadyComm(handle, &comm); !found.ok()) return found;
  if (buffer == nullptr || size == 0 || registration == nullptr) {
    return {ncclInvalidArgument, "buffer, size or handle of a registration"};
  }
  *registration = comm->AddRegistration(buffer, size);
  return {};
}

template <typename F>
Outcome RemoveFrom(ncclComm_t handle, const char* what, F remove) {
  CommPointer comm;
  if (Outcome found = FindComm(handle, &comm); !found.ok()) return found;
  if (remove(*comm)) return {};
  return {ncclInvalidArgument, std::string(what) + " does not belong to the communicator"};
}

Outcome FromCuda(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return {};
  return {ncclUnhandledCudaError, std::string(call) + ": " + cudaGetErrorString(error)};
}

}  // namespace
}  // namespace emu

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  if (version == nullptr) return emu::Return(emu::kNullResult);
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
EMU_PROFILING_NAME(ncclGetVersion);

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclUnhandledCudaError:
      return "a call of the CUDA runtime failed (ncclGetLastError says which)";
    case ncclSystemError:
      return "a call of the operating system failed (ncclGetLastError says which)";
    case ncclInternalError:
      return "internal error, or ended by an abort";
    case ncclInvalidArgument:
      return "invalid argument (ncclGetLastError says which)";
    case ncclInvalidUsage:
      return "invalid usage (ncclGetLastError says which)";
    case ncclRemoteError:
      return "a remote process has ended or could not be reached";
    case ncclInProgress:
      return "operation in progress";
    default:
      return "unknown result code";
  }
}
EMU_PROFILING_NAME(ncclGetErrorString);

const char* ncclGetLastError(ncclComm_t comm) {
  const emu::CommPointer found = emu::CommTable::Find(comm);
  const std::string text = found == nullptr ? "" : found->ErrorText();
  return text.empty() ? emu::LastError() : emu::ShowError(text);
}
EMU_PROFILING_NAME(ncclGetLastError);

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* asyncError) {
  return emu::Return(emu::AsyncError(comm, asyncError));
}
EMU_PROFILING_NAME(ncclCommGetAsyncError);

ncclResult_t ncclCommCount(const ncclComm_t comm, int* count) {
  return emu::Return(
      emu::Query(comm, count, [](const emu::Communicator& core) { return core.num_ranks(); }));
}
EMU_PROFILING_NAME(ncclCommCount);

ncclResult_t ncclCommCuDevice(const ncclComm_t comm, int* device) {
  return emu::Return(
      emu::Query(comm, device, [](const emu::Communicator& core) { return core.device(); }));
}
EMU_PROFILING_NAME(ncclCommCuDevice);

ncclResult_t ncclCommUserRank(const ncclComm_t comm, int* rank) {
  return emu::Return(
      emu::Query(comm, rank, [](const emu::Communicator& core) { return core.rank(); }));
}
EMU_PROFILING_NAME(ncclCommUserRank);

ncclResult_t ncclRedOpCreatePreMulSum(ncclRedOp_t* op, void* scalar, ncclDataType_t datatype,
                                      ncclScalarResidence_t residence, ncclComm_t comm) {
  return emu::Return(emu::CreateReduction(op, scalar, datatype, residence, comm));
}
EMU_PROFILING_NAME(ncclRedOpCreatePreMulSum);

ncclResult_t ncclRedOpDestroy(ncclRedOp_t op, ncclComm_t comm) {
  return emu::Return(emu::RemoveFrom(comm, "the operator",
                                     [op](ncclComm& held) { return held.RemoveReduction(op); }));
}
EMU_PROFILING_NAME(ncclRedOpDestroy);

ncclResult_t ncclMemAlloc(void** ptr, size_t size) {
  if (ptr == nullptr) return emu::Return(emu::kNullResult);
  return emu::Return(emu::FromCuda(cudaMalloc(ptr, size), "cudaMalloc"));
}
EMU_PROFILING_NAME(ncclMemAlloc);

ncclResult_t ncclMemFree(void* ptr) {
  return emu::Return(emu::FromCuda(cudaFree(ptr), "cudaFree"));
}
EMU_PROFILING_NAME(ncclMemFree);

// Registering changes nothing here: every buffer is reached the same way.
ncclResult_t ncclCommRegister(const ncclComm_t comm, void* buff, size_t size, void** handle) {
  return emu::Return(emu::Register(comm, buff, size, handle));
}
EMU_PROFILING_NAME(ncclCommRegister);

ncclResult_t ncclCommDeregister(const ncclComm_t comm, void* handle) {
  if (handle == nullptr) return ncclSuccess;
  return emu::Return(emu::RemoveFrom(comm, "the registration", [handle](ncclComm& held) {
    return held.RemoveRegistration(handle);
  }));
}
EMU_PROFILING_NAME(ncclCommDeregister);

}  // extern "C"
