// Shared-memory addresses. A shared address is 32 bits: bits 0 to 23 an offset in a block's shared
// memory, bits 24 to 31 the block: 0 is the executing block itself, 1 + r is rank r of its cluster
// (what mapa gives). The generic address of the same byte is kSharedWindow + that; no host mapping
// lies there.
#ifndef SWITCHYARD_EMULATOR_PTX_SHARED_WINDOW_H_
#define SWITCHYARD_EMULATOR_PTX_SHARED_WINDOW_H_

#include <cstdint>

namespace emu {

// Beyond the 47 bits that user space maps.
constexpr uint64_t kSharedWindow = 0x00fe'0000'0000'0000ULL;
constexpr uint64_t kSharedWindowBytes = uint64_t{1} << 32;
constexpr uint32_t kSharedOffsetMask = 0x00ff'ffff;
constexpr uint32_t kMaxSharedBytes = 227 * 1024;  // per block
// Behind a block's own, if its kernel asks where it is; zero at the start.
constexpr uint32_t kReservedSharedBytes = 1024;

constexpr bool IsSharedGeneric(uint64_t address) {
  return address - kSharedWindow < kSharedWindowBytes;
}
constexpr uint32_t ClusterSharedAddress(uint32_t offset, uint32_t rank) {
  return (offset & kSharedOffsetMask) | (rank + 1) << 24;
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_SHARED_WINDOW_H_
