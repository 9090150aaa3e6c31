// Communicators made from a communicator: what ncclCommSplit and ncclCommShrink do on each rank.
#ifndef SWITCHYARD_EMULATOR_NCCL_SPLIT_H_
#define SWITCHYARD_EMULATOR_NCCL_SPLIT_H_

#include <memory>
#include <vector>

#include "emulator/nccl/comm_handle.h"
#include "emulator/nccl/communicator.h"
#include "emulator/nccl/outcome.h"

namespace emu {

// Agrees with all ranks of `parent` and joins the ranks of the same colour, ordered by key, then by
// rank in the parent. A colour of NCCL_SPLIT_NOCOLOR takes part in the agreement and joins nobody;
// `child` (its handle, without core) may be null then. One at a time per parent.
Outcome RunSplit(const std::shared_ptr<Communicator>& parent, int color, int key, ncclComm* child);

// Joins all ranks of `parent` but the excluded ones, which are not asked and may be dead.
// REQUIRES: this rank is none of them.
Outcome RunShrink(const std::shared_ptr<Communicator>& parent, const std::vector<int>& excluded,
                  ncclComm* child);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_SPLIT_H_
