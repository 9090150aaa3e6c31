#include "emulator/ptx/shadow_memory.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <vector>

namespace emu {
namespace {

struct FreeBytes {
  void operator()(uint8_t* bytes) const { std::free(bytes); }
};

struct Shadow {
  uint64_t bytes = 0;
  // calloc: pages that nobody touches cost nothing.
  std::unique_ptr<uint8_t, FreeBytes> written;
};

class Shadows {
 public:
  // Never destroyed: other static objects may free their memory after main().
  static Shadows& Get() {
    static Shadows* shadows = new Shadows;
    return *shadows;
  }

  void Add(uint64_t base, uint64_t bytes) {
    Shadow shadow = {bytes, {}};
    shadow.written.reset(static_cast<uint8_t*>(std::calloc(bytes, 1)));
    if (!shadow.written) return;  // unchecked rather than dead
    const std::unique_lock lock(mutex_);
    shadows_[base] = std::move(shadow);
    count_.store(shadows_.size(), std::memory_order_relaxed);
  }

  void Remove(uint64_t base) {
    if (count_.load(std::memory_order_relaxed) == 0) return;
    const std::unique_lock lock(mutex_);
    shadows_.erase(base);
    count_.store(shadows_.size(), std::memory_order_relaxed);
  }

  // Calls use(first shadow byte, address, length) for each part that has a shadow, in order, until
  // it gives false.
  template <class Use>
  void ForEach(uint64_t address, uint64_t bytes, Use use) {
    if (count_.load(std::memory_order_relaxed) == 0) return;
    const std::shared_lock lock(mutex_);
    auto it = shadows_.upper_bound(address);
    if (it != shadows_.begin()) --it;
    for (; it != shadows_.end() && it->first < address + bytes; ++it) {
      const uint64_t begin = std::max(address, it->first);
      const uint64_t end = std::min(address + bytes, it->first + it->second.bytes);
      if (begin >= end) continue;
      if (!use(it->second.written.get() + (begin - it->first), begin, end - begin)) return;
    }
  }

 private:
  std::atomic<size_t> count_{0};
  std::shared_mutex mutex_;
  std::map<uint64_t, Shadow> shadows_;  // by base
};

}  // namespace

void ShadowMemory(void* base, size_t bytes) {
  Shadows::Get().Add(reinterpret_cast<uint64_t>(base), bytes);
}

void UnshadowMemory(void* base) { Shadows::Get().Remove(reinterpret_cast<uint64_t>(base)); }

void MarkWritten(const void* at, size_t bytes) {
  Shadows::Get().ForEach(reinterpret_cast<uint64_t>(at), bytes,
                         [](uint8_t* written, uint64_t, uint64_t length) {
                           std::memset(written, 1, length);
                           return true;
                         });
}

void CopyWritten(const void* to, const void* from, size_t bytes) {
  std::vector<uint8_t> known(bytes, 1);
  const auto source = reinterpret_cast<uint64_t>(from);
  Shadows::Get().ForEach(source, bytes,
                         [&](const uint8_t* written, uint64_t begin, uint64_t length) {
                           std::memcpy(known.data() + (begin - source), written, length);
                           return true;
                         });
  const auto target = reinterpret_cast<uint64_t>(to);
  Shadows::Get().ForEach(target, bytes, [&](uint8_t* written, uint64_t begin, uint64_t length) {
    std::memcpy(written, known.data() + (begin - target), length);
    return true;
  });
}

bool FindUnwritten(uint64_t address, uint64_t bytes, uint64_t* first) {
  bool found = false;
  Shadows::Get().ForEach(address, bytes,
                         [&](const uint8_t* written, uint64_t begin, uint64_t length) {
                           const void* zero = std::memchr(written, 0, length);
                           if (zero == nullptr) return true;
                           found = true;
                           *first = begin + (static_cast<const uint8_t*>(zero) - written);
                           return false;
                         });
  return found;
}

}  // namespace emu
