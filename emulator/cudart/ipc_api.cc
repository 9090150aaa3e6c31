// The C interface: memory and events of other processes.
#include <cuda_runtime_api.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "emulator/cudart/entry.h"
#include "emulator/cudart/ipc_event.h"
#include "emulator/cudart/ipc_handle.h"
#include "emulator/ptx/memory_registry.h"

namespace emu {
namespace {

static_assert(sizeof(cudaIpcMemHandle_t) == sizeof(IpcHandle));

// Memory that is already open here, by handle: an open again is one more reference.
struct OpenHandle {
  IpcHandle handle;
  void* base;
};

std::vector<OpenHandle>& OpenHandles() {
  static auto* const open = new std::vector<OpenHandle>();  // guarded by Runtime::mutex
  return *open;
}

void* FindOpen(const IpcHandle& handle) {
  for (const OpenHandle& open : OpenHandles()) {
    if (std::memcmp(&open.handle, &handle, sizeof handle) == 0) return open.base;
  }
  return nullptr;
}

cudaError_t Export(const Runtime& runtime, const Allocation* allocation, const void* pointer,
                   IpcHandle* handle) {
  if (allocation == nullptr || allocation->kind != MemoryKind::kDevice ||
      allocation->base != pointer) {
    return cudaErrorInvalidValue;
  }
  const Device& device = *runtime.devices[static_cast<size_t>(allocation->device->ordinal)];
  *handle = {.kind = IpcHandle::kMemory,
             .process = getpid(),
             .fd = device.arena->fd(),
             .device = device.physical,
             .nonce = device.arena->nonce(),
             .offset = device.arena->OffsetOf(allocation->base),
             .bytes = allocation->bytes};
  return cudaSuccess;
}

cudaError_t Import(Runtime& runtime, Device& device, const IpcHandle& handle, void** out) {
  if (handle.kind != IpcHandle::kMemory || handle.bytes == 0) return cudaErrorInvalidValue;
  // A process cannot open its own handles.
  if (handle.process == getpid()) return cudaErrorDeviceUninitialized;
  if (void* open = FindOpen(handle)) {
    ++runtime.allocations.FindBase(open)->references;
    *out = open;
    return cudaSuccess;
  }
  const int fd = OpenIpcFile(handle);
  if (fd < 0) return cudaErrorInvalidResourceHandle;
  const size_t mapped = DeviceArena::PageRound(handle.bytes);
  void* base = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    static_cast<off_t>(handle.offset));
  close(fd);
  if (base == MAP_FAILED) return cudaErrorMapBufferObjectFailed;
  runtime.allocations.Add({.base = static_cast<std::byte*>(base),
                           .bytes = handle.bytes,
                           .kind = MemoryKind::kImported,
                           .device = &device,
                           .mapped_bytes = mapped});
  RegisterMemory(base, handle.bytes, "memory of another process");
  OpenHandles().push_back({handle, base});
  *out = base;
  return cudaSuccess;
}

cudaError_t Close(Runtime& runtime, Lock& lock, void* base) {
  const Allocation* found = runtime.allocations.FindBase(base);
  if (found == nullptr || found->kind != MemoryKind::kImported) return cudaErrorInvalidValue;
  runtime.scheduler.WaitForDevice(lock, *found->device);
  Allocation* allocation = runtime.allocations.FindBase(base);
  if (allocation == nullptr) return cudaErrorInvalidValue;
  if (--allocation->references > 0) return cudaSuccess;
  UnregisterMemory(base);
  munmap(base, allocation->mapped_bytes);
  runtime.allocations.Remove(base);
  std::erase_if(OpenHandles(), [&](const OpenHandle& open) { return open.base == base; });
  return cudaSuccess;
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t* handle, void* pointer) {
  if (handle == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock&) {
    emu::IpcHandle parts;
    const cudaError_t error =
        emu::Export(runtime, runtime.allocations.Find(pointer), pointer, &parts);
    if (error == cudaSuccess) std::memcpy(handle, &parts, sizeof parts);
    return error;
  });
}

cudaError_t cudaIpcOpenMemHandle(void** pointer, cudaIpcMemHandle_t handle, unsigned flags) {
  if (pointer == nullptr || flags != cudaIpcMemLazyEnablePeerAccess) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) {
    emu::IpcHandle parts;
    std::memcpy(static_cast<void*>(&parts), &handle, sizeof parts);
    return emu::Import(runtime, device, parts, pointer);
  });
}

cudaError_t cudaIpcCloseMemHandle(void* pointer) {
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock& lock) {
    return emu::Close(runtime, lock, pointer);
  });
}

cudaError_t cudaIpcGetEventHandle(cudaIpcEventHandle_t* handle, cudaEvent_t event) {
  if (handle == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock&) -> cudaError_t {
    const auto found = runtime.events.find(event);
    if (found == runtime.events.end() || found->second->ipc == nullptr) {
      return cudaErrorInvalidResourceHandle;
    }
    found->second->ipc->ExportTo(&handle->reserved);
    return cudaSuccess;
  });
}

cudaError_t cudaIpcOpenEventHandle(cudaEvent_t* event, cudaIpcEventHandle_t handle) {
  if (event == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::DeviceCall(
      [&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) -> cudaError_t {
        auto opened = std::make_shared<emu::Event>();
        opened->device = &device;
        opened->flags = cudaEventInterprocess | cudaEventDisableTiming;
        opened->ipc = emu::IpcEvent::Import(handle.reserved);
        if (opened->ipc == nullptr) return cudaErrorInvalidResourceHandle;
        *event = reinterpret_cast<cudaEvent_t>(opened.get());
        runtime.events[opened.get()] = std::move(opened);
        return cudaSuccess;
      });
}

}  // extern "C"
