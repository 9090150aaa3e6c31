// Where the elements of a matrix operand are in a warp's registers, for mma.sync and for the
// register form of wgmma's A; and packing them for numerics_mac.h.
//
// With E elements in a 32-bit register (1, 2, 4 for 32-, 16- and 8-bit formats), lane l = 4 g + t,
// element e of register r:
//   A  [16, k]: row g + 8 (r % 2), column E t + e + 4 E (r / 2)     k / (4 E) * 2 registers
//   B  [k, 8]:  row E t + e + 4 E r, column g                       k / (4 E) registers
//   D  [16, 8]: row g + 8 (r / 2), column 2 t + r % 2               4 registers of one f32
//
// Owner: none, pure functions. Thread: any.
#ifndef SWITCHYARD_EMULATOR_PTX_TENSOR_FRAGMENT_H_
#define SWITCHYARD_EMULATOR_PTX_TENSOR_FRAGMENT_H_

#include <cstdint>

#include "emulator/ptx/numerics_format.h"
#include "emulator/ptx/numerics_mac.h"

namespace emu {

// Operands of one WarpMac: up to [16, 32] of A for one warp, [32, 256] of B.
struct alignas(64) PackedA {
  float values[kMacMaxK * 2 * kMacLanes];
};
struct alignas(64) PackedB {
  float values[kMacMaxK * kMacMaxN];
};

// registers[r] are the 32 lanes of register r, `count` of them. `scale` multiplies each element (1
// or -1: the negation of wgmma).
void PackFragmentA(Format format, const uint32_t* const* registers, int count, float scale,
                   PackedA* a);
void PackFragmentB(Format format, const uint32_t* const* registers, int count, PackedB* b);

// Row `row` (0 to 15) of A as k consecutive elements.
void PackRowA(const float* elements, int k, int row, float scale, PackedA* a);
// Element A[row][k].
inline void PackElementA(float value, int row, int k, PackedA* a) {
  float* out = a->values + (k * 2 + (row >> 3)) * kMacLanes + (row & 7) * 4;
  out[0] = out[1] = out[2] = out[3] = value;
}

// d = c + a b with the numerics that are asked for; macs are 16 n k.
void RunMac(bool h100, const StepRules& rules, const WarpMac& mac);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TENSOR_FRAGMENT_H_
