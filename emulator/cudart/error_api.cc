// The C interface: errors.
#include <cuda_runtime_api.h>

#include <utility>

#include "emulator/cudart/entry.h"
#include "emulator/cudart/error_text.h"

namespace emu {
namespace {

thread_local cudaError_t last_error = cudaSuccess;

// The fatal error of the calling thread's device, if it has one.
cudaError_t StickyError() {
  Runtime* runtime = Runtime::Get();
  if (runtime == nullptr || runtime->devices.empty()) return cudaSuccess;
  const Lock lock(runtime->mutex);
  return runtime->devices[static_cast<size_t>(current_device)]->sticky;
}

}  // namespace

cudaError_t Remember(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

cudaError_t LastError() {
  const cudaError_t sticky = StickyError();
  return sticky != cudaSuccess ? sticky : last_error;
}

cudaError_t TakeLastError() {
  const cudaError_t sticky = StickyError();
  const cudaError_t last = std::exchange(last_error, cudaSuccess);
  return sticky != cudaSuccess ? sticky : last;
}

}  // namespace emu

extern "C" {

cudaError_t cudaGetLastError() { return emu::TakeLastError(); }
cudaError_t cudaPeekAtLastError() { return emu::LastError(); }
const char* cudaGetErrorName(cudaError_t error) { return emu::ErrorName(error); }
const char* cudaGetErrorString(cudaError_t error) { return emu::ErrorDescription(error); }

}  // extern "C"
