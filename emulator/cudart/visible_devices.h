// CUDA_VISIBLE_DEVICES, read as CUDA does: a comma-separated list of device numbers,
// which ends at the first entry that names no device.
//
// Pure. Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_VISIBLE_DEVICES_H_
#define SWITCHYARD_EMULATOR_CUDART_VISIBLE_DEVICES_H_

#include <vector>

namespace emu {

// The physical numbers of the visible devices, in the order of their ordinals. `text` may be null:
// all are visible. A device that is named twice leaves none visible.
std::vector<int> VisibleDevices(const char* text, int num_physical);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_VISIBLE_DEVICES_H_
