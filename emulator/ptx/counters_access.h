// What one warp's access costs: sectors of global memory, passes over shared memory's banks.
#ifndef SWITCHYARD_EMULATOR_PTX_COUNTERS_ACCESS_H_
#define SWITCHYARD_EMULATOR_PTX_COUNTERS_ACCESS_H_

#include <cstdint>

#include "emulator/ptx/counters.h"
#include "emulator/ptx/types.h"

namespace emu {

// addresses: by lane, host addresses; those of `lanes` are looked at. bytes: per lane.
void CountGlobal(LaneMask lanes, const uint64_t* addresses, uint32_t bytes,
                 KernelCounters::Global* global);

// addresses: by lane, offsets. A warp goes in parts of 32, 16 or 8 lanes for up to 4, 8 or 16 bytes
// per lane; a part takes as many wavefronts as the bank has that is asked for most words.
void CountShared(LaneMask lanes, const uint64_t* addresses, uint32_t bytes,
                 KernelCounters::Shared* shared);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_COUNTERS_ACCESS_H_
