#include "emulator/nccl/api_support.h"

namespace emu {

Outcome FindComm(ncclComm_t handle, CommPointer* comm) {
  *comm = CommTable::Find(handle);
  if (*comm != nullptr) return {};
  return {ncclInvalidArgument, handle == nullptr
                                   ? "the communicator is null"
                                   : "the communicator was destroyed or never existed"};
}

Outcome FindReadyComm(ncclComm_t handle, CommPointer* comm) {
  if (Outcome found = FindComm(handle, comm); !found.ok()) return found;
  if ((*comm)->in_progress() || (*comm)->launches.has_deferred()) {
    return {ncclInvalidArgument,
            "a non-blocking communicator was used before ncclCommGetAsyncError said that its "
            "last call is complete"};
  }
  const ncclResult_t state = (*comm)->State();
  if (state != ncclSuccess) return {state, (*comm)->ErrorText()};
  return {};
}

}  // namespace emu
