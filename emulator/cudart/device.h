// One emulated device as one process sees it: what CUDA calls a primary context. Its memory arena,
// its implicit streams, its first fatal error.
//
// Owner: Runtime. Thread: all fields under Runtime::mutex, except those that are const.
#ifndef SWITCHYARD_EMULATOR_CUDART_DEVICE_H_
#define SWITCHYARD_EMULATOR_CUDART_DEVICE_H_

#include <driver_types.h>

#include <map>
#include <memory>
#include <set>

#include "emulator/cudart/device_arena.h"
#include "emulator/cudart/memory_pool.h"
#include "emulator/cudart/stream.h"

namespace emu {

struct Device {
  int ordinal = 0;   // as this process numbers its visible devices
  int physical = 0;  // place in the machine
  cudaDeviceProp properties{};

  // A fault of a kernel ends the context: every call that touches the device gives this error from
  // then on (until cudaDeviceReset).
  cudaError_t sticky = cudaSuccess;

  std::unique_ptr<DeviceArena> arena;
  std::shared_ptr<Stream> legacy;
  std::shared_ptr<MemoryPool> default_pool;
  std::shared_ptr<MemoryPool> current_pool;
  std::set<int> peers;  // devices whose memory this one may access
  unsigned flags = 0;   // cudaDeviceSchedule*
  std::map<cudaLimit, size_t> limits;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_DEVICE_H_
