// A checkpoint matrix of random numbers, to be packed.
#ifndef SWITCHYARD_BENCH_KERNELS_HOST_MATRIX_H_
#define SWITCHYARD_BENCH_KERNELS_HOST_MATRIX_H_

#include <cstddef>
#include <random>
#include <vector>

#include "kernels/args/linear.h"

namespace switchyard::bench {

struct HostMatrix {
  HostMatrix(int64_t n, int64_t k, kernels::DType dtype)
      : bytes(static_cast<size_t>(n * k * SizeOf(dtype))) {
    using kernels::DType;
    std::mt19937 random(11);
    const bool coded = dtype == DType::kU4 || dtype == DType::kF4E2M1;
    const int64_t columns = dtype == DType::kF4E2M1 ? 32 : 128;
    const int64_t scale_rows = coded ? n : (n + 127) / 128;
    const int64_t scale_columns = (k + columns - 1) / columns;
    scales.assign(static_cast<size_t>(scale_rows * scale_columns), 0x1p-7f);
    for (int64_t i = 0; i < n * k; ++i) {
      const float value = static_cast<float>(static_cast<int>(random() % 512) - 256) / 256.0f;
      if (dtype == DType::kBf16) {
        reinterpret_cast<kernels::Bf16*>(bytes.data())[i] = kernels::ToBf16(value);
      }
      if (dtype == DType::kF32) reinterpret_cast<float*>(bytes.data())[i] = value;
      if (dtype == DType::kF8E4M3) {
        reinterpret_cast<kernels::F8E4M3*>(bytes.data())[i] = kernels::ToF8E4M3(value);
      }
      if (coded) bytes[static_cast<size_t>(i)] = static_cast<std::byte>(random() % 16);
    }
    source.name = "bench";
    source.weight = kernels::TensorView(bytes.data(), dtype, {n, k});
    if (dtype == DType::kF8E4M3 || coded) {
      source.scales = kernels::TensorView(scales.data(), DType::kF32, {scale_rows, scale_columns});
    }
    if (coded) {
      source.block_rows = 1;
      source.block_cols = columns;
    }
  }
  HostMatrix(const HostMatrix&) = delete;
  HostMatrix& operator=(const HostMatrix&) = delete;

  std::vector<std::byte> bytes;
  std::vector<float> scales;
  kernels::LinearSource source;
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_KERNELS_HOST_MATRIX_H_
