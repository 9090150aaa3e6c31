#include "emulator/ptx/shadow_observer.h"

#include <algorithm>
#include <bit>
#include <string>

#include "emulator/ptx/block.h"
#include "emulator/ptx/fault.h"
#include "emulator/ptx/shadow_memory.h"

namespace emu {

void ShadowObserver::OnBlockStart(Block& block) {
  const std::lock_guard lock(mutex_);
  shared_[&block] = std::make_unique<Written>(block.shared_bytes());
}

void ShadowObserver::OnBlockEnd(Block& block) {
  const std::lock_guard lock(mutex_);
  shared_.erase(&block);
}

void ShadowObserver::OnAccess(const WarpAccess& access) {
  const bool shared = access.space == MemorySpace::kShared;
  if (!shared && access.space != MemorySpace::kGlobal) return;
  for (LaneMask lanes = access.lanes; lanes != 0; lanes &= lanes - 1) {
    const int lane = std::countr_zero(lanes);
    const Location at = {access.space, shared ? access.owners[lane] : nullptr,
                         access.addresses[lane], access.bytes};
    if (access.kind != AccessKind::kStore) {
      uint64_t first = 0;
      if (shared) {
        CheckShared(at, lane);
      } else if (FindUnwritten(at.address, at.bytes, &first)) {
        throw Fault(FaultKind::kUninitialised, lane,
                    "read of " + std::to_string(at.bytes) +
                        " bytes of global memory, of which byte " +
                        std::to_string(first - at.address) + " was never written");
      }
    }
    if (access.kind != AccessKind::kLoad) Mark(at);
  }
}

void ShadowObserver::OnAsyncAccess(AsyncId, AccessKind kind, Proxy, const Location& at) {
  if (kind != AccessKind::kLoad) Mark(at);
}

ShadowObserver::Written& ShadowObserver::SharedOf(const Block* block) {
  const std::lock_guard lock(mutex_);
  return *shared_.at(block);
}

void ShadowObserver::CheckShared(const Location& at, int lane) {
  const Written& written = SharedOf(at.block);
  const auto begin = written.begin() + static_cast<ptrdiff_t>(at.address);
  const auto unwritten = std::find(begin, begin + at.bytes, 0);
  if (unwritten == begin + at.bytes) return;
  throw Fault(FaultKind::kUninitialised, lane,
              "read of " + std::to_string(at.bytes) + " bytes at shared offset " +
                  std::to_string(at.address) + ", of which byte " +
                  std::to_string(unwritten - begin) + " was never written");
}

void ShadowObserver::Mark(const Location& at) {
  if (at.space == MemorySpace::kGlobal) {
    MarkWritten(reinterpret_cast<const void*>(at.address), at.bytes);
  } else if (at.space == MemorySpace::kShared) {
    Written& written = SharedOf(at.block);
    std::fill_n(written.begin() + static_cast<ptrdiff_t>(at.address), at.bytes, 1);
  }
}

}  // namespace emu
