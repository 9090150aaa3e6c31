// Operands that are shared-memory addresses, as the tensor, mbarrier and bulk-copy instructions
// have them: in a 32-bit register, or generic in a 64-bit one.
#ifndef SWITCHYARD_EMULATOR_PTX_TENSOR_ADDRESS_H_
#define SWITCHYARD_EMULATOR_PTX_TENSOR_ADDRESS_H_

#include <cstdint>

#include "emulator/ptx/block.h"
#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/shared_window.h"
#include "emulator/ptx/warp.h"

namespace emu {

// A piece of some block's shared memory.
struct SharedPiece {
  std::byte* pointer = nullptr;
  const Block* owner = nullptr;
  uint32_t offset = 0;  // in the owner's shared memory

  Location At(uint32_t bytes) const { return {MemorySpace::kShared, owner, offset, bytes}; }
};

// The shared address that `operand` gives in a lane. A 64-bit register may hold a generic address;
// one that is not of shared memory is a fault.
inline uint32_t SharedAddress(const Warp& warp, const AddressSlot& operand, int lane) {
  const uint64_t address =
      warp.Address(operand.slot, operand.wide, lane) + static_cast<uint64_t>(operand.offset);
  if (!operand.wide) return static_cast<uint32_t>(address);
  if (address >> 32 != 0 && !IsSharedGeneric(address)) {
    throw Fault(FaultKind::kIllegalAddress, lane, "a generic address that is not of shared memory");
  }
  return static_cast<uint32_t>(address);
}

// The same as a checked piece of `bytes` bytes at a multiple of `alignment`.
inline SharedPiece FindShared(const Warp& warp, uint32_t address, uint32_t bytes,
                              uint32_t alignment, int lane, const char* what) {
  if (address % alignment != 0) {
    throw Fault(
        FaultKind::kMisaligned, lane,
        std::string(what) + " is not at a multiple of " + std::to_string(alignment) + " bytes");
  }
  SharedPiece piece;
  piece.pointer = warp.SharedPointer(address, bytes, lane, &piece.owner, &piece.offset);
  return piece;
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TENSOR_ADDRESS_H_
