// The C interface: pinned host memory. Kernels reach it at its host address.
#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include "emulator/cudart/entry.h"
#include "emulator/ptx/memory_registry.h"

namespace emu {
namespace {

constexpr unsigned kAllocFlags =
    cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined;
constexpr unsigned kRegisterFlags = cudaHostRegisterPortable | cudaHostRegisterMapped |
                                    cudaHostRegisterIoMemory | cudaHostRegisterReadOnly;

cudaError_t AllocateHost(Runtime& runtime, Device& device, size_t bytes, unsigned flags,
                         void** out) {
  if (const cudaError_t error = runtime.CheckUnsafe()) return error;
  *out = nullptr;
  if (bytes == 0) return cudaSuccess;
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return cudaErrorMemoryAllocation;
  runtime.allocations.Add({.base = static_cast<std::byte*>(base),
                           .bytes = bytes,
                           .kind = MemoryKind::kPinned,
                           .device = &device,
                           .flags = flags,
                           .mapped_bytes = bytes});
  RegisterMemory(base, bytes, "cudaHostAlloc");
  *out = base;
  return cudaSuccess;
}

// Waits for every device: any may have copies of the memory under way.
cudaError_t Release(Runtime& runtime, Lock& lock, void* base, MemoryKind kind,
                    cudaError_t if_unknown) {
  if (const cudaError_t error = runtime.CheckUnsafe()) return error;
  const Allocation* found = runtime.allocations.FindBase(base);
  if (found == nullptr || found->kind != kind) return if_unknown;
  for (const auto& device : runtime.devices) runtime.scheduler.WaitForDevice(lock, *device);
  found = runtime.allocations.FindBase(base);
  if (found == nullptr || found->kind != kind) return if_unknown;
  UnregisterMemory(base);
  if (kind == MemoryKind::kPinned) munmap(base, found->mapped_bytes);
  runtime.allocations.Remove(base);
  return cudaSuccess;
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned flags) {
  if (out == nullptr || (flags & ~emu::kAllocFlags) != 0) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) {
    return emu::AllocateHost(runtime, device, bytes, flags, out);
  });
}

cudaError_t cudaMallocHost(void** out, size_t bytes) { return cudaHostAlloc(out, bytes, 0); }

cudaError_t cudaFreeHost(void* base) {
  if (base == nullptr) return cudaSuccess;
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock& lock) {
    return emu::Release(runtime, lock, base, emu::MemoryKind::kPinned, cudaErrorInvalidValue);
  });
}

cudaError_t cudaHostRegister(void* base, size_t bytes, unsigned flags) {
  if (base == nullptr || bytes == 0 || bytes > -reinterpret_cast<uintptr_t>(base) ||
      (flags & ~emu::kRegisterFlags) != 0) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  return emu::DeviceCall(
      [&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) -> cudaError_t {
        if (const cudaError_t error = runtime.CheckUnsafe()) return error;
        if (runtime.allocations.FindOverlap(base, bytes) != nullptr) {
          return cudaErrorHostMemoryAlreadyRegistered;
        }
        runtime.allocations.Add({.base = static_cast<std::byte*>(base),
                                 .bytes = bytes,
                                 .kind = emu::MemoryKind::kRegistered,
                                 .device = &device,
                                 .flags = flags});
        emu::RegisterMemory(base, bytes, "cudaHostRegister");
        return cudaSuccess;
      });
}

cudaError_t cudaHostUnregister(void* base) {
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock& lock) {
    return emu::Release(runtime, lock, base, emu::MemoryKind::kRegistered,
                        cudaErrorHostMemoryNotRegistered);
  });
}

cudaError_t cudaHostGetDevicePointer(void** out, void* host, unsigned flags) {
  if (out == nullptr || flags != 0) return emu::Remember(cudaErrorInvalidValue);
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock&) -> cudaError_t {
    const emu::Allocation* found = runtime.allocations.Find(host);
    if (found == nullptr || !found->on_host()) return cudaErrorInvalidValue;
    *out = host;
    return cudaSuccess;
  });
}

}  // extern "C"
