// The meaning of every operation, in terms of messages between ranks (exchange.h).
//
// Sums are taken in rank order, 0 first, whatever the sizes and the number of ranks: results are
// the same on all ranks and in every run.
#ifndef SWITCHYARD_EMULATOR_NCCL_COLLECTIVES_H_
#define SWITCHYARD_EMULATOR_NCCL_COLLECTIVES_H_

#include <vector>

#include "emulator/nccl/operation.h"

namespace emu {

class Communicator;

// One collective of all ranks. Returns early when the communicator ends. Thread: holds the
// communicator's run lock, as Communicator::Run does.
void RunCollective(Communicator* comm, const Operation& operation);

// Sends and receives, all at once.
void RunPointToPoint(Communicator* comm, const std::vector<Operation>& operations);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_COLLECTIVES_H_
