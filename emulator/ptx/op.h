// One bound instruction: a function over 32 lanes and the register slots that it works on. Binding
// happens once, at parse; running an Op decodes nothing.
//
// A slot is a byte offset in a warp's register file. By width of the register:
//   predicate      one LaneMask
//   up to 32 bits  uint32_t[32]; of 8- and 16-bit values the low bits count
//   64 bits        uint64_t[32]
//   128 bits       uint64_t[2][32], low halves first
// Immediates and special registers are registers too, filled before the first instruction.
#ifndef SWITCHYARD_EMULATOR_PTX_OP_H_
#define SWITCHYARD_EMULATOR_PTX_OP_H_

#include <cstdint>

#include "emulator/ptx/types.h"

namespace emu {

class Warp;
struct Op;

constexpr int32_t kNoSlot = -1;  // an operand that is absent, or "_"

// What an instruction tells the warp that ran it. `active` are the lanes it ran for: those at this
// instruction whose guard holds.
enum class Step : uint8_t {
  kNext,      // done; all lanes go on behind it
  kJump,      // the active lanes go to warp.jump_target(), the guarded-off ones on behind it
  kRetry,     // nothing was done; lanes stay, other lanes and warps run, then it is tried again
  kYield,     // done; the warp's turn ends (a failed poll, a sleep)
  kReselect,  // the op has set the active lanes' pc, parked them or ended them
};

using Execute = Step (*)(Warp& warp, const Op& op, LaneMask active);

// What a family needs beyond Op's fields; owned by the kernel (KernelBuilder::NewExtra).
struct OpExtra {
  virtual ~OpExtra() = default;
};

struct Op {
  Execute execute = nullptr;
  const OpExtra* extra = nullptr;
  int64_t immediate = 0;    // often an address offset or a jump target
  int32_t guard = kNoSlot;  // predicate slot
  bool guard_negated = false;
  uint8_t detail[7] = {};  // free for the family
  int32_t slots[8] = {kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot, kNoSlot};
  uint32_t line = 0;      // in the module's text; set by the builder
  uint32_t mnemonic = 0;  // index into Kernel::mnemonics(); set by the builder
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_OP_H_
