#include "bench/kernels/cuda/tensors.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace switchyard::bench {

using kernels::DType;
using kernels::TensorView;

std::vector<int32_t> Ascending(int64_t begin, int64_t count) {
  std::vector<int32_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), static_cast<int32_t>(begin));
  return values;
}

TensorView Tensors::Zeros(DType dtype, std::initializer_list<int64_t> shape) {
  TensorView view(nullptr, dtype, shape);
  buffers_.push_back(device_.Allocate(view.NumElements() * SizeOf(dtype)));
  view.data = buffers_.back().data();
  return view;
}

TensorView Tensors::Random(DType dtype, std::initializer_list<int64_t> shape) {
  constexpr int64_t kPeriod = 1 << 16;  // elements
  const TensorView view = Zeros(dtype, shape);
  const int64_t bytes = SizeOf(dtype);
  std::vector<std::byte> values(static_cast<size_t>(std::min(view.NumElements(), kPeriod) * bytes));
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (int64_t i = 0; i < std::ssize(values) / bytes; ++i) {
    const float value = uniform(random);
    if (dtype == DType::kF32) reinterpret_cast<float*>(values.data())[i] = value;
    if (dtype == DType::kBf16) {
      reinterpret_cast<kernels::Bf16*>(values.data())[i] = kernels::ToBf16(value);
    }
    // Of f16 only that it is finite matters: numbers in [1, 2).
    if (dtype == DType::kF16) {
      reinterpret_cast<uint16_t*>(values.data())[i] = 0x3c00 | (random() & 0x3ff);
    }
  }
  const int64_t num_bytes = view.NumElements() * bytes;
  for (int64_t at = 0; at < num_bytes; at += std::ssize(values)) {
    device_.CopyToDevice(static_cast<std::byte*>(view.data) + at, values.data(),
                         std::min<int64_t>(std::ssize(values), num_bytes - at));
  }
  return view;
}

TensorView Tensors::Ints(std::initializer_list<int64_t> shape, std::span<const int32_t> values) {
  const TensorView view = Zeros(DType::kI32, shape);
  SY_CHECK_EQ(view.NumElements(), std::ssize(values));
  device_.CopyToDevice(view.data, values.data(), static_cast<int64_t>(values.size_bytes()));
  return view;
}

}  // namespace switchyard::bench
