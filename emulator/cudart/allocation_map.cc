#include "emulator/cudart/allocation_map.h"

#include <iterator>
#include <utility>

namespace emu {

Allocation& AllocationMap::Add(Allocation allocation) {
  const auto key = reinterpret_cast<uintptr_t>(allocation.base);
  return all_[key] = std::move(allocation);
}

Allocation* AllocationMap::Find(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  auto next = all_.upper_bound(at);
  if (next == all_.begin()) return nullptr;
  const auto found = std::prev(next);
  return at - found->first < found->second.bytes ? &found->second : nullptr;
}

Allocation* AllocationMap::FindBase(const void* base) {
  const auto found = all_.find(reinterpret_cast<uintptr_t>(base));
  return found == all_.end() ? nullptr : &found->second;
}

Allocation* AllocationMap::FindOverlap(const void* base, size_t bytes) {
  if (Allocation* holder = Find(base)) return holder;
  const auto begin = reinterpret_cast<uintptr_t>(base);
  const auto next = all_.lower_bound(begin);
  return next != all_.end() && next->first - begin < bytes ? &next->second : nullptr;
}

void AllocationMap::Remove(const void* base) { all_.erase(reinterpret_cast<uintptr_t>(base)); }

}  // namespace emu
