// Tensors in host memory and a CPU backend of any instruction set, for the tests of ops that are no
// matrix products.
#ifndef SWITCHYARD_TESTS_KERNELS_ROW_OPS_FIXTURE_H_
#define SWITCHYARD_TESTS_KERNELS_ROW_OPS_FIXTURE_H_

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels {

inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
inline constexpr float kInfinity = std::numeric_limits<float>::infinity();

// For Comparison: the relative error of rounding each softmax weight to BF16 (8 significant bits),
// whatever their number; every other operand is the same BF16 on both sides. The 8 undoes the
// factor that Close allows.
inline constexpr double kRoundedWeights = 0x1p-8 / 8;

// A tensor that owns its elements.
template <typename T>
struct Tensor {
  Tensor(std::initializer_list<int64_t> shape, T fill = T{}) : dims(shape) {
    int64_t n = 1;
    for (int64_t dim : dims) n *= dim;
    values.assign(static_cast<size_t>(n), fill);
  }

  static constexpr DType Type() {
    if constexpr (std::is_same_v<T, Bf16>) return DType::kBf16;
    if constexpr (std::is_same_v<T, F16>) return DType::kF16;
    if constexpr (std::is_same_v<T, int32_t>) return DType::kI32;
    return DType::kF32;
  }

  TensorView view() const {
    switch (dims.size()) {
      case 1:
        return TensorView(values.data(), Type(), {dims[0]});
      case 2:
        return TensorView(values.data(), Type(), {dims[0], dims[1]});
      default:
        return TensorView(values.data(), Type(), {dims[0], dims[1], dims[2]});
    }
  }
  std::span<const T> row(int64_t i) const {
    const size_t width = values.size() / static_cast<size_t>(dims[0]);
    return std::span<const T>(values).subspan(static_cast<size_t>(i) * width, width);
  }

  std::vector<int64_t> dims;
  std::vector<T> values;
};

inline Tensor<float> Random(std::initializer_list<int64_t> shape, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Tensor<float> tensor(shape);
  for (float& value : tensor.values) value = normal(random);
  return tensor;
}

inline std::vector<cpu::Isa> IsasOfThisMachine() {
  std::vector<cpu::Isa> isas;
  for (cpu::Isa isa : cpu::kIsas) {
    if (isa <= cpu::BestIsa()) isas.push_back(isa);
  }
  return isas;
}

inline std::unique_ptr<Ops> MakeOps(cpu::Isa isa, int num_threads = 2) {
  auto ops = MakeCpuBackend({.num_threads = num_threads, .isa = std::string(cpu::Name(isa))});
  SY_CHECK(ops.ok()) << Message(ops.status());
  return std::move(*ops);
}

// For INSTANTIATE_TEST_SUITE_P: test names may have no dash.
inline std::string NameOf(cpu::Isa isa) {
  std::string name(cpu::Name(isa));
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_ROW_OPS_FIXTURE_H_
