#include "emulator/cudart/driver_entries.h"

#include <cuda.h>

#include <cstdio>
#include <cstring>

#include "emulator/cudart/device_properties.h"
#include "emulator/cudart/entry.h"
#include "emulator/cudart/error_text.h"
#include "emulator/cudart/stream_value.h"
#include "emulator/ptx/tensor_map.h"

namespace emu {
namespace {

static_assert(sizeof(CUtensorMap) == sizeof(TensorMap));

// The runtime's codes from 200 on are the driver's; the low ones differ in name, not in number, for
// those that occur here.
CUresult ToDriver(cudaError_t error) { return static_cast<CUresult>(error); }

CUresult TensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank,
                              void* address, const cuuint64_t* dims, const cuuint64_t* strides,
                              const cuuint32_t* box, const cuuint32_t* element_strides,
                              CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                              CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill) {
  if (map == nullptr || dims == nullptr || box == nullptr || element_strides == nullptr ||
      (rank > 1 && strides == nullptr)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const TiledArguments arguments = {.type = static_cast<TensorType>(type),
                                    .rank = rank,
                                    .address = reinterpret_cast<uint64_t>(address),
                                    .dims = dims,
                                    .strides = strides,
                                    .box = box,
                                    .element_strides = element_strides,
                                    .interleave = static_cast<TensorInterleave>(interleave),
                                    .swizzle = static_cast<TensorSwizzle>(swizzle),
                                    .promotion = static_cast<TensorL2Promotion>(promotion),
                                    .fill = static_cast<TensorFill>(fill)};
  TensorMap encoded;
  const std::string fault = EncodeTiled(arguments, &encoded);
  if (!fault.empty()) {
    // The driver says nothing more than "invalid value"; here the reason is worth a line.
    std::fprintf(stderr, "switchyard emulator: cuTensorMapEncodeTiled: %s\n", fault.c_str());
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::memcpy(map, &encoded, sizeof encoded);
  return CUDA_SUCCESS;
}

CUresult Init(unsigned flags) { return flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE; }

CUresult DriverGetVersion(int* version) {
  if (version == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}

CUresult GetErrorString(CUresult error, const char** text) {
  if (text == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *text = ErrorDescription(static_cast<cudaError_t>(error));
  return CUDA_SUCCESS;
}

CUresult GetErrorName(CUresult error, const char** text) {
  if (text == nullptr) return CUDA_ERROR_INVALID_VALUE;
  *text = ErrorName(static_cast<cudaError_t>(error));
  return CUDA_SUCCESS;
}

CUresult DeviceGetCount(int* count) {
  if (count == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return ToDriver(HostCall([&](Runtime& runtime, Lock&) {
    *count = static_cast<int>(runtime.devices.size());
    return cudaSuccess;
  }));
}

CUresult DeviceGet(CUdevice* device, int ordinal) {
  if (device == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return ToDriver(HostCall([&](Runtime& runtime, Lock&) -> cudaError_t {
    if (ordinal < 0 || ordinal >= static_cast<int>(runtime.devices.size())) {
      return cudaErrorInvalidDevice;
    }
    *device = ordinal;
    return cudaSuccess;
  }));
}

CUresult DeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice ordinal) {
  if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
  return ToDriver(HostCall([&](Runtime& runtime, Lock&) -> cudaError_t {
    if (ordinal < 0 || ordinal >= static_cast<int>(runtime.devices.size())) {
      return cudaErrorInvalidDevice;
    }
    const auto found = AttributeOf(runtime.devices[static_cast<size_t>(ordinal)]->properties,
                                   static_cast<cudaDeviceAttr>(attribute));
    if (!found) return cudaErrorInvalidValue;
    *value = *found;
    return cudaSuccess;
  }));
}

CUresult MemGetAddressRange(CUdeviceptr* base, size_t* bytes, CUdeviceptr pointer) {
  return ToDriver(DeviceCall([&](Runtime& runtime, Device&, Lock&) -> cudaError_t {
    const Allocation* found = runtime.allocations.Find(reinterpret_cast<const void*>(pointer));
    if (found == nullptr) return cudaErrorInvalidValue;
    if (base != nullptr) *base = reinterpret_cast<CUdeviceptr>(found->base);
    if (bytes != nullptr) *bytes = found->bytes;
    return cudaSuccess;
  }));
}

template <typename Value>
CUresult StreamWriteValue(CUstream stream, CUdeviceptr address, Value value, unsigned flags) {
  if ((flags & ~unsigned{CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER}) != 0) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  return ToDriver(WriteValue<Value>(stream, address, value));
}

template <typename Value>
CUresult StreamWaitValue(CUstream stream, CUdeviceptr address, Value value, unsigned flags) {
  switch (flags & ~unsigned{CU_STREAM_WAIT_VALUE_FLUSH}) {
    case CU_STREAM_WAIT_VALUE_GEQ:
      return ToDriver(WaitValue<Value>(stream, address, value, ValueTest::kNotBefore));
    case CU_STREAM_WAIT_VALUE_EQ:
      return ToDriver(WaitValue<Value>(stream, address, value, ValueTest::kEqual));
    case CU_STREAM_WAIT_VALUE_AND:
      return ToDriver(WaitValue<Value>(stream, address, value, ValueTest::kAnyBit));
    case CU_STREAM_WAIT_VALUE_NOR:
      return ToDriver(WaitValue<Value>(stream, address, value, ValueTest::kClearBit));
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}

struct Row {
  std::string_view name;
  void* function;
};

template <typename Function>
void* Erase(Function function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace

void* FindDriverEntry(std::string_view name) {
  static const Row rows[] = {
      {"cuTensorMapEncodeTiled", Erase(&TensorMapEncodeTiled)},
      {"cuInit", Erase(&Init)},
      {"cuDriverGetVersion", Erase(&DriverGetVersion)},
      {"cuGetErrorString", Erase(&GetErrorString)},
      {"cuGetErrorName", Erase(&GetErrorName)},
      {"cuDeviceGetCount", Erase(&DeviceGetCount)},
      {"cuDeviceGet", Erase(&DeviceGet)},
      {"cuDeviceGetAttribute", Erase(&DeviceGetAttribute)},
      {"cuMemGetAddressRange", Erase(&MemGetAddressRange)},
      {"cuStreamWriteValue32", Erase(&StreamWriteValue<cuuint32_t>)},
      {"cuStreamWriteValue64", Erase(&StreamWriteValue<cuuint64_t>)},
      {"cuStreamWaitValue32", Erase(&StreamWaitValue<cuuint32_t>)},
      {"cuStreamWaitValue64", Erase(&StreamWaitValue<cuuint64_t>)},
  };
  for (const Row& row : rows) {
    if (row.name == name) return row.function;
  }
  return nullptr;
}

}  // namespace emu
