// Whether BF16 rows can be moved 16 bytes at a time.
#ifndef SWITCHYARD_KERNELS_CUDA_ALIGNED_H_
#define SWITCHYARD_KERNELS_CUDA_ALIGNED_H_

#include <cstdint>
#include <initializer_list>

namespace switchyard::kernels::cuda {

// True when `data` and steps of each of these numbers of elements are multiples of 16 bytes.
inline bool AlignedTo16(const void* data, std::initializer_list<int64_t> bf16_counts) {
  bool aligned = reinterpret_cast<uintptr_t>(data) % 16 == 0;
  for (const int64_t count : bf16_counts) aligned = aligned && count % 8 == 0;
  return aligned;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ALIGNED_H_
