// A pool of stream-ordered memory (cudaMallocAsync). Pools are accounts: their memory comes from
// the device's arena and goes back to it when it is freed in stream order, so that use after a free
// is found whatever the pool's reuse policy permits. What a pool "reserves" is what is in use.
//
// Owner: Runtime, shared with allocations. Thread: under Runtime::mutex. Units: bytes.
#ifndef SWITCHYARD_EMULATOR_CUDART_MEMORY_POOL_H_
#define SWITCHYARD_EMULATOR_CUDART_MEMORY_POOL_H_

#include <driver_types.h>

#include <algorithm>
#include <cstdint>
#include <map>

namespace emu {

struct Device;

struct MemoryPool {
  Device* device = nullptr;
  bool is_default = false;
  uint64_t max_bytes = 0;  // 0: as much as the device has
  uint64_t release_threshold = 0;
  int reuse_follow_event_dependencies = 1;
  int reuse_allow_opportunistic = 1;
  int reuse_allow_internal_dependencies = 1;
  uint64_t used = 0;
  uint64_t used_high = 0;
  std::map<int, cudaMemAccessFlags> access;  // by device, other than its own

  void Add(uint64_t bytes) {
    used += bytes;
    used_high = std::max(used_high, used);
  }
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_MEMORY_POOL_H_
