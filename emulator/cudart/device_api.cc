// The C interface: devices and versions.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>

#include "emulator/cudart/device_properties.h"
#include "emulator/cudart/entry.h"

namespace emu {
namespace {

constexpr int kVersion = 13000;
constexpr int kLeastPriority = 0;
constexpr int kGreatestPriority = -5;

// body(Runtime&, Device&) for a device by ordinal; no device is touched.
template <typename Body>
cudaError_t OrdinalCall(int ordinal, Body body) {
  return HostCall([&](Runtime& runtime, Lock&) -> cudaError_t {
    if (runtime.devices.empty()) return cudaErrorNoDevice;
    if (ordinal < 0 || ordinal >= static_cast<int>(runtime.devices.size())) {
      return cudaErrorInvalidDevice;
    }
    return body(runtime, *runtime.devices[static_cast<size_t>(ordinal)]);
  });
}

size_t DefaultLimit(cudaLimit limit) {
  switch (limit) {
    case cudaLimitStackSize:
      return 1024;
    case cudaLimitPrintfFifoSize:
      return size_t{1} << 20;
    case cudaLimitMallocHeapSize:
      return size_t{8} << 20;
    case cudaLimitMaxL2FetchGranularity:
      return 64;
    default:
      return 0;
  }
}

bool IsLimit(cudaLimit limit) {
  return limit == cudaLimitStackSize || limit == cudaLimitPrintfFifoSize ||
         limit == cudaLimitMallocHeapSize || limit == cudaLimitMaxL2FetchGranularity ||
         limit == cudaLimitPersistingL2CacheSize;
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  if (count == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) {
    *count = static_cast<int>(runtime.devices.size());
    return *count == 0 ? cudaErrorNoDevice : cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int ordinal) {
  return emu::OrdinalCall(ordinal, [&](emu::Runtime&, emu::Device& device) {
    emu::current_device = ordinal;
    return device.sticky;
  });
}

cudaError_t cudaGetDevice(int* ordinal) {
  if (ordinal == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) {
    *ordinal = emu::current_device;
    return runtime.devices.empty() ? cudaErrorNoDevice : cudaSuccess;
  });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int ordinal) {
  if (properties == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::OrdinalCall(ordinal, [&](emu::Runtime&, emu::Device& device) {
    *properties = device.properties;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int ordinal) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::OrdinalCall(ordinal, [&](emu::Runtime&, emu::Device& device) -> cudaError_t {
    const std::optional<int> found = emu::AttributeOf(device.properties, attribute);
    if (!found) return cudaErrorInvalidValue;
    *value = *found;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int ordinal) {
  if (text == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::OrdinalCall(ordinal, [&](emu::Runtime&, emu::Device& device) -> cudaError_t {
    const std::string bus_id = emu::PciBusId(device.physical);
    if (length <= static_cast<int>(bus_id.size())) return cudaErrorInvalidValue;
    std::memcpy(text, bus_id.c_str(), bus_id.size() + 1);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetByPCIBusId(int* ordinal, const char* text) {
  if (ordinal == nullptr || text == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    unsigned domain = 0, bus = 0, slot = 0, function = 0;
    if (std::sscanf(text, "%x:%x:%x.%x", &domain, &bus, &slot, &function) < 3) {
      domain = 0;
      if (std::sscanf(text, "%x:%x.%x", &bus, &slot, &function) < 2) return cudaErrorInvalidValue;
    }
    for (const auto& device : runtime.devices) {
      if (domain != 0 || slot != 0 || static_cast<int>(bus) != device->properties.pciBusID) {
        continue;
      }
      *ordinal = device->ordinal;
      return cudaSuccess;
    }
    return cudaErrorInvalidDevice;
  });
}

cudaError_t cudaSetDeviceFlags(unsigned flags) {
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    if (runtime.devices.empty()) return cudaErrorNoDevice;
    if ((flags & ~unsigned{cudaDeviceMask}) != 0) return cudaErrorInvalidValue;
    runtime.devices[static_cast<size_t>(emu::current_device)]->flags = flags;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDeviceFlags(unsigned* flags) {
  if (flags == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    if (runtime.devices.empty()) return cudaErrorNoDevice;
    *flags = runtime.devices[static_cast<size_t>(emu::current_device)]->flags | cudaDeviceMapHost;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSynchronize() {
  return emu::DeviceCall([](emu::Runtime& runtime, emu::Device& device, emu::Lock& lock) {
    for (const auto& capture : runtime.captures) {
      if (capture->origin->device != &device) continue;
      capture->invalid = true;
      return cudaErrorStreamCaptureUnsupported;
    }
    if (const cudaError_t error = runtime.CheckUnsafe()) return error;
    runtime.scheduler.WaitForDevice(lock, device);
    return device.sticky;
  });
}

// A fatal error does not keep a device from being reset, and ends with it.
cudaError_t cudaDeviceReset() {
  emu::TakeLastError();
  return emu::HostCall([](emu::Runtime& runtime, emu::Lock& lock) -> cudaError_t {
    if (runtime.devices.empty()) return cudaErrorNoDevice;
    runtime.Reset(lock, runtime.CurrentDevice());
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit limit) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::DeviceCall([&](emu::Runtime&, emu::Device& device, emu::Lock&) -> cudaError_t {
    if (!emu::IsLimit(limit)) return cudaErrorUnsupportedLimit;
    const auto found = device.limits.find(limit);
    *value = found != device.limits.end() ? found->second : emu::DefaultLimit(limit);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) {
  return emu::DeviceCall([&](emu::Runtime&, emu::Device& device, emu::Lock&) -> cudaError_t {
    if (!emu::IsLimit(limit)) return cudaErrorUnsupportedLimit;
    device.limits[limit] = value;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least != nullptr) *least = emu::kLeastPriority;
  if (greatest != nullptr) *greatest = emu::kGreatestPriority;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  if (version == nullptr) return emu::Remember(cudaErrorInvalidValue);
  *version = emu::kVersion;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) { return cudaDriverGetVersion(version); }

// Profilers have nothing to attach to; a program's markers are accepted.
cudaError_t cudaProfilerStart() { return cudaSuccess; }
cudaError_t cudaProfilerStop() { return cudaSuccess; }

}  // extern "C"
