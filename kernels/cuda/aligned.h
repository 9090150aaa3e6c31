// Whether BF16 rows can be moved several elements at a time.
#ifndef SWITCHYARD_KERNELS_CUDA_ALIGNED_H_
#define SWITCHYARD_KERNELS_CUDA_ALIGNED_H_

#include <cstdint>
#include <initializer_list>

namespace switchyard::kernels::cuda {

// True when `data` and steps of each of these numbers of elements are multiples of so many bytes.
inline bool AlignedTo(uint64_t bytes, const void* data,
                      std::initializer_list<int64_t> bf16_counts) {
  bool aligned = reinterpret_cast<uintptr_t>(data) % bytes == 0;
  for (const int64_t count : bf16_counts) {
    aligned = aligned && static_cast<uint64_t>(count) * 2 % bytes == 0;
  }
  return aligned;
}
inline bool AlignedTo16(const void* data, std::initializer_list<int64_t> bf16_counts) {
  return AlignedTo(16, data, bf16_counts);
}
inline bool AlignedToPairs(const void* data, std::initializer_list<int64_t> bf16_counts) {
  return AlignedTo(4, data, bf16_counts);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ALIGNED_H_
