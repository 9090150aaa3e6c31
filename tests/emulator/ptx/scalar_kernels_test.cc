// Kernels as nvcc compiles them (kernels/scalar_kernels.cu), in every mode, against plain C++.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <fstream>
#include <iterator>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "emulator/ptx/numerics_format.h"
#include "tests/emulator/ptx/tensor_launch.h"

namespace emu {
namespace {

class ScalarKernels : public ::testing::TestWithParam<Mode> {
 protected:
  static void SetUpTestSuite() {
    module_ = ParsePtxFile(SWITCHYARD_TEST_PTX_DIR "/scalar_kernels.ptx").release();
  }
  static void TearDownTestSuite() {
    delete module_;
    module_ = nullptr;
  }
  void SetUp() override { ASSERT_NE(module_, nullptr); }
  static LaunchResult Run(const char* kernel, LaunchConfig config, const Arguments& arguments) {
    std::string error;
    const Options options = ParseOptions(GetParam().options, &error);
    std::vector<std::byte> params(arguments.bytes().begin(), arguments.bytes().end());
    config.params = params;
    return Launch(*module_, *module_->FindKernel(kernel), config, options, nullptr);
  }
  static LaunchConfig Shape(uint32_t grid, uint32_t block) {
    LaunchConfig config;
    config.grid.x = grid;
    config.block.x = block;
    return config;
  }
  static std::vector<int> RandomInts(size_t count) {
    std::mt19937 random(5);
    std::vector<int> values(count);
    for (int& value : values) value = static_cast<int>(random() % 1000) + 1;
    return values;
  }

  static Module* module_;
};
Module* ScalarKernels::module_ = nullptr;

TEST_P(ScalarKernels, Tiles) {
  DeviceArray<int> in(RandomInts(64)), out(64 * 3);
  const auto result = Run("tiles", Shape(1, 64), Arguments().Add(in.data()).Add(out.data()));
  ASSERT_TRUE(result.ok) << result.fault;
  for (int i = 0; i < 64; ++i) {
    const int* tile = in.data() + i / 8 * 8;
    EXPECT_EQ(out[i * 3], std::accumulate(tile, tile + 8, 0));
    EXPECT_EQ(out[i * 3 + 1], std::accumulate(tile, tile + i % 8, 0));
    EXPECT_EQ(out[i * 3 + 2], *std::max_element(tile, tile + 8) + in[i ^ 1]);
  }
}

TEST_P(ScalarKernels, GridBarrier) {
  constexpr int kCount = 100;
  DeviceArray<int> data(kCount);
  LaunchConfig config = Shape(5, 48);
  config.cooperative = true;
  const auto result = Run("grid_sums", config, Arguments().Add(data.data()).Add(kCount));
  ASSERT_TRUE(result.ok) << result.fault;
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(data[i], kCount * (kCount - 1) / 2 + i);
}

TEST_P(ScalarKernels, Clusters) {
  DeviceArray<int> out(8 * 32);
  const auto result = Run("clusters", Shape(8, 32), Arguments().Add(out.data()));
  ASSERT_TRUE(result.ok) << result.fault;
  for (int b = 0; b < 8; ++b) {
    EXPECT_EQ(out[b * 32 + 5], (b + 1) % 4 + 10);
    if (b % 4 == 0) {
      EXPECT_EQ(out[b * 32], 10 + 128);
    }
  }
}

float Iterate(float x, int n) {
  float history[4] = {x, 1, 2, 3};
  for (int i = 0; i < n; ++i) history[i & 3] = std::fma(history[(i + 3) & 3], 0.5F, 1.0F);
  return history[n & 3] + history[(n + 1) & 3];
}

TEST_P(ScalarKernels, FunctionsAndAsserts) {
  DeviceArray<float> values(40);
  for (int i = 0; i < 40; ++i) values[i] = static_cast<float>(i) * 0.75F;
  std::vector<float> want(40);
  for (int i = 0; i < 40; ++i) want[i] = Iterate(values[i], 7 + i % 3) + Iterate(1.0F, i);
  const auto result = Run("functions", Shape(1, 40), Arguments().Add(values.data()).Add(7));
  ASSERT_TRUE(result.ok) << result.fault;
  EXPECT_EQ(values.values(), want);
  const auto failed = Run("functions", Shape(1, 40), Arguments().Add(values.data()).Add(100));
  EXPECT_FALSE(failed.ok);
  EXPECT_NE(failed.fault.find("scalar_kernels.cu:"), std::string::npos) << failed.fault;
  EXPECT_NE(failed.fault.find("n < 100"), std::string::npos) << failed.fault;
}

uint64_t Wide(int i, uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b + a;
  uint64_t r = static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product);
  switch (i & 7) {
    case 0:
      return r + a / (b | 1);
    case 1:
      return r + a % (b | 1);
    case 2:
      return r ^ static_cast<uint64_t>(static_cast<int64_t>(a) >> (b & 63));
    case 3:
      return r + std::popcount(a) * 1000 + std::countl_zero(b);
    case 4: {
      uint64_t reversed = 0;
      for (int k = 0; k < 64; ++k) reversed |= (a >> k & 1) << (63 - k);
      return r + reversed;
    }
    case 5:
      return r - static_cast<uint64_t>(static_cast<int64_t>(a) / 1000);
    case 6:
      return r * (static_cast<uint32_t>(a) % 7);
    default:
      return r;
  }
}

TEST_P(ScalarKernels, WideIntegersAndSwitch) {
  constexpr int kCount = 512;
  std::mt19937_64 random(3);
  DeviceArray<uint64_t> in(kCount + 1), out(kCount);
  for (int i = 0; i <= kCount; ++i) in[i] = random() >> (i % 61);
  const auto result = Run("wide", Shape(1, kCount), Arguments().Add(in.data()).Add(out.data()));
  ASSERT_TRUE(result.ok) << result.fault;
  for (int i = 0; i < kCount; ++i) EXPECT_EQ(out[i], Wide(i, in[i], in[i + 1])) << i;
}

TEST_P(ScalarKernels, Halves) {
  constexpr int kCount = 96;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 100);
  DeviceArray<float> in(kCount), out(kCount * 3);
  for (int i = 0; i < kCount; ++i) in[i] = normal(random);
  const auto result = Run("halves", Shape(1, kCount), Arguments().Add(in.data()).Add(out.data()));
  ASSERT_TRUE(result.ok) << result.fault;
  for (int i = 0; i < kCount; ++i) {
    const float half = DecodeF16(EncodeF16(in[i]));
    EXPECT_EQ(out[i * 3], DecodeF16(EncodeF16(half * 2 + 0.25F)));
    EXPECT_EQ(out[i * 3 + 1], std::max(DecodeBf16(EncodeBf16(in[i])), 0.0F));
    EXPECT_NEAR(out[i * 3 + 2], in[i], std::fabs(in[i]) / 16 + 0x1p-10);
  }
}

TEST_P(ScalarKernels, BlocksThatWaitForTheOneBefore) {
  constexpr uint32_t kBlocks = 20, kThreads = 64;
  DeviceArray<int> in(RandomInts(kBlocks * kThreads)), out(kBlocks);
  DeviceArray<int> carry(std::vector<int>(kBlocks, 0));
  const auto result = Run("chained", Shape(kBlocks, kThreads),
                          Arguments().Add(in.data()).Add(carry.data()).Add(out.data()));
  ASSERT_TRUE(result.ok) << result.fault;
  int sum = 0;
  for (uint32_t b = 0; b < kBlocks; ++b) {
    sum += std::accumulate(in.data() + b * kThreads, in.data() + (b + 1) * kThreads, 0);
    EXPECT_EQ(out[b], sum);
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, ScalarKernels, ::testing::ValuesIn(kModes),
                         [](const auto& info) { return info.param.name; });

// Without race detection: lane 0 acquires what the other warp released and a shuffle tells the
// other lanes, which by the rules orders nothing. That is the toolkit's code, not ours to mend.
TEST(ToolkitCode, TilesOfTwoWarps) {
  const auto module = ParsePtxFile(SWITCHYARD_TEST_PTX_DIR "/scalar_kernels.ptx");
  ASSERT_NE(module, nullptr);
  DeviceArray<int> in(128), out(128);
  for (int i = 0; i < 128; ++i) in[i] = i * i + 2;
  in[70] = 1;
  for (const char* options : {"", "schedule=random,async=late,seed=1", "schedule=random,seed=2"}) {
    const KernelRun run{.block = {128, 1, 1}};
    const std::string report =
        RunKernel(*module, "wide_tiles", run, Arguments().Add(in.data()).Add(out.data()), options);
    ASSERT_EQ(report, "");
    for (int i = 0; i < 128; ++i) {
      const int* tile = in.data() + i / 64 * 64;
      const int any = i < 64 ? 0 : 1;
      EXPECT_EQ(out[i], 3 * std::accumulate(tile, tile + 64, 0) + 3 * 64 + any);
    }
  }
}

}  // namespace
}  // namespace emu
