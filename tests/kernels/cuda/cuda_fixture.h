// Tensors in device memory, for the tests of the CUDA ops. Activations are BF16 there; a test's
// values are floats that BF16 holds, so that a reference sees what the kernel sees.
#ifndef SWITCHYARD_TESTS_KERNELS_CUDA_CUDA_FIXTURE_H_
#define SWITCHYARD_TESTS_KERNELS_CUDA_CUDA_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/cuda_context.h"
#include "kernels/cuda/open_device.h"
#include "kernels/dtype.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// Of a decode op: null, as served. Tight: so many softmaxes, so many bytes of arrays.
using WavesOfRun = std::optional<cuda::WaveBounds>;
inline constexpr cuda::WaveBounds kTightWaves[] = {
    {0, 1 << 20}, {2, 1 << 20}, {5, 1 << 20}, {64, 0}, {64, 400}};

// For Comparison: the relative error of one rounding to BF16. The 8 undoes the factor that Close
// allows.
inline constexpr double kOneBf16Rounding = 0x1p-8 / 8;

inline float RoundToBf16(float value) { return ToFloat(ToBf16(value)); }

inline std::vector<float> RandomValues(int64_t count, uint32_t seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

// Random values that BF16 holds.
inline std::vector<float> RandomBf16(int64_t count, uint32_t seed, float scale = 1.0f) {
  std::vector<float> values = RandomValues(count, seed, scale);
  for (float& value : values) value = RoundToBf16(value);
  return values;
}

class CudaTest : public ::testing::Test {
 protected:
  // Device memory that lives as long as the test, of `dtype`, holding `values` (f32, bf16, i32).
  template <typename T>
  TensorView Put(DType dtype, std::initializer_list<int64_t> shape, std::span<const T> values) {
    TensorView view = Make(dtype, shape);
    SY_CHECK_EQ(view.NumElements(), static_cast<int64_t>(values.size()));
    if constexpr (std::is_same_v<T, float>) {
      if (dtype == DType::kBf16) {
        std::vector<Bf16> narrow(values.size());
        for (size_t i = 0; i < values.size(); ++i) narrow[i] = ToBf16(values[i]);
        device_->CopyToDevice(view.data, narrow.data(), std::ssize(narrow) * 2);
        return view;
      }
    }
    SY_CHECK_EQ(SizeOf(dtype), static_cast<int64_t>(sizeof(T)));
    device_->CopyToDevice(view.data, values.data(), static_cast<int64_t>(values.size_bytes()));
    return view;
  }
  TensorView PutBf16(std::initializer_list<int64_t> shape, const std::vector<float>& values) {
    return Put(DType::kBf16, shape, std::span<const float>(values));
  }
  TensorView PutF32(std::initializer_list<int64_t> shape, const std::vector<float>& values) {
    return Put(DType::kF32, shape, std::span<const float>(values));
  }
  // Zeros.
  TensorView Make(DType dtype, std::initializer_list<int64_t> shape) {
    TensorView view(nullptr, dtype, shape);
    buffers_.push_back(device_->Allocate(view.NumElements() * SizeOf(dtype)));
    view.data = buffers_.back().data();
    return view;
  }

  // The values of a tensor without gaps between rows; bf16 widened.
  std::vector<float> Get(const TensorView& view) {
    SY_CHECK(view.contiguous());
    std::vector<float> values(static_cast<size_t>(view.NumElements()));
    if (view.dtype == DType::kBf16) {
      const std::vector<Bf16> narrow = GetAs<Bf16>(view);
      for (size_t i = 0; i < values.size(); ++i) values[i] = ToFloat(narrow[i]);
      return values;
    }
    return GetAs<float>(view);
  }
  template <typename T>
  std::vector<T> GetAs(const TensorView& view) {
    SY_CHECK_EQ(SizeOf(view.dtype), static_cast<int64_t>(sizeof(T)));
    std::vector<T> values(static_cast<size_t>(view.NumElements()));
    device_->CopyToHost(values.data(), view.data, std::ssize(values) * int64_t{sizeof(T)});
    return values;
  }

  std::unique_ptr<cuda::CudaDevice> device_ = Open();
  cuda::CudaContext cuda_{*device_};

 private:
  static std::unique_ptr<cuda::CudaDevice> Open() {
    auto device = cuda::OpenDevice(0);
    SY_CHECK(device.ok()) << Message(device.status());
    return *std::move(device);
  }

  std::vector<Buffer> buffers_;
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_CUDA_CUDA_FIXTURE_H_
