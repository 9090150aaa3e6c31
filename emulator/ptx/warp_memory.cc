// Addresses to host memory, with bounds.
#include <string>

#include "emulator/ptx/block.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/shared_window.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

[[noreturn]] void FailShared(uint32_t address, uint32_t bytes, uint32_t limit, int lane) {
  throw Fault(FaultKind::kIllegalAddress, lane,
              "shared memory access at offset " + std::to_string(address & kSharedOffsetMask) +
                  " of " + std::to_string(bytes) + " bytes, the block has " +
                  std::to_string(limit));
}

}  // namespace

std::byte* Warp::SharedPointer(uint32_t address, uint32_t bytes, int lane, const Block** owner,
                               uint32_t* offset) const {
  const Block* block = block_;
  const uint32_t place = address & kSharedOffsetMask;
  if (const uint32_t window = address >> 24; window != 0) {
    const std::vector<Block*>& blocks = block_->cluster()->blocks;
    if (window > blocks.size()) {
      throw Fault(FaultKind::kIllegalAddress, lane,
                  "shared address of rank " + std::to_string(window - 1) + " in a cluster of " +
                      std::to_string(blocks.size()));
    }
    block = blocks[window - 1];
    if (block != block_ && block->live_warps() == 0) {
      throw Fault(FaultKind::kIllegalAddress, lane,
                  "shared memory of a block of the cluster that has exited");
    }
  }
  if (place + uint64_t{bytes} > block->shared_bytes()) {
    FailShared(address, bytes, block->shared_bytes(), lane);
  }
  if (owner != nullptr) *owner = block;
  if (offset != nullptr) *offset = place;
  return block->shared() + place;
}

Location Warp::SharedLocation(uint32_t address, uint32_t bytes, int lane) const {
  Location location{.space = MemorySpace::kShared, .bytes = bytes};
  uint32_t offset = 0;
  SharedPointer(address, bytes, lane, &location.block, &offset);
  location.address = offset;
  return location;
}

std::byte* Warp::GenericPointer(uint64_t address, uint32_t bytes, int lane) const {
  if (IsSharedGeneric(address)) {
    return SharedPointer(static_cast<uint32_t>(address - kSharedWindow), bytes, lane);
  }
  std::byte* const pointer = reinterpret_cast<std::byte*>(address);
  const LaunchContext& launch = block_->launch();
  if (!launch.options->memcheck || IsLiveMemory(address, bytes)) return pointer;
  const uint64_t local = address - reinterpret_cast<uint64_t>(local_);
  if (local + bytes <= uint64_t{local_stride_} * kWarpSize && local + bytes >= local)
    return pointer;
  const uint64_t param = address - reinterpret_cast<uint64_t>(launch.params);
  if (param + bytes <= kernel_->param_bytes() && param + bytes >= param) return pointer;
  throw DescribeBadAccess(address, bytes, lane);
}

}  // namespace emu
