// Branches, returns and exits.
#ifndef SWITCHYARD_EMULATOR_PTX_CONTROL_OPS_H_
#define SWITCHYARD_EMULATOR_PTX_CONTROL_OPS_H_

#include "emulator/ptx/op.h"

namespace emu {

// To the caller; from a kernel, the end of the thread.
Step Return(Warp& warp, const Op& op, LaneMask active);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_CONTROL_OPS_H_
