// What the functions of the C ABI share: finding the communicator behind a handle.
#ifndef SWITCHYARD_EMULATOR_NCCL_API_SUPPORT_H_
#define SWITCHYARD_EMULATOR_NCCL_API_SUPPORT_H_

#include <nccl.h>

#include "emulator/nccl/comm_handle.h"
#include "emulator/nccl/outcome.h"

namespace emu {

// ncclInvalidArgument for what is no living communicator.
Outcome FindComm(ncclComm_t handle, CommPointer* comm);

// Also refuses one whose last call is still in progress, or that has failed: with its error.
Outcome FindReadyComm(ncclComm_t handle, CommPointer* comm);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_API_SUPPORT_H_
