// The few functions of the CUDA driver that programs fetch through cudaGetDriverEntryPointByVersion
// because the runtime has no call for them.
//
// Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_DRIVER_ENTRIES_H_
#define SWITCHYARD_EMULATOR_CUDART_DRIVER_ENTRIES_H_

#include <string_view>

namespace emu {

// By the name without a version suffix ("cuMemGetAddressRange"). Null: not offered.
void* FindDriverEntry(std::string_view name);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_DRIVER_ENTRIES_H_
