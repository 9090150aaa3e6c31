// The check with which every collective begins: all ranks must have called the same operation with
// the same count, type, reduction and root. On a device such a mistake is a hang or wrong numbers.
#ifndef SWITCHYARD_EMULATOR_NCCL_AGREEMENT_H_
#define SWITCHYARD_EMULATOR_NCCL_AGREEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/nccl/communicator.h"
#include "emulator/nccl/operation.h"

namespace emu {

// Waits until all ranks have come to collective number `round`. False when the communicator has
// ended, or when they disagree: then it has failed on all ranks with a report by rank and value.
bool Agree(Communicator* comm, uint64_t round, const Signature& mine);

// The report for signatures[r] of rank r: ranks that say the same share a line.
std::string DescribeDisagreement(uint64_t round, const std::vector<Signature>& signatures);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_AGREEMENT_H_
