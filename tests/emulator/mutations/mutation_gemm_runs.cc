// The matrix kernels: C [m, n] = A [m, k] * B [n, k]^T.
#include <cmath>
#include <string>
#include <vector>

#include "emulator/ptx/tensor_map.h"
#include "tests/emulator/mutations/mutation_launch.h"
#include "tests/emulator/mutations/mutation_runs.h"

namespace emu {
namespace {

struct Problem {
  int m = 0, n = 0, k = 0;
};

// `scale(row, column, k)` is the factor of one product.
template <class A, class B, class Scale>
std::vector<double> Product(const Problem& problem, A a, B b, Scale scale) {
  std::vector<double> c(size_t(problem.m) * problem.n);
  for (int row = 0; row < problem.m; ++row) {
    for (int column = 0; column < problem.n; ++column) {
      double sum = 0;
      for (int k = 0; k < problem.k; ++k) {
        sum += double{a(size_t(row) * problem.k + k)} * b(size_t(column) * problem.k + k) *
               scale(row, column, k);
      }
      c[size_t(row) * problem.n + column] = sum;
    }
  }
  return c;
}

double One(int, int, int) { return 1; }

struct Box {
  TensorType type = TensorType::kU8;
  uint32_t element_bytes = 1;
  uint32_t columns = 0, rows = 0;          // of the tensor
  uint32_t box_columns = 0, box_rows = 0;  // of the box
  TensorSwizzle swizzle = TensorSwizzle::k128B;
};

// As a kernel takes it.
struct alignas(128) MapParameter {
  TensorMap map;
};

MapParameter MapOf(const void* data, const Box& box) {
  const uint64_t dims[2] = {box.columns, box.rows};
  const uint64_t strides[1] = {uint64_t{box.columns} * box.element_bytes};
  const uint32_t sizes[2] = {box.box_columns, box.box_rows};
  const uint32_t steps[2] = {1, 1};
  MapParameter parameter;
  // A wrong argument leaves the map without its magic, and the kernel's first TMA instruction says
  // so.
  EncodeTiled({.type = box.type,
               .rank = 2,
               .address = reinterpret_cast<uint64_t>(data),
               .dims = dims,
               .strides = strides,
               .box = sizes,
               .element_strides = steps,
               .swizzle = box.swizzle},
              &parameter.map);
  return parameter;
}

void FillBf16(const DeviceArray<uint16_t>& values, uint64_t seed) {
  Random random(seed);
  for (size_t i = 0; i < values.size(); ++i) values[i] = ToBf16(SmallValue(random));
}

}  // namespace

std::string RunGemmMma(const Module& module, const Options& options) {
  constexpr Problem kProblem = {64, 128, 160};
  DeviceArray<uint16_t> a(kProblem.m * kProblem.k, "A"), b(kProblem.n * kProblem.k, "B");
  DeviceArray<float> c(kProblem.m * kProblem.n, "C");
  FillBf16(a, 11);
  FillBf16(b, 12);
  const std::string fault = RunKernel(
      module, "GemmMma", {.grid = {kProblem.n / 64, kProblem.m / 64}, .block = {128}},
      Params().Add(a.data()).Add(b.data()).Add(c.data()).Add(kProblem.n).Add(kProblem.k), options);
  if (!fault.empty()) return fault;
  const auto wanted = Product(
      kProblem, [&](size_t i) { return FromBf16(a[i]); }, [&](size_t i) { return FromBf16(b[i]); },
      One);
  return Compare(
      "C", [&](size_t i) { return c[i]; }, wanted, 1e-3);
}

std::string RunGemmTmaBf16(const Module& module, const Options& options) {
  constexpr Problem kProblem = {128, 128, 448};
  DeviceArray<uint16_t> a(kProblem.m * kProblem.k, "A"), b(kProblem.n * kProblem.k, "B");
  DeviceArray<float> c(kProblem.m * kProblem.n, "C");
  FillBf16(a, 13);
  FillBf16(b, 14);
  const MapParameter map_a =
      MapOf(a.data(), {TensorType::kBf16, 2, kProblem.k, kProblem.m, 64, 128});
  const MapParameter map_b =
      MapOf(b.data(), {TensorType::kBf16, 2, kProblem.k, kProblem.n, 64, 64});
  const std::string fault = RunKernel(
      module, "GemmTmaBf16",
      {.grid = {kProblem.n / 64, kProblem.m / 128}, .block = {384}, .shared_bytes = 3 * 24576 + 64},
      Params().Add(map_a).Add(map_b).Add(c.data()).Add(kProblem.n).Add(kProblem.k / 64), options);
  if (!fault.empty()) return fault;
  const auto wanted = Product(
      kProblem, [&](size_t i) { return FromBf16(a[i]); }, [&](size_t i) { return FromBf16(b[i]); },
      One);
  return Compare(
      "C", [&](size_t i) { return c[i]; }, wanted, 2e-3);
}

std::string RunGemmTmaE4m3(const Module& module, const Options& options) {
  constexpr Problem kProblem = {128, 64, 640};
  constexpr int kSteps = kProblem.k / 128;
  DeviceArray<uint8_t> a(kProblem.m * kProblem.k, "A"), b(kProblem.n * kProblem.k, "B");
  DeviceArray<float> c(kProblem.m * kProblem.n, "C");
  DeviceArray<float> row_scales(kProblem.m * kSteps, "row_scales");
  DeviceArray<float> column_scales(kProblem.n / 64 * kSteps, "column_scales");
  Random random(15);
  // Magnitudes from 1/8 to 1.
  const auto fill = [&](const DeviceArray<uint8_t>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<uint8_t>(random.Below(2) << 7 | (32 + random.Below(25)));
    }
  };
  fill(a);
  fill(b);
  for (size_t i = 0; i < row_scales.size(); ++i) row_scales[i] = 0.5f + SmallValue(random) / 4;
  for (size_t i = 0; i < column_scales.size(); ++i) {
    column_scales[i] = 0.5f + SmallValue(random) / 4;
  }
  const MapParameter map_a =
      MapOf(a.data(), {TensorType::kU8, 1, kProblem.k, kProblem.m, 128, 128});
  const MapParameter map_b = MapOf(b.data(), {TensorType::kU8, 1, kProblem.k, kProblem.n, 128, 64});
  const std::string fault = RunKernel(
      module, "GemmTmaE4m3",
      {.grid = {kProblem.n / 64, kProblem.m / 128}, .block = {384}, .shared_bytes = 3 * 24576 + 64},
      Params()
          .Add(map_a)
          .Add(map_b)
          .Add(row_scales.data())
          .Add(column_scales.data())
          .Add(c.data())
          .Add(kProblem.n)
          .Add(kSteps),
      options);
  if (!fault.empty()) return fault;
  const auto wanted = Product(
      kProblem, [&](size_t i) { return FromE4m3(a[i]); }, [&](size_t i) { return FromE4m3(b[i]); },
      [&](int row, int column, int k) {
        return double{row_scales[row * kSteps + k / 128]} *
               column_scales[column / 64 * kSteps + k / 128];
      });
  // Up to 640 products of at most 1, each 128 of them summed to 13 bits in the h100 mode.
  return Compare(
      "C", [&](size_t i) { return c[i]; }, wanted, 2e-2);
}

std::string RunGemmDirect(const Module& module, const Options& options) {
  constexpr Problem kProblem = {64, 64, 192};
  DeviceArray<uint16_t> a(kProblem.m * kProblem.k, "A"), b(kProblem.n * kProblem.k, "B");
  DeviceArray<float> c(kProblem.m * kProblem.n, "C");
  FillBf16(a, 16);
  FillBf16(b, 17);
  const MapParameter map_c =
      MapOf(c.data(), {TensorType::kF32, 4, kProblem.n, kProblem.m, 32, 64, TensorSwizzle::kNone});
  const std::string fault =
      RunKernel(module, "GemmDirect", {.grid = {1}, .block = {128}, .shared_bytes = 3 * 8192},
                Params().Add(a.data()).Add(b.data()).Add(map_c).Add(kProblem.k), options);
  if (!fault.empty()) return fault;
  const auto wanted = Product(
      kProblem, [&](size_t i) { return FromBf16(a[i]); }, [&](size_t i) { return FromBf16(b[i]); },
      One);
  return Compare(
      "C", [&](size_t i) { return c[i]; }, wanted, 1e-3);
}

}  // namespace emu
