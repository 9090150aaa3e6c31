// Slots of the cache, and positions in sequences, on their way to the device.
#ifndef SWITCHYARD_KERNELS_CUDA_STAGED_SLOTS_H_
#define SWITCHYARD_KERNELS_CUDA_STAGED_SLOTS_H_

#include <cstdint>
#include <cstring>
#include <span>

#include "base/check.h"
#include "kernels/args/padding.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

// The device's copy of `slots`, each of which is below `num_slots` or kNoSlot: checked here, and
// again whenever a recording reads them anew.
inline const int64_t* StageSlots(CudaContext& cuda, std::span<const int64_t> slots,
                                 int64_t num_slots) {
  const auto fill = [slots, num_slots](std::byte* host) {
    for (const int64_t slot : slots) {
      SY_CHECK(slot == kNoSlot || (slot >= 0 && slot < num_slots))
          << "cache slot " << slot << " of " << num_slots;
    }
    std::memcpy(host, slots.data(), slots.size_bytes());
    return true;
  };
  const auto num_bytes = static_cast<int64_t>(slots.size_bytes());
  return reinterpret_cast<const int64_t*>(cuda.staging.Stage(
      num_bytes, {reinterpret_cast<intptr_t>(slots.data()), num_bytes, num_slots}, fill));
}

// The device's copy of `positions`, each of which is below `num_positions`: checked likewise.
inline const int32_t* StagePositions(CudaContext& cuda, std::span<const int32_t> positions,
                                     int64_t num_positions) {
  const auto fill = [positions, num_positions](std::byte* host) {
    for (const int32_t position : positions) {
      SY_CHECK(position >= 0 && position < num_positions)
          << "position " << position << " of " << num_positions;
    }
    std::memcpy(host, positions.data(), positions.size_bytes());
    return true;
  };
  const auto num_bytes = static_cast<int64_t>(positions.size_bytes());
  return reinterpret_cast<const int32_t*>(cuda.staging.Stage(
      num_bytes, {reinterpret_cast<intptr_t>(positions.data()), num_bytes, num_positions}, fill));
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_STAGED_SLOTS_H_
