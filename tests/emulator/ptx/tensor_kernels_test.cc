// Whole kernels as nvcc compiles them (tests/emulator/ptx/kernels/tensor_*.cu), in all modes,
// against double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "emulator/ptx/numerics_format.h"
#include "tests/emulator/ptx/tensor_fixture.h"
#include "tests/emulator/ptx/tensor_launch.h"

namespace emu {
namespace {

constexpr uint32_t kGemmShared = 3 * (128 + 64) * 128 + 3 * 16;

// Largest error relative to the sum of the magnitudes of an element's products.
struct Product {
  std::vector<double> values;
  std::vector<double> magnitudes;
};

void ExpectClose(const Product& want, const std::vector<float>& got, double tolerance) {
  ASSERT_EQ(want.values.size(), got.size());
  size_t worst = 0;
  double worst_error = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(got[i] - want.values[i]) / (want.magnitudes[i] + 1e-30);
    if (!(error <= worst_error)) {
      worst = i;
      worst_error = error;
    }
  }
  EXPECT_LE(worst_error, tolerance)
      << "element " << worst << ": " << got[worst] << " for " << want.values[worst];
}

std::vector<uint16_t> RandomBf16(size_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<uint16_t> values(count);
  for (uint16_t& v : values) v = EncodeBf16(normal(random));
  return values;
}

// B is [n, k], or [k, n] if b_by_k.
Product MultiplyBf16(const std::vector<uint16_t>& a, const std::vector<uint16_t>& b, int m, int n,
                     int k, bool b_by_k) {
  Product product;
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0, magnitude = 0;
      for (int l = 0; l < k; ++l) {
        const double x =
            double{DecodeBf16(a[i * k + l])} * DecodeBf16(b_by_k ? b[l * n + j] : b[j * k + l]);
        sum += x;
        magnitude += std::fabs(x);
      }
      product.values.push_back(sum);
      product.magnitudes.push_back(magnitude);
    }
  }
  return product;
}

class TensorKernels : public ::testing::TestWithParam<Mode> {
 protected:
  static std::unique_ptr<Module> Load(const char* name) {
    return ParsePtxFile(std::string(SWITCHYARD_TEST_PTX_DIR) + "/" + name + ".ptx");
  }
  std::string WithNumerics(bool h100) const {
    return std::string(GetParam().options) + (h100 ? ",numerics=h100" : "");
  }
};

TEST_P(TensorKernels, Bf16GemmWithStoresThroughTma) {
  const auto module = Load("tensor_gemm");
  const int m = 200, n = 136, k = 296;  // none a multiple of its tile
  DeviceArray<uint16_t> a(RandomBf16(m * k, 1)), b(RandomBf16(n * k, 2)), c(m * n);
  const Product want = MultiplyBf16(a.values(), b.values(), m, n, k, false);
  const Arguments arguments =
      Arguments()
          .Add(MakeMap(
              {.data = a.data(), .width = 296, .height = 200, .box_width = 64, .box_height = 128}))
          .Add(MakeMap(
              {.data = b.data(), .width = 296, .height = 136, .box_width = 64, .box_height = 64}))
          .Add(MakeMap(
              {.data = c.data(), .width = 136, .height = 200, .box_width = 64, .box_height = 64}))
          .Add(k);
  for (const bool h100 : {false, true}) {
    std::memset(c.data(), 0xff, c.size() * 2);
    ASSERT_EQ(RunKernel(*module, "GemmBf16",
                        {.grid = {3, 2}, .block = {384}, .dynamic_shared_bytes = kGemmShared},
                        arguments, WithNumerics(h100)),
              "");
    std::vector<float> got;
    for (const uint16_t v : c.values()) got.push_back(DecodeBf16(v));
    ExpectClose(want, got, 1.0 / 256 + 1e-5);  // bf16 output
  }
}

TEST_P(TensorKernels, E4m3GemmWithBlockScales) {
  const auto module = Load("tensor_gemm");
  const int m = 150, n = 192, k = 384, blocks = k / 128;
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(0.5F, 2.0F);
  const auto bytes = [&](int count) {
    std::vector<uint8_t> v(count);
    // Magnitudes up to 30: the products of 128 stay in range.
    for (uint8_t& x : v) {
      do {
        x = static_cast<uint8_t>(random());
      } while (!(std::fabs(DecodeE4m3(x)) <= 30));
    }
    return v;
  };
  DeviceArray<uint8_t> a(bytes(m * k)), b(bytes(n * k));
  DeviceArray<float> scale_a(m * blocks), scale_b((n + 127) / 128 * blocks), c(m * n);
  for (size_t i = 0; i < scale_a.size(); ++i) scale_a[i] = uniform(random);
  for (size_t i = 0; i < scale_b.size(); ++i) scale_b[i] = uniform(random);
  Product want;
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      double sum = 0, magnitude = 0;
      for (int l = 0; l < k; ++l) {
        const double x = double{DecodeE4m3(a[i * k + l])} * DecodeE4m3(b[j * k + l]) *
                         scale_a[i * blocks + l / 128] * scale_b[j / 128 * blocks + l / 128];
        sum += x;
        magnitude += std::fabs(x);
      }
      want.values.push_back(sum);
      want.magnitudes.push_back(magnitude);
    }
  }
  const Arguments arguments = Arguments()
                                  .Add(MakeMap({.type = TensorType::kU8,
                                                .data = a.data(),
                                                .width = 384,
                                                .height = 150,
                                                .box_width = 128,
                                                .box_height = 128}))
                                  .Add(MakeMap({.type = TensorType::kU8,
                                                .data = b.data(),
                                                .width = 384,
                                                .height = 192,
                                                .box_width = 128,
                                                .box_height = 64}))
                                  .Add(scale_a.data())
                                  .Add(scale_b.data())
                                  .Add(c.data())
                                  .Add(m)
                                  .Add(n)
                                  .Add(k);
  std::vector<float> fast;
  for (const bool h100 : {false, true}) {
    std::memset(c.data(), 0xff, c.size() * 4);
    ASSERT_EQ(RunKernel(*module, "GemmE4m3",
                        {.grid = {3, 2}, .block = {384}, .dynamic_shared_bytes = kGemmShared},
                        arguments, WithNumerics(h100)),
              "");
    // Fast: FP32 rounding. H100: each term is cut 13 bits below the largest.
    ExpectClose(want, c.values(), h100 ? 2e-3 : 1e-6);
    if (!h100) fast = c.values();
  }
  EXPECT_NE(fast, c.values());
}

TEST_P(TensorKernels, AInRegistersAndBByColumns) {
  const auto module = Load("tensor_operands");
  const int m = 128, n = 64, k = 192;
  DeviceArray<uint16_t> a(RandomBf16(m * k, 4)), b(RandomBf16(k * n, 5));
  DeviceArray<float> c(m * n);
  const Product want = MultiplyBf16(a.values(), b.values(), m, n, k, true);
  const Arguments arguments =
      Arguments()
          .Add(MakeMap(
              {.data = a.data(), .width = 192, .height = 128, .box_width = 64, .box_height = 64}))
          .Add(MakeMap(
              {.data = b.data(), .width = 64, .height = 192, .box_width = 64, .box_height = 64}))
          .Add(c.data())
          .Add(n)
          .Add(k);
  for (const bool h100 : {false, true}) {
    ASSERT_EQ(RunKernel(*module, "GemmRegisters",
                        {.grid = {1, 2}, .block = {128}, .dynamic_shared_bytes = 2 * 64 * 128 + 8},
                        arguments, WithNumerics(h100)),
              "");
    ExpectClose(want, c.values(), 1e-6);
  }
}

TEST_P(TensorKernels, MmaWithATransposedOperand) {
  const auto module = Load("tensor_operands");
  const int steps = 5;
  DeviceArray<uint16_t> a(RandomBf16(16 * 16 * steps, 6)), b(RandomBf16(16 * steps * 8, 7));
  DeviceArray<float> c(16 * 8);
  const Product want = MultiplyBf16(a.values(), b.values(), 16, 8, 16 * steps, true);
  for (const bool h100 : {false, true}) {
    ASSERT_EQ(RunKernel(*module, "MmaTransposed", {.block = {32}},
                        Arguments().Add(a.data()).Add(b.data()).Add(c.data()).Add(steps),
                        WithNumerics(h100)),
              "");
    ExpectClose(want, c.values(), 1e-6);
  }
}

TEST_P(TensorKernels, TilesMulticastOverACluster) {
  const auto module = Load("tensor_operands");
  const int m = 256, n = 128, k = 320;
  DeviceArray<uint16_t> a(RandomBf16(m * k, 8)), b(RandomBf16(n * k, 9));
  DeviceArray<float> c(m * n);
  const Product want = MultiplyBf16(a.values(), b.values(), m, n, k, false);
  const Arguments arguments =
      Arguments()
          .Add(MakeMap(
              {.data = a.data(), .width = 320, .height = 256, .box_width = 64, .box_height = 64}))
          .Add(MakeMap(
              {.data = b.data(), .width = 320, .height = 128, .box_width = 64, .box_height = 32}))
          .Add(c.data())
          .Add(n)
          .Add(k);
  ASSERT_EQ(RunKernel(*module, "GemmMulticast",
                      {.grid = {2, 4},
                       .block = {160},
                       .cluster = {1, 2},
                       .dynamic_shared_bytes = 2 * 2 * 64 * 128 + 32},
                      arguments, GetParam().options),
            "");
  ExpectClose(want, c.values(), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Modes, TensorKernels, ::testing::ValuesIn(kModes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emu
