// What the emulated device says about itself: an H100 SXM, but for what is absent here (textures,
// surfaces, RDMA) and the memory size, which the user chooses.
//
// Pure functions. Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_DEVICE_PROPERTIES_H_
#define SWITCHYARD_EMULATOR_CUDART_DEVICE_PROPERTIES_H_

#include <driver_types.h>

#include <cstddef>
#include <optional>
#include <string>

namespace emu {

// `physical` is the device's place in the machine, whatever CUDA_VISIBLE_DEVICES shows: identity,
// PCI address and UUID derive from it.
cudaDeviceProp MakeProperties(int physical, size_t memory_bytes);

// Null: no such attribute.
std::optional<int> AttributeOf(const cudaDeviceProp& properties, cudaDeviceAttr attribute);

std::string PciBusId(int physical);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_DEVICE_PROPERTIES_H_
