// The C interface: stream-ordered memory and its pools.
#include <cuda_runtime_api.h>

#include "emulator/cudart/entry.h"

namespace emu {
namespace {

cudaMemPool_t HandleOf(const std::shared_ptr<MemoryPool>& pool) {
  return reinterpret_cast<cudaMemPool_t>(pool.get());
}

// Takes the address now; the memory is there when the stream gets to it, and not before.
cudaError_t AllocateFrom(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                         const std::shared_ptr<MemoryPool>& pool, size_t bytes, void** out) {
  *out = nullptr;
  if (bytes == 0) return cudaSuccess;
  Device& device = *pool->device;
  if (stream->capture != nullptr) {
    AllocateWork work = runtime.NewGraphMemory(device, bytes);
    if (work.base == nullptr) return cudaErrorMemoryAllocation;
    *out = work.base;
    return runtime.Submit(lock, stream, std::move(work));
  }
  DeviceArena* arena = runtime.ArenaOf(device);
  if (arena == nullptr) return cudaErrorMemoryAllocation;
  if (pool->max_bytes != 0 && pool->used + bytes > pool->max_bytes) {
    return cudaErrorMemoryAllocation;
  }
  void* base = arena->Reserve(bytes);
  if (base == nullptr) {  // what is freed in some stream's order may help
    runtime.scheduler.WaitForDevice(lock, device);
    base = arena->Reserve(bytes);
  }
  if (base == nullptr) return cudaErrorMemoryAllocation;
  pool->Add(bytes);
  runtime.allocations.Add({.base = static_cast<std::byte*>(base),
                           .bytes = bytes,
                           .kind = MemoryKind::kPool,
                           .device = &device,
                           .pool = pool});
  *out = base;
  return runtime.Submit(lock, stream, AllocateWork{&device, base, bytes, nullptr});
}

cudaError_t FreeIn(Runtime& runtime, Lock& lock, const std::shared_ptr<Stream>& stream,
                   void* base) {
  if (base == nullptr) return cudaSuccess;
  Allocation* allocation = runtime.allocations.FindBase(base);
  const bool known =
      allocation != nullptr && !allocation->free_queued &&
      (allocation->kind == MemoryKind::kPool || allocation->kind == MemoryKind::kDevice);
  if (!known) return cudaErrorInvalidValue;
  // In a capture the free belongs to the graph; the pointer stays good until that runs.
  if (stream->capture == nullptr && !allocation->graph_owned) allocation->free_queued = true;
  return runtime.Submit(lock, stream, FreeWork{allocation->device, base});
}

// body(Runtime&, const std::shared_ptr<MemoryPool>&).
template <typename Body>
cudaError_t PoolCall(cudaMemPool_t handle, Body body) {
  return HostCall([&](Runtime& runtime, Lock&) -> cudaError_t {
    const auto found = runtime.pools.find(handle);
    return found == runtime.pools.end() ? cudaErrorInvalidValue : body(runtime, found->second);
  });
}

template <typename Body>
cudaError_t OrdinalCall(int ordinal, Body body) {
  return HostCall([&](Runtime& runtime, Lock&) -> cudaError_t {
    const bool known = ordinal >= 0 && ordinal < static_cast<int>(runtime.devices.size());
    return known ? body(runtime, *runtime.devices[static_cast<size_t>(ordinal)])
                 : cudaErrorInvalidDevice;
  });
}

int* ReuseFlag(MemoryPool& pool, cudaMemPoolAttr attribute) {
  switch (attribute) {
    case cudaMemPoolReuseFollowEventDependencies:
      return &pool.reuse_follow_event_dependencies;
    case cudaMemPoolReuseAllowOpportunistic:
      return &pool.reuse_allow_opportunistic;
    case cudaMemPoolReuseAllowInternalDependencies:
      return &pool.reuse_allow_internal_dependencies;
    default:
      return nullptr;
  }
}

cudaError_t SetAttribute(MemoryPool& pool, cudaMemPoolAttr attribute, const void* value) {
  if (int* flag = ReuseFlag(pool, attribute)) {
    *flag = *static_cast<const int*>(value);
    return cudaSuccess;
  }
  const uint64_t number = *static_cast<const uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      pool.release_threshold = number;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      if (number != 0) return cudaErrorInvalidValue;  // it can only be reset
      pool.used_high = pool.used;
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

cudaError_t GetAttribute(MemoryPool& pool, cudaMemPoolAttr attribute, void* value) {
  if (const int* flag = ReuseFlag(pool, attribute)) {
    *static_cast<int*>(value) = *flag;
    return cudaSuccess;
  }
  auto* number = static_cast<uint64_t*>(value);
  switch (attribute) {
    case cudaMemPoolAttrReleaseThreshold:
      *number = pool.release_threshold;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      *number = pool.used;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      *number = pool.used_high;
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaMallocAsync(void** out, size_t bytes, cudaStream_t stream) {
  if (out == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock& lock) {
    return emu::AllocateFrom(runtime, lock, found, found->device->current_pool, bytes, out);
  });
}

cudaError_t cudaMallocAsync_ptsz(void** out, size_t bytes, cudaStream_t stream) {
  return cudaMallocAsync(out, bytes, emu::PerThread(stream));
}

cudaError_t cudaMallocFromPoolAsync(void** out, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  if (out == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(
      stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock& lock) -> cudaError_t {
        const auto known = runtime.pools.find(pool);
        if (known == runtime.pools.end()) return cudaErrorInvalidValue;
        return emu::AllocateFrom(runtime, lock, found, known->second, bytes, out);
      });
}

cudaError_t cudaMallocFromPoolAsync_ptsz(void** out, size_t bytes, cudaMemPool_t pool,
                                         cudaStream_t stream) {
  return cudaMallocFromPoolAsync(out, bytes, pool, emu::PerThread(stream));
}

cudaError_t cudaFreeAsync(void* base, cudaStream_t stream) {
  return emu::StreamCall(stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock& lock) {
    return emu::FreeIn(runtime, lock, found, base);
  });
}

cudaError_t cudaFreeAsync_ptsz(void* base, cudaStream_t stream) {
  return cudaFreeAsync(base, emu::PerThread(stream));
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t* out, const cudaMemPoolProps* properties) {
  if (out == nullptr || properties == nullptr ||
      properties->allocType != cudaMemAllocationTypePinned) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  if (properties->handleTypes != cudaMemHandleTypeNone ||
      properties->location.type != cudaMemLocationTypeDevice) {
    return emu::Remember(cudaErrorNotSupported);
  }
  return emu::OrdinalCall(properties->location.id, [&](emu::Runtime& runtime, emu::Device& device) {
    auto pool = std::make_shared<emu::MemoryPool>();
    pool->device = &device;
    pool->max_bytes = properties->maxSize;
    *out = emu::HandleOf(pool);
    runtime.pools[pool.get()] = std::move(pool);
    return cudaSuccess;
  });
}

// Its allocations stay; they hold the pool until they are freed.
cudaError_t cudaMemPoolDestroy(cudaMemPool_t handle) {
  return emu::PoolCall(handle, [&](emu::Runtime& runtime, const auto& pool) -> cudaError_t {
    if (pool->is_default) return cudaErrorInvalidValue;
    emu::Device& device = *pool->device;
    if (device.current_pool == pool) device.current_pool = device.default_pool;
    runtime.pools.erase(handle);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* out, int ordinal) {
  if (out == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::OrdinalCall(ordinal, [&](emu::Runtime&, emu::Device& device) {
    *out = emu::HandleOf(device.default_pool);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* out, int ordinal) {
  if (out == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::OrdinalCall(ordinal, [&](emu::Runtime&, emu::Device& device) {
    *out = emu::HandleOf(device.current_pool);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSetMemPool(int ordinal, cudaMemPool_t handle) {
  return emu::OrdinalCall(ordinal, [&](emu::Runtime& runtime, emu::Device& device) -> cudaError_t {
    const auto found = runtime.pools.find(handle);
    if (found == runtime.pools.end() || found->second->device != &device) {
      return cudaErrorInvalidValue;
    }
    device.current_pool = found->second;
    return cudaSuccess;
  });
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t handle, size_t /*bytes_to_keep*/) {
  return emu::PoolCall(handle, [](emu::Runtime&, const auto&) { return cudaSuccess; });
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t handle, cudaMemPoolAttr attribute, void* value) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::PoolCall(handle, [&](emu::Runtime&, const auto& pool) {
    return emu::SetAttribute(*pool, attribute, value);
  });
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t handle, cudaMemPoolAttr attribute, void* value) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::PoolCall(handle, [&](emu::Runtime&, const auto& pool) {
    return emu::GetAttribute(*pool, attribute, value);
  });
}

cudaError_t cudaMemPoolSetAccess(cudaMemPool_t handle, const cudaMemAccessDesc* descriptions,
                                 size_t count) {
  if (count > 0 && descriptions == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::PoolCall(handle, [&](emu::Runtime& runtime, const auto& pool) -> cudaError_t {
    for (size_t i = 0; i < count; ++i) {
      const cudaMemLocation& location = descriptions[i].location;
      if (location.type != cudaMemLocationTypeDevice || location.id < 0 ||
          location.id >= static_cast<int>(runtime.devices.size())) {
        return cudaErrorInvalidValue;
      }
      if (location.id != pool->device->ordinal) pool->access[location.id] = descriptions[i].flags;
    }
    return cudaSuccess;
  });
}

cudaError_t cudaMemPoolGetAccess(cudaMemAccessFlags* flags, cudaMemPool_t handle,
                                 cudaMemLocation* location) {
  if (flags == nullptr || location == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::PoolCall(handle, [&](emu::Runtime&, const auto& pool) -> cudaError_t {
    if (location->type != cudaMemLocationTypeDevice) return cudaErrorInvalidValue;
    const auto found = pool->access.find(location->id);
    *flags = location->id == pool->device->ordinal ? cudaMemAccessFlagsProtReadWrite
             : found == pool->access.end()         ? cudaMemAccessFlagsProtNone
                                                   : found->second;
    return cudaSuccess;
  });
}

}  // extern "C"
