// The live device memory of this process, and what lately was: the runtime registers what it hands
// out, the interpreter asks before it touches a global address. Reports name the allocation, and a
// use after free as such.
//
// Process-wide; any thread. Reading is the hot path (once per lane and global access): a thread
// keeps the ranges that it hit last and looks at one atomic to know that they still hold. A process
// that never called BeginMemoryChecks or RegisterMemory is not checked (tests that launch on plain
// host arrays).
#ifndef SWITCHYARD_EMULATOR_PTX_MEMORY_REGISTRY_H_
#define SWITCHYARD_EMULATOR_PTX_MEMORY_REGISTRY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "emulator/ptx/fault.h"

namespace emu {

// From now on only registered memory is live, even while there is none.
void BeginMemoryChecks();

// `label` stands in reports ("cudaMalloc on device 0"). A range that begins inside a live one
// replaces it. REQUIRES: bytes > 0.
void RegisterMemory(void* base, size_t bytes, std::string_view label);
// Unknown bases are ignored. The last 4,096 ranges are remembered as freed.
void UnregisterMemory(void* base);

// Whether [address, address + bytes) lies in one live range, or checks have not begun.
inline bool IsLiveMemory(uint64_t address, uint64_t bytes);

// What is wrong with an access for which IsLiveMemory is false: kUseAfterFree or kIllegalAddress,
// and a text that names the nearest allocation and the distance to it.
Fault DescribeBadAccess(uint64_t address, uint64_t bytes, int lane);

// The live range around an address; `bytes` is 0 where there is none.
struct MemoryRange {
  uint64_t base = 0;
  uint64_t bytes = 0;
  std::string label;
};
MemoryRange FindMemory(uint64_t address);

namespace memory_registry_internal {

// What one thread remembers. Valid while `generation` is the registry's.
struct HitCache {
  static constexpr size_t kWays = 64;
  struct Range {
    uint64_t begin = 1, end = 0;
    bool Holds(uint64_t address, uint64_t bytes) const {
      return address >= begin && address < end && bytes <= end - address;
    }
  };
  uint64_t generation = ~uint64_t{0};
  Range last;
  Range ways[kWays];  // by page of the address
};

extern std::atomic<uint64_t>
    generation;  // changes with every registration; 0: checks have not begun
extern thread_local HitCache hit_cache;
bool FindSlow(uint64_t address, uint64_t bytes);

}  // namespace memory_registry_internal

inline bool IsLiveMemory(uint64_t address, uint64_t bytes) {
  namespace internal = memory_registry_internal;
  internal::HitCache& cache = internal::hit_cache;
  if (cache.generation == internal::generation.load(std::memory_order_acquire)) {
    if (cache.last.Holds(address, bytes)) return true;
    const auto& way = cache.ways[(address >> 12) % internal::HitCache::kWays];
    if (way.Holds(address, bytes)) {
      cache.last = way;
      return true;
    }
  }
  return internal::FindSlow(address, bytes);
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_MEMORY_REGISTRY_H_
