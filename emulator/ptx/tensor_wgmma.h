// One wgmma.mma_async of a warpgroup: D[64, n] (+)= A[64, k] B[k, n], A out of shared memory (SS)
// or out of registers (RS), B always out of shared memory.
//
// Pure functions over a block's shared memory and the four warps' registers. Thread: any.
#ifndef SWITCHYARD_EMULATOR_PTX_TENSOR_WGMMA_H_
#define SWITCHYARD_EMULATOR_PTX_TENSOR_WGMMA_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "emulator/ptx/numerics_format.h"
#include "emulator/ptx/numerics_step.h"
#include "emulator/ptx/tensor_descriptor.h"
#include "emulator/ptx/tensor_fragment.h"

namespace emu {

constexpr int kWgmmaWarps = 4;
constexpr int kWgmmaM = 64;

struct WgmmaShape {
  Format a_format = Format::kBf16;
  Format b_format = Format::kBf16;
  StepRules rules = {};
  int n = 0;
  int k = 0;  // 32 bytes: 8, 16 or 32 elements
  bool a_in_registers = false;
  bool a_mn_major = false;  // 16-bit formats only
  bool b_mn_major = false;
  float scale = 1;  // 1 or -1: imm-scale-a * imm-scale-b
};

struct WgmmaOperands {
  uint64_t a_descriptor = 0;  // SS
  uint64_t b_descriptor = 0;
  // RS: [warp], four registers of 32 lanes
  std::array<std::array<std::array<uint32_t, kMacLanes>, 4>, kWgmmaWarps>* a_registers = nullptr;
  bool add = true;  // scale-d: false overwrites D
  bool h100 = false;
};

// Offsets of the 16-byte chunks of an operand, in the order in which the functions below read them.
// K-major: [row][2]; MN-major: [k][rows / 8].
void ListChunks(const MatrixDescriptor& descriptor, bool mn_major, int rows, int k,
                std::vector<uint32_t>* offsets);

// Adds to `offsets` (empty before) the chunks of A, if it is in shared memory, and then of B.
// What is wrong with a descriptor or beyond `shared_bytes`, or empty.
std::string ListOperands(const WgmmaShape& shape, const WgmmaOperands& operands,
                         uint32_t shared_bytes, std::vector<uint32_t>* offsets);

// d[warp][register] are 32 lanes each; n / 2 registers. `chunks` is what ListOperands listed.
void RunWgmma(const WgmmaShape& shape, const WgmmaOperands& operands, const std::byte* shared,
              std::span<const uint32_t> chunks, const std::array<float* const*, kWgmmaWarps>& d);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TENSOR_WGMMA_H_
