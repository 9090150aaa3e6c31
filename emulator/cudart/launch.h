// From the arguments of a launch call to a KernelWork that a real device would accept, or the error
// that it would give.
//
// Thread: under Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_LAUNCH_H_
#define SWITCHYARD_EMULATOR_CUDART_LAUNCH_H_

#include <driver_types.h>

#include "emulator/cudart/runtime.h"

namespace emu {

struct LaunchRequest {
  const void* function = nullptr;  // host stub or handle
  dim3 grid, block;
  void** args = nullptr;   // one pointer per parameter
  void** extra = nullptr;  // packed parameters, as cudaKernelNodeParams has them; instead of args
  size_t dynamic_shared_bytes = 0;
  const cudaLaunchAttribute* attributes = nullptr;
  unsigned num_attributes = 0;
  bool cooperative = false;
};

cudaError_t MakeKernelWork(Runtime& runtime, Device& device, const LaunchRequest& request,
                           KernelWork* work);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_LAUNCH_H_
