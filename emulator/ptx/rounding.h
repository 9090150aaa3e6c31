// Directed rounding: an Op run while the host rounds in another direction.
#ifndef SWITCHYARD_EMULATOR_PTX_ROUNDING_H_
#define SWITCHYARD_EMULATOR_PTX_ROUNDING_H_

#include <cfenv>
#include <cstdint>

#include "emulator/ptx/instruction.h"
#include "emulator/ptx/op.h"

namespace emu {

enum class Rounding : uint8_t { kNearest, kZero, kDown, kUp };

// The modifier rn, rz, rm or rp; kNearest if there is none.
inline Rounding RoundingOf(const ParsedInstruction& instruction) {
  if (instruction.Has("rz")) return Rounding::kZero;
  if (instruction.Has("rm")) return Rounding::kDown;
  if (instruction.Has("rp")) return Rounding::kUp;
  return Rounding::kNearest;
}

inline int HostRounding(Rounding rounding) {
  switch (rounding) {
    case Rounding::kNearest:
      return FE_TONEAREST;
    case Rounding::kZero:
      return FE_TOWARDZERO;
    case Rounding::kDown:
      return FE_DOWNWARD;
    case Rounding::kUp:
      return FE_UPWARD;
  }
  return FE_TONEAREST;
}

// Runs `f` with the host rounding that way. What it computes must come from and go to memory: the
// compiler may move other arithmetic across.
template <class F>
inline void RoundedRun(Rounding rounding, F f) {
  std::fesetround(HostRounding(rounding));
  asm volatile("" ::: "memory");
  f();
  asm volatile("" ::: "memory");
  std::fesetround(FE_TONEAREST);
}

constexpr int kRoundingDetail = 6;  // where Directed finds the mode in Op::detail

template <Execute inner>
Step Directed(Warp& warp, const Op& op, LaneMask active) {
  Step step = Step::kNext;
  RoundedRun(static_cast<Rounding>(op.detail[kRoundingDetail]),
             [&] { step = inner(warp, op, active); });
  return step;
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_ROUNDING_H_
