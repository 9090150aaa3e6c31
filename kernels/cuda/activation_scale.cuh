// The scale of a group of activations, by the lanes that hold it.
#ifndef SWITCHYARD_KERNELS_CUDA_ACTIVATION_SCALE_CUH_
#define SWITCHYARD_KERNELS_CUDA_ACTIVATION_SCALE_CUH_

#include <cstdint>

namespace switchyard::kernels::cuda {

// The activation scale of a group (MODEL_SPECS 1.7). ue8m0: the power of two not below amax / 448.
__device__ inline float ActivationScale(float amax, bool ue8m0) {
  constexpr float kLeastAmax = 1e-4f, kLargestE4M3 = 448.0f;
  const float scale = fmaxf(amax, kLeastAmax) / kLargestE4M3;
  if (!ue8m0) return scale;
  const uint32_t bits = __float_as_uint(scale);
  return __uint_as_float(((bits >> 23) + ((bits & 0x7fffffu) != 0 ? 1 : 0)) << 23);
}

// The largest |value| over aligned groups of kLanes lanes; NaN counts as 0.
template <int kLanes>
__device__ float LanesAmax(float amax) {
#pragma unroll
  for (int step = kLanes / 2; step > 0; step /= 2) {
    amax = fmaxf(amax, __shfl_xor_sync(0xffffffffu, amax, step));
  }
  return amax;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ACTIVATION_SCALE_CUH_
