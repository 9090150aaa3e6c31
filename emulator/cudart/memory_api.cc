// The C interface: device memory and what pointers mean.
#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <algorithm>
#include <string>

#include "emulator/cudart/entry.h"
#include "emulator/ptx/memory_registry.h"

namespace emu {
namespace {

constexpr size_t kPitchUnit = 512;

std::string LabelOf(const char* call, const Device& device) {
  return std::string(call) + " on device " + std::to_string(device.ordinal);
}

cudaError_t Allocate(Runtime& runtime, Device& device, size_t bytes, void** out) {
  if (const cudaError_t error = runtime.CheckUnsafe()) return error;
  *out = nullptr;
  if (bytes == 0) return cudaSuccess;
  DeviceArena* arena = runtime.ArenaOf(device);
  void* base = arena == nullptr ? nullptr : arena->Allocate(bytes);
  if (base == nullptr) return cudaErrorMemoryAllocation;
  runtime.allocations.Add({.base = static_cast<std::byte*>(base),
                           .bytes = bytes,
                           .kind = MemoryKind::kDevice,
                           .device = &device});
  runtime.RegisterFresh(base, bytes, LabelOf("cudaMalloc", device));
  *out = base;
  return cudaSuccess;
}

cudaError_t FreeManaged(Runtime& runtime, const Allocation& allocation) {
  void* base = allocation.base;
  UnregisterMemory(base);
  munmap(base, allocation.mapped_bytes);
  runtime.allocations.Remove(base);
  return cudaSuccess;
}

// A free waits for the device, as CUDA's does: kernels under way may use the memory.
cudaError_t Free(Runtime& runtime, Lock& lock, void* base) {
  if (base == nullptr) return cudaSuccess;
  if (const cudaError_t error = runtime.CheckUnsafe()) return error;
  const Allocation* found = runtime.allocations.FindBase(base);
  if (found == nullptr || found->free_queued) return cudaErrorInvalidValue;
  runtime.scheduler.WaitForDevice(lock, *found->device);
  Allocation* allocation = runtime.allocations.FindBase(base);
  if (allocation == nullptr) return cudaErrorInvalidValue;
  switch (allocation->kind) {
    case MemoryKind::kDevice:
    case MemoryKind::kPool:
      return runtime.FinishFree(base);
    case MemoryKind::kManaged:
      if (allocation->mapped_bytes == 0) return cudaErrorInvalidValue;  // a variable
      return FreeManaged(runtime, *allocation);
    default:
      return cudaErrorInvalidValue;
  }
}

cudaMemoryType TypeOf(const Allocation& allocation) {
  if (allocation.on_host()) return cudaMemoryTypeHost;
  return allocation.kind == MemoryKind::kManaged ? cudaMemoryTypeManaged : cudaMemoryTypeDevice;
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaMalloc(void** out, size_t bytes) {
  if (out == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) {
    return emu::Allocate(runtime, device, bytes, out);
  });
}

cudaError_t cudaFree(void* base) {
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock& lock) {
    return emu::Free(runtime, lock, base);
  });
}

cudaError_t cudaMallocPitch(void** out, size_t* pitch, size_t width, size_t height) {
  if (out == nullptr || pitch == nullptr) return emu::Remember(cudaErrorInvalidValue);
  size_t padded = 0, bytes = 0;
  if (__builtin_add_overflow(width, emu::kPitchUnit - 1, &padded) ||
      __builtin_mul_overflow(padded / emu::kPitchUnit * emu::kPitchUnit, height, &bytes)) {
    return emu::Remember(cudaErrorMemoryAllocation);
  }
  *pitch = padded / emu::kPitchUnit * emu::kPitchUnit;
  return cudaMalloc(out, bytes);
}

cudaError_t cudaMallocManaged(void** out, size_t bytes, unsigned flags) {
  if (out == nullptr || bytes == 0 ||
      (flags != cudaMemAttachGlobal && flags != cudaMemAttachHost)) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device& device,
                             emu::Lock&) -> cudaError_t {
    if (const cudaError_t error = runtime.CheckUnsafe()) return error;
    void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return cudaErrorMemoryAllocation;
    runtime.allocations.Add({.base = static_cast<std::byte*>(base),
                             .bytes = bytes,
                             .kind = emu::MemoryKind::kManaged,
                             .device = &device,
                             .mapped_bytes = bytes});
    emu::RegisterMemory(base, bytes, "cudaMallocManaged");
    *out = base;
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return emu::DeviceCall(
      [&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) -> cudaError_t {
        const emu::DeviceArena* arena = runtime.ArenaOf(device);
        if (arena == nullptr) return cudaErrorMemoryAllocation;
        if (free != nullptr) *free = arena->capacity() - arena->used();
        if (total != nullptr) *total = arena->capacity();
        return cudaSuccess;
      });
}

// Unknown memory is no error: it belongs to the host alone.
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  if (attributes == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) {
    *attributes = {};
    const emu::Allocation* allocation = runtime.allocations.Find(pointer);
    void* mutable_pointer = const_cast<void*>(pointer);
    if (allocation == nullptr) {
      attributes->type = cudaMemoryTypeUnregistered;
      attributes->device = cudaInvalidDeviceId;
      attributes->hostPointer = mutable_pointer;
      return cudaSuccess;
    }
    attributes->type = emu::TypeOf(*allocation);
    attributes->device = allocation->device->ordinal;
    attributes->devicePointer = mutable_pointer;
    if (attributes->type != cudaMemoryTypeDevice) attributes->hostPointer = mutable_pointer;
    return cudaSuccess;
  });
}

// Hints about where managed memory should be: it is everywhere here.
cudaError_t cudaMemPrefetchAsync(const void* pointer, size_t bytes, cudaMemLocation /*location*/,
                                 unsigned flags, cudaStream_t stream) {
  return emu::StreamCall(
      stream, [&](emu::Runtime& runtime, const auto&, emu::Lock&) -> cudaError_t {
        const emu::Allocation* found = runtime.allocations.Find(pointer);
        if (flags != 0 || found == nullptr || found->kind != emu::MemoryKind::kManaged ||
            found->OffsetOf(pointer) + bytes > found->bytes) {
          return cudaErrorInvalidValue;
        }
        return cudaSuccess;
      });
}

cudaError_t cudaMemAdvise(const void* pointer, size_t bytes, cudaMemoryAdvise /*advice*/,
                          cudaMemLocation /*location*/) {
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    const emu::Allocation* found = runtime.allocations.Find(pointer);
    if (found == nullptr || found->kind != emu::MemoryKind::kManaged ||
        found->OffsetOf(pointer) + bytes > found->bytes) {
      return cudaErrorInvalidValue;
    }
    return cudaSuccess;
  });
}

}  // extern "C"
