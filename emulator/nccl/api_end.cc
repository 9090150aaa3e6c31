// The C ABI: how communicators end.
#include <string>

#include "emulator/nccl/abi.h"
#include "emulator/nccl/api_support.h"
#include "emulator/nccl/last_error.h"

namespace emu {
namespace {

// All that was issued runs to its end; a communicator that has failed lets it end early.
Outcome Flush(ncclComm* comm) {
  const auto core = comm->core();
  if (core == nullptr) return {};
  Outcome flushed = comm->launches.FlushDeferred(core);
  return flushed.ok() ? comm->launches.Synchronize() : flushed;
}

Outcome Finalize(ncclComm_t handle) {
  CommPointer comm;
  if (Outcome found = FindReadyComm(handle, &comm); !found.ok()) return found;
  if (comm->core()->is_revoked()) {
    return {ncclInvalidUsage, "a revoked communicator cannot be finalized"};
  }
  if (comm->blocking) return Flush(comm.get());
  comm->StartJob([comm = comm.get()] { return Flush(comm); });
  return {ncclInProgress, ""};
}

Outcome Destroy(ncclComm_t handle) {
  CommPointer comm;
  if (Outcome found = FindComm(handle, &comm); !found.ok()) return found;
  comm->JoinJob();
  const Outcome flushed = Flush(comm.get());
  if (const auto core = comm->core(); core != nullptr) core->MarkDestroyed();
  CommTable::Remove(handle);
  return flushed;
}

Outcome Abort(ncclComm_t handle) {
  CommPointer comm;
  if (Outcome found = FindComm(handle, &comm); !found.ok()) return found;
  comm->Abort();
  comm->JoinJob();
  if (const auto core = comm->core(); core != nullptr) core->WaitUntilIdle();
  CommTable::Remove(handle);
  return {};
}

Outcome Revoke(ncclComm_t handle, int flags) {
  if (flags != NCCL_REVOKE_DEFAULT) {
    return {ncclInvalidArgument, "revoke flags " + std::to_string(flags)};
  }
  CommPointer comm;
  if (Outcome found = FindComm(handle, &comm); !found.ok()) return found;
  const auto core = comm->core();
  if (comm->in_progress() || core == nullptr) {
    return {ncclInvalidArgument, "a communicator that is not complete cannot be revoked"};
  }
  core->Revoke();
  if (comm->blocking) {
    core->WaitUntilIdle();
    return {};
  }
  comm->StartJob([core] {
    core->WaitUntilIdle();
    return Outcome{};
  });
  return {ncclInProgress, ""};
}

}  // namespace
}  // namespace emu

extern "C" {

ncclResult_t ncclCommFinalize(ncclComm_t comm) { return emu::Return(emu::Finalize(comm)); }
EMU_PROFILING_NAME(ncclCommFinalize);

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (comm == nullptr) return ncclSuccess;
  return emu::Return(emu::Destroy(comm));
}
EMU_PROFILING_NAME(ncclCommDestroy);

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (comm == nullptr) return ncclSuccess;
  return emu::Return(emu::Abort(comm));
}
EMU_PROFILING_NAME(ncclCommAbort);

ncclResult_t ncclCommRevoke(ncclComm_t comm, int revokeFlags) {
  return emu::Return(emu::Revoke(comm, revokeFlags));
}
EMU_PROFILING_NAME(ncclCommRevoke);

}  // extern "C"
