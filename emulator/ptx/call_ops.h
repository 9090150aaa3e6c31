// Calls of device functions. Parameters and results are copied between the frames of caller and
// callee, both in the thread's local memory.
#ifndef SWITCHYARD_EMULATOR_PTX_CALL_OPS_H_
#define SWITCHYARD_EMULATOR_PTX_CALL_OPS_H_

#include <cstdint>
#include <vector>

#include "emulator/ptx/op.h"

namespace emu {

// Moves bytes within each thread's local memory.
struct LocalCopies : OpExtra {
  struct Copy {
    uint32_t from = 0, to = 0, bytes = 0;
  };
  std::vector<Copy> copies;
};

// Copies the arguments and jumps to op.immediate; ret comes back to the op behind it.
Step Call(Warp& warp, const Op& op, LaneMask active);
// Stands behind a call: copies the results.
Step TakeResults(Warp& warp, const Op& op, LaneMask active);

// The functions that the toolkit provides outside PTX. Arguments are local-memory offsets.
struct ExternalCall : OpExtra {
  std::vector<uint32_t> arguments;
  uint32_t result = 0;
  bool has_result = false;
};
Step PrintFormatted(Warp& warp, const Op& op, LaneMask active);  // vprintf(format, values)
Step AssertFailed(Warp& warp, const Op& op, LaneMask active);    // __assertfail

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_CALL_OPS_H_
