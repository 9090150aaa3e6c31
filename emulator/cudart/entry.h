// How every call of the C interface begins and ends: it takes the lock, refuses what a dead device,
// a host function or a forked child may not do, and leaves its result for cudaGetLastError.
//
// Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_ENTRY_H_
#define SWITCHYARD_EMULATOR_CUDART_ENTRY_H_

#include <driver_types.h>

#include <memory>

#include "emulator/cudart/runtime.h"

namespace emu {

// Keeps a failure as the calling thread's last error; returns it.
cudaError_t Remember(cudaError_t error);
// The last error without, and with, forgetting it. A fatal error of the current device stays.
cudaError_t LastError();
cudaError_t TakeLastError();

// A call that touches no device. body(Runtime&, Lock&).
template <typename Body>
cudaError_t HostCall(Body body) {
  if (InsideHostFunction()) return Remember(cudaErrorNotPermitted);
  Runtime* runtime = Runtime::Use();
  if (runtime == nullptr) return Remember(cudaErrorInitializationError);
  Lock lock(runtime->mutex);
  return Remember(body(*runtime, lock));
}

// A call on the current device. body(Runtime&, Device&, Lock&).
template <typename Body>
cudaError_t DeviceCall(Body body) {
  return HostCall([&](Runtime& runtime, Lock& lock) -> cudaError_t {
    if (runtime.devices.empty()) return cudaErrorNoDevice;
    Device& device = runtime.CurrentDevice();
    if (device.sticky != cudaSuccess) return device.sticky;
    return body(runtime, device, lock);
  });
}

// A call on a stream. body(Runtime&, const std::shared_ptr<Stream>&, Lock&).
template <typename Body>
cudaError_t StreamCall(cudaStream_t handle, Body body) {
  return DeviceCall([&](Runtime& runtime, Device& device, Lock& lock) -> cudaError_t {
    const std::shared_ptr<Stream> stream = runtime.FindStream(handle, device);
    if (stream == nullptr) return cudaErrorInvalidResourceHandle;
    if (stream->device->sticky != cudaSuccess) return stream->device->sticky;
    return body(runtime, stream, lock);
  });
}

// The stream's null handle means the calling thread's own stream: what nvcc's
// --default-stream per-thread makes of every call (the _ptsz and _ptds names).
inline cudaStream_t PerThread(cudaStream_t handle) {
  return handle == nullptr ? cudaStreamPerThread : handle;
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_ENTRY_H_
