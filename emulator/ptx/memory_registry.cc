#include "emulator/ptx/memory_registry.h"

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "emulator/ptx/shadow_memory.h"

namespace emu {
namespace memory_registry_internal {

std::atomic<uint64_t> generation{0};
thread_local constinit HitCache hit_cache;

}  // namespace memory_registry_internal

namespace {

namespace internal = memory_registry_internal;

constexpr size_t kFreedRemembered = 4096;

struct Allocation {
  uint64_t bytes = 0;
  std::string label;
};

using Ranges = std::vector<internal::HitCache::Range>;  // sorted, disjoint

class Registry {
 public:
  // Never destroyed: other static objects may free their memory after main().
  static Registry& Get() {
    static Registry* registry = new Registry;
    return *registry;
  }

  void Begin() {
    std::lock_guard lock(mutex_);
    Changed();
  }

  void Add(uint64_t base, uint64_t bytes, std::string_view label) {
    std::lock_guard lock(mutex_);
    const auto above = live_.upper_bound(base);
    if (above != live_.begin()) {
      const auto below = std::prev(above);
      if (base - below->first < below->second.bytes) live_.erase(below);
    }
    live_[base] = {bytes, std::string(label)};
    Changed();
  }

  void Remove(uint64_t base) {
    std::lock_guard lock(mutex_);
    const auto it = live_.find(base);
    if (it == live_.end()) return;
    freed_.emplace_front(base, std::move(it->second));
    if (freed_.size() > kFreedRemembered) freed_.pop_back();
    live_.erase(it);
    Changed();
  }

  // The ranges of now, and the generation they belong to.
  std::shared_ptr<const Ranges> Snapshot(uint64_t* generation) {
    std::lock_guard lock(mutex_);
    *generation = internal::generation.load(std::memory_order_relaxed);
    if (!snapshot_) {
      auto ranges = std::make_shared<Ranges>();
      ranges->reserve(live_.size());
      for (const auto& [base, allocation] : live_) {
        ranges->push_back({base, base + allocation.bytes});
      }
      snapshot_ = std::move(ranges);
    }
    return snapshot_;
  }

  MemoryRange Find(uint64_t address) {
    std::lock_guard lock(mutex_);
    auto it = live_.upper_bound(address);
    if (it == live_.begin()) return {};
    --it;
    if (address - it->first >= it->second.bytes) return {};
    return {it->first, it->second.bytes, it->second.label};
  }

  Fault Describe(uint64_t address, uint64_t bytes, int lane);

 private:
  void Changed() {
    snapshot_.reset();
    internal::generation.fetch_add(1, std::memory_order_release);
  }
  std::string Nearest(uint64_t address, uint64_t bytes) const;

  std::mutex mutex_;
  std::map<uint64_t, Allocation> live_;                // by base
  std::deque<std::pair<uint64_t, Allocation>> freed_;  // latest first
  std::shared_ptr<const Ranges> snapshot_;             // null: out of date
};

std::string Hex(uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[value % 16]);
    value /= 16;
  } while (value != 0);
  return "0x" + text;
}

std::string Name(uint64_t base, const Allocation& allocation) {
  return "\"" + allocation.label + "\" (" + std::to_string(allocation.bytes) + " bytes at " +
         Hex(base) + ")";
}

std::string Registry::Nearest(uint64_t address, uint64_t bytes) const {
  const auto above = live_.upper_bound(address);
  std::string text;
  uint64_t distance = ~uint64_t{0};
  if (above != live_.begin()) {
    const auto below = std::prev(above);
    const uint64_t end = below->first + below->second.bytes;
    if (address < end) {
      return "the last " + std::to_string(address + bytes - end) + " are behind the end of " +
             Name(below->first, below->second);
    }
    distance = address - end;
    text =
        std::to_string(distance) + " bytes behind the end of " + Name(below->first, below->second);
  }
  if (above != live_.end() && above->first - address < distance) {
    text = std::to_string(above->first - address) + " bytes before " +
           Name(above->first, above->second);
  }
  return text.empty() ? "no device memory is live" : "nearest: " + text;
}

Fault Registry::Describe(uint64_t address, uint64_t bytes, int lane) {
  std::lock_guard lock(mutex_);
  const std::string what = std::to_string(bytes) + " bytes at " + Hex(address);
  const auto above = live_.upper_bound(address);
  const bool begins_in_live =
      above != live_.begin() && address - std::prev(above)->first < std::prev(above)->second.bytes;
  if (!begins_in_live) {
    for (const auto& [base, allocation] : freed_) {
      if (address - base >= allocation.bytes) continue;
      return Fault(FaultKind::kUseAfterFree, lane,
                   what + ": inside " + Name(base, allocation) + ", which was freed");
    }
  }
  return Fault(FaultKind::kIllegalAddress, lane, what + ": " + Nearest(address, bytes));
}

}  // namespace

void BeginMemoryChecks() { Registry::Get().Begin(); }

void RegisterMemory(void* base, size_t bytes, std::string_view label) {
  Registry::Get().Add(reinterpret_cast<uint64_t>(base), bytes, label);
}

void UnregisterMemory(void* base) {
  UnshadowMemory(base);
  Registry::Get().Remove(reinterpret_cast<uint64_t>(base));
}

Fault DescribeBadAccess(uint64_t address, uint64_t bytes, int lane) {
  return Registry::Get().Describe(address, bytes, lane);
}

MemoryRange FindMemory(uint64_t address) { return Registry::Get().Find(address); }

bool memory_registry_internal::FindSlow(uint64_t address, uint64_t bytes) {
  if (generation.load(std::memory_order_acquire) == 0) return true;
  static thread_local std::shared_ptr<const Ranges> ranges;
  HitCache& cache = hit_cache;
  if (cache.generation != generation.load(std::memory_order_acquire)) {
    cache = HitCache();
    ranges = Registry::Get().Snapshot(&cache.generation);
  }
  auto it = std::upper_bound(ranges->begin(), ranges->end(), address,
                             [](uint64_t a, const HitCache::Range& r) { return a < r.begin; });
  if (it == ranges->begin() || !(--it)->Holds(address, bytes)) return false;
  cache.last = *it;
  cache.ways[(address >> 12) % HitCache::kWays] = *it;
  return true;
}

}  // namespace emu
