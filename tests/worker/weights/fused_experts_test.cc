// Experts that stand in one tensor by projection: in MXFP4 and plain, each with the bits of the
// matrices that they are.
#include "worker/weights/fused_experts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/backend.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/mxfp4.h"

namespace switchyard::worker {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kExperts = 3, kHidden = 64, kWidth = 32;

TEST(Mxfp4, EveryCodeAtEveryScaleIsExact) {
  const float kLut[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  std::vector<uint8_t> block(kMxfp4BlockBytes);
  for (int i = 0; i < 16; ++i) block[size_t(i)] = uint8_t((15 - i) << 4 | i);
  for (int scale = 0; scale <= kMxfp4LargestScale; ++scale) {
    const uint8_t scales[] = {uint8_t(scale)};
    const Mxfp4Values values = UnpackMxfp4(block, scales);
    const auto value = [&](size_t i) {
      return double{ToFloat(kernels::ToBf16(ToFloat(values.codes[i]) * values.scales[0]))};
    };
    for (int code = 0; code < 16; ++code) {
      const double want = std::ldexp(code < 8 ? kLut[code] : -kLut[code - 8], scale - 127);
      EXPECT_EQ(value(size_t(2 * code)), want) << "low nibble first";
      EXPECT_EQ(value(size_t(2 * (15 - code) + 1)), want);
    }
  }
}

// What a projection of one expert is: W[n, k], and the bias of n.
float WeightAt(int64_t expert, int64_t n, int64_t k) {
  const float kLut[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  return std::ldexp(kLut[(expert + 3 * n + k) % 8], int(n % 3));
}
float BiasAt(int64_t expert, int64_t n) { return float(expert) + 0.25f * float(n % 7); }

class FusedExpertsTest : public ::testing::Test {
 protected:
  // Tensors of a projection [rows, cols] of all experts.
  static void Add(const std::string& name, int64_t rows, int64_t cols, bool mxfp4,
                  std::vector<TestTensor>* tensors) {
    std::vector<uint8_t> codes, scales;
    std::vector<float> plain(size_t(kExperts * rows * cols)), bias;
    for (int64_t expert = 0; expert < kExperts; ++expert) {
      for (int64_t n = 0; n < rows; ++n) {
        bias.push_back(BiasAt(expert, n));
        for (int64_t k = 0; k < cols; ++k) {
          plain[size_t((expert * cols + k) * rows + n)] = WeightAt(expert, n, k);
          const auto code = uint8_t((expert + 3 * n + k) % 8);
          if (k % 2 == 0) codes.push_back(code);
          if (k % 2 == 1) codes.back() |= uint8_t(code << 4);
          if (k % kMxfp4Block == 0) scales.push_back(uint8_t(127 + n % 3));
        }
      }
    }
    if (mxfp4) {
      const int64_t blocks = cols / kMxfp4Block;
      tensors->push_back(TensorOf<uint8_t>(name + "_blocks", FileDtype::kU8,
                                           {kExperts, rows, blocks, kMxfp4BlockBytes}, codes));
      tensors->push_back(
          TensorOf<uint8_t>(name + "_scales", FileDtype::kU8, {kExperts, rows, blocks}, scales));
    } else {
      tensors->push_back(TensorOf<float>(name, FileDtype::kF32, {kExperts, cols, rows}, plain));
    }
    tensors->push_back(TensorOf<float>(name + "_bias", FileDtype::kF32, {kExperts, rows}, bias));
  }

  static std::vector<TestTensor> Tensors(bool mxfp4) {
    std::vector<TestTensor> tensors;
    Add("experts.gate_up_proj", 2 * kWidth, kHidden, mxfp4, &tensors);
    Add("experts.down_proj", kHidden, kWidth, mxfp4, &tensors);
    return tensors;
  }

  absl::Status Load(const std::vector<TestTensor>& tensors, bool mxfp4, int64_t expert) {
    WriteTensors(folder_ / kSingleFileName, tensors);
    auto checkpoint = Checkpoint::Open(folder_.path());
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
    WeightLoader loader(checkpoint_, *ops_, {.compute = kernels::Compute::kF32});
    LoadFusedExpert(loader,
                    {.prefix = "experts.",
                     .count = kExperts,
                     .hidden = kHidden,
                     .width = kWidth,
                     .mxfp4 = mxfp4,
                     .gating = {kernels::GateFunction::kClampedSwiglu, 7}},
                    expert, &mlp_);
    return loader.Run();
  }

  TempFolder folder_;
  std::unique_ptr<kernels::Ops> ops_ = *kernels::MakeCpuBackend({.num_threads = 1});
  Checkpoint checkpoint_;
  kernels::MlpWeights mlp_;
};

TEST_F(FusedExpertsTest, ComputeWhatTheirMatricesSay) {
  for (const bool mxfp4 : {true, false}) {
    for (const int64_t expert : {0, 2}) {
      SCOPED_TRACE(fmt::format("{}, expert {}", mxfp4 ? "mxfp4" : "plain", expert));
      ASSERT_TRUE(Load(Tensors(mxfp4), mxfp4, expert).ok());
      std::vector<float> x(kHidden), inner(kWidth), y(kHidden);
      for (size_t i = 0; i < x.size(); ++i) x[i] = 0.02f * float(int(i % 11) - 5);
      using kernels::DType, kernels::TensorView;
      ops_->GateUp({.x = TensorView(x.data(), DType::kF32, {1, kHidden}),
                    .weight = mlp_.gate_up.get(),
                    .y = TensorView(inner.data(), DType::kF32, {1, kWidth})});
      for (int64_t i = 0; i < kWidth; ++i) {
        double halves[2];
        for (int64_t half = 0; half < 2; ++half) {
          halves[half] = BiasAt(expert, 2 * i + half);
          for (int64_t k = 0; k < kHidden; ++k) {
            halves[half] += WeightAt(expert, 2 * i + half, k) * double(x[size_t(k)]);
          }
        }
        const double gate = std::min(halves[0], 7.0), up = std::clamp(halves[1], -7.0, 7.0);
        EXPECT_NEAR(inner[size_t(i)], gate / (1 + std::exp(-1.702 * gate)) * (up + 1), 1e-4) << i;
      }
      ops_->Linear({.x = TensorView(inner.data(), DType::kF32, {1, kWidth}),
                    .weight = mlp_.down.get(),
                    .y = TensorView(y.data(), DType::kF32, {1, kHidden})});
      for (int64_t n = 0; n < kHidden; ++n) {
        double want = BiasAt(expert, n);
        for (int64_t k = 0; k < kWidth; ++k) {
          want += WeightAt(expert, n, k) * double(inner[size_t(k)]);
        }
        EXPECT_NEAR(y[size_t(n)], want, 1e-5 * (1 + std::abs(want))) << n;
      }
    }
  }
}

TEST_F(FusedExpertsTest, FaultsNameTheTensor) {
  std::vector<TestTensor> tensors = Tensors(true);
  const auto expect = [&](const char* message) {
    EXPECT_THAT(std::string(Load(tensors, true, 1).message()), HasSubstr(message));
  };
  tensors[1].bytes[2 * kWidth * kHidden / kMxfp4Block] = char(254);  // the second expert's
  expect("tensor \"experts.gate_up_proj_scales\": a scale is 254, above 252");
  EXPECT_TRUE(Load(tensors, true, 0).ok()) << "an expert that is not asked for is not read";
  tensors = Tensors(true);
  tensors[0].spec.shape = {kExperts, 2 * kWidth, kMxfp4BlockBytes, 2};
  expect("tensor experts.gate_up_proj_blocks has shape [3, 64, 16, 2]");
  tensors = Tensors(true);
  tensors[2].spec.name = "experts.gate_up_bias";
  expect("has no tensor \"experts.gate_up_proj_bias\"");
  tensors = Tensors(true);
  tensors[0].spec.dtype = FileDtype::kI8;
  expect("tensor experts.gate_up_proj_blocks is I8; it must be U8");
}

}  // namespace
}  // namespace switchyard::worker
