// What a user may choose about the NCCL stand-in: the text of the environment variable
// SWITCHYARD_EMULATOR_NCCL. (SWITCHYARD_EMULATOR belongs to the runtime and the interpreter.)
//
//   dead_peer=hang|error   what a rank does that waits for a process that has ended: wait until its
//                          communicator is aborted, as the real library does (default); or end the
//                          operation with ncclRemoteError as asynchronous error
#ifndef SWITCHYARD_EMULATOR_NCCL_NCCL_OPTIONS_H_
#define SWITCHYARD_EMULATOR_NCCL_NCCL_OPTIONS_H_

#include <string_view>

#include "emulator/nccl/outcome.h"

namespace emu {

enum class DeadPeer { kHang, kError };

struct NcclOptions {
  DeadPeer dead_peer = DeadPeer::kHang;
};

// ncclInvalidUsage with a sentence for a key or value that does not exist.
Outcome ParseNcclOptions(std::string_view text, NcclOptions* options);

// ParseNcclOptions of the environment, read at every call: a communicator keeps what it began with.
Outcome NcclOptionsFromEnvironment(NcclOptions* options);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_NCCL_OPTIONS_H_
