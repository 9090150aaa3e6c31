// Tensors in device memory for one case of the bench, with values that do not matter.
#ifndef SWITCHYARD_BENCH_KERNELS_CUDA_TENSORS_H_
#define SWITCHYARD_BENCH_KERNELS_CUDA_TENSORS_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "kernels/device.h"
#include "kernels/tensor_view.h"

namespace switchyard::bench {

// begin, begin + 1, ...
std::vector<int32_t> Ascending(int64_t begin, int64_t count);

// `columns` of rows that begin at sectors of 32 bytes, whatever the type.
constexpr int64_t PaddedToSectors(int64_t columns) { return (columns + 15) / 16 * 16; }

// Owns the memory. REQUIRES: `device` outlives it.
class Tensors {
 public:
  explicit Tensors(kernels::Device& device) : device_(device) {}

  kernels::TensorView Zeros(kernels::DType dtype, std::initializer_list<int64_t> shape);
  // In (-1, 1); f32, bf16 or f16. The same numbers come again and again.
  kernels::TensorView Random(kernels::DType dtype, std::initializer_list<int64_t> shape);
  // i32
  kernels::TensorView Ints(std::initializer_list<int64_t> shape, std::span<const int32_t> values);

 private:
  kernels::Device& device_;
  std::vector<kernels::Buffer> buffers_;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_KERNELS_CUDA_TENSORS_H_
