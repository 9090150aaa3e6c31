// The C interface: launching kernels and host functions.
#include <cuda_runtime_api.h>

#include "emulator/cudart/enqueue.h"
#include "emulator/cudart/entry.h"
#include "emulator/cudart/event_order.h"
#include "emulator/cudart/launch.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/shadow_memory.h"

namespace emu {
namespace {

// Attributes that name an event to record when the kernel is under way: here, when it has ended.
cudaError_t RecordLaunchEvents(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                               const LaunchRequest& request) {
  for (unsigned i = 0; i < request.num_attributes; ++i) {
    const cudaLaunchAttribute& attribute = request.attributes[i];
    cudaEvent_t handle = nullptr;
    if (attribute.id == cudaLaunchAttributeProgrammaticEvent) {
      handle = attribute.val.programmaticEvent.event;
    } else if (attribute.id == cudaLaunchAttributeLaunchCompletionEvent) {
      handle = attribute.val.launchCompletionEvent.event;
    } else {
      continue;
    }
    const auto event = runtime.events.find(handle);
    if (event == runtime.events.end()) return cudaErrorInvalidResourceHandle;
    const cudaError_t error = RecordEvent(runtime, lock, event->second, stream, false);
    if (error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t LaunchIn(const LaunchRequest& request, cudaStream_t handle) {
  return StreamCall(
      handle,
      [&](Runtime& runtime, const std::shared_ptr<Stream>& stream, Lock& lock) -> cudaError_t {
        Device& device = runtime.CurrentDevice();
        if (stream->device != &device) return cudaErrorInvalidResourceHandle;
        KernelWork work;
        cudaError_t error = MakeKernelWork(runtime, device, request, &work);
        if (error == cudaSuccess) error = runtime.Submit(lock, stream, std::move(work));
        if (error == cudaSuccess) error = RecordLaunchEvents(runtime, lock, stream, request);
        return error;
      });
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** args,
                             size_t dynamic_shared_bytes, cudaStream_t stream) {
  return emu::LaunchIn({.function = function,
                        .grid = grid,
                        .block = block,
                        .args = args,
                        .dynamic_shared_bytes = dynamic_shared_bytes},
                       stream);
}

cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void** args,
                                        size_t dynamic_shared_bytes, cudaStream_t stream) {
  return emu::LaunchIn({.function = function,
                        .grid = grid,
                        .block = block,
                        .args = args,
                        .dynamic_shared_bytes = dynamic_shared_bytes,
                        .cooperative = true},
                       stream);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* function,
                                void** args) {
  if (config == nullptr || (config->numAttrs != 0 && config->attrs == nullptr)) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  return emu::LaunchIn({.function = function,
                        .grid = config->gridDim,
                        .block = config->blockDim,
                        .args = args,
                        .dynamic_shared_bytes = config->dynamicSmemBytes,
                        .attributes = config->attrs,
                        .num_attributes = config->numAttrs},
                       config->stream);
}

cudaError_t cudaLaunchKernelExC_ptsz(const cudaLaunchConfig_t* config, const void* function,
                                     void** args) {
  if (config == nullptr) return emu::Remember(cudaErrorInvalidValue);
  cudaLaunchConfig_t mine = *config;
  mine.stream = emu::PerThread(mine.stream);
  return cudaLaunchKernelExC(&mine, function, args);
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* user_data) {
  if (function == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock& lock) {
    return runtime.Submit(lock, found, emu::HostWork{function, user_data});
  });
}

cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback,
                                  void* user_data, unsigned flags) {
  if (callback == nullptr || flags != 0) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(
      stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock& lock) -> cudaError_t {
        if (found->capture != nullptr) {
          found->capture->invalid = true;
          return cudaErrorStreamCaptureUnsupported;
        }
        return runtime.Submit(lock, found, emu::CallbackWork{callback, user_data, stream});
      });
}

void switchyard_emulator_enqueue(cudaStream_t stream, void (*run)(void*), void* argument,
                                 void (*destroy)(void*)) {
  // Freed also when the stream refuses the work.
  std::shared_ptr<void> owned(argument, [destroy](void* held) {
    if (destroy != nullptr) destroy(held);
  });
  emu::StreamCall(stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock& lock) {
    return runtime.Submit(lock, found, emu::CallWork{run, std::move(owned)});
  });
}

bool switchyard_emulator_is_live(const void* address, size_t bytes) {
  return emu::IsLiveMemory(reinterpret_cast<uint64_t>(address), bytes);
}

void switchyard_emulator_mark_written(const void* address, size_t bytes) {
  emu::MarkWritten(address, bytes);
}

}  // extern "C"
