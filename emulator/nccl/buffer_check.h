// Whether a call's buffers lie in memory that the runtime knows: on a device a wrong count
// overwrites something else, or ends the context.
#ifndef SWITCHYARD_EMULATOR_NCCL_BUFFER_CHECK_H_
#define SWITCHYARD_EMULATOR_NCCL_BUFFER_CHECK_H_

#include <cstddef>

#include "emulator/nccl/operation.h"
#include "emulator/nccl/outcome.h"

namespace emu {

// What this rank's part of an operation reads and writes, in elements; 0: not used.
struct BufferUse {
  size_t send = 0;
  size_t receive = 0;
};
BufferUse UseOf(const Operation& operation, int rank, int num_ranks);

// ncclInvalidArgument for a buffer that is null, is no memory of the runtime's, or ends after its
// allocation. Asks the runtime; where it cannot tell, any address but null will do.
Outcome CheckBuffers(const Operation& operation, int rank, int num_ranks);

// The same question when the operation runs: by then a program may have freed what it passed.
Outcome CheckLive(const Operation& operation, int rank, int num_ranks);

// Tells the runtime that what the operation received is data.
void MarkReceived(const Operation& operation, int rank, int num_ranks);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_BUFFER_CHECK_H_
