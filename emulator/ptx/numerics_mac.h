// d += a * b for one warp's 16 rows, in the layout that mma.sync and wgmma give the accumulator:
// the lanes of a register hold four neighbouring column pairs of eight rows. Computing on registers
// in place costs no shuffling of accumulators.
//
//   row(half, lane)          = 8 half + lane / 4                     half 0, 1
//   column(c8, lane, parity) = 8 c8 + 2 (lane % 4) + parity          parity 0, 1
//
// Owner: none, pure functions. Thread: any, each on its own accumulators.
#ifndef SWITCHYARD_EMULATOR_PTX_NUMERICS_MAC_H_
#define SWITCHYARD_EMULATOR_PTX_NUMERICS_MAC_H_

#include <vector>

#include "emulator/ptx/numerics_step.h"

namespace emu {

inline constexpr int kMacLanes = 32;
inline constexpr int kMacMaxK = 32;
inline constexpr int kMacMaxN = 256;

struct WarpMac {
  int k;           // 1..kMacMaxK
  int n;           // a multiple of 8, up to kMacMaxN
  const float* a;  // [k][half][lane] = A[row(half, lane)][k]; 64-byte aligned
  const float* b;  // [k][c8][parity][j] = B[k][8 c8 + 2 j + parity], j 0..3; 16-byte aligned
  // [n / 8][half][parity] registers of 32 lanes each: D[row][column]
  float* const* d;
};

// Where B[k][column] is in WarpMac::b.
constexpr int MacColumn(int column) {
  return (column & ~7) | (column & 1) << 2 | (column & 7) >> 1;
}

// FP32 accumulation in the order of k. The products are exact in FP32 (two significands of at most
// 11 bits), so the result does not depend on the machine's vector width or its fused multiply-add.
void MacFast(const WarpMac& mac);

// The implementations of MacFast that this machine can run, for tests: all give the same bits.
using MacFunction = void (*)(const WarpMac& mac);
std::vector<MacFunction> MacFastVariants();

// As the hardware computes (numerics_step.h), in steps of rules.group products in the order of k.
// REQUIRES: a and b are values of the formats that the rules are of.
void MacH100(const StepRules& rules, const WarpMac& mac);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_NUMERICS_MAC_H_
