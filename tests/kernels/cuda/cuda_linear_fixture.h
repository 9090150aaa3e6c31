// Linear layers in device memory, for the tests of the CUDA ops that multiply.
#ifndef SWITCHYARD_TESTS_KERNELS_CUDA_CUDA_LINEAR_FIXTURE_H_
#define SWITCHYARD_TESTS_KERNELS_CUDA_CUDA_LINEAR_FIXTURE_H_

#include <memory>
#include <span>
#include <vector>

#include "kernels/cuda/linear.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/linear_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {

class CudaLinearTest : public CudaTest, public ::testing::WithParamInterface<Mode> {
 protected:
  DType dtype() const { return GetParam().weight; }
  Compute compute() const { return GetParam().compute; }

  // Of one rounding. Hopper's tensor cores keep 13 bits below the largest term of an e4m3 sum
  // of 32.
  double Epsilon() const {
    const bool quantised = dtype() == DType::kF8E4M3 && compute() == Compute::kW8A8;
    return quantised ? 0x1p-18 : switchyard::testing::kF32Epsilon;
  }

  std::unique_ptr<PackedLinear> Pack(const LinearSource& source) {
    return cuda::Pack(cuda_, source);
  }

  // Rows of BF16 values times the weight; the result as f32, without a last rounding.
  std::vector<float> Linear(const PackedLinear& weight, std::span<const float> x,
                            DType y_dtype = DType::kF32) {
    const int64_t rows = static_cast<int64_t>(x.size()) / weight.k();
    const TensorView y = Make(y_dtype, {rows, weight.n()});
    cuda::Linear(cuda_, {.x = Put(DType::kBf16, {rows, weight.k()}, x), .weight = &weight, .y = y});
    return Get(y);
  }
};

inline std::string NameOfMode(const ::testing::TestParamInfo<Mode>& info) {
  return NameOf(info.param);
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_CUDA_CUDA_LINEAR_FIXTURE_H_
