// Experts whose rows only the device knows: the bits of GroupedMlp, and no row touched that no span
// has.
#include <algorithm>

#include "tests/kernels/cuda/cuda_linear_fixture.h"
#include "tests/kernels/cuda/trap.h"
#include "tests/kernels/routed_rows.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::SameBits;

constexpr int64_t kHidden = 136;
constexpr float kUntouched = 7;

class CudaRoutedMlp : public CudaLinearTest {
 protected:
  CudaRoutedMlp() {
    EXPECT_EQ(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), cudaSuccess);
    narrow_ = std::make_unique<cuda::CudaDevice>(0, 1, stream_);
    busy_ = std::make_unique<cuda::CudaContext>(*narrow_);
  }

  MlpWeights MakeMlp(int64_t width, uint32_t seed, int64_t down_shards = 1) {
    const TestWeight gate(dtype(), width, kHidden, seed), up(dtype(), width, kHidden, seed + 1);
    const TestWeight down(dtype(), kHidden, width, seed + 2);
    LinearSource down_source = down.Whole(compute());
    down_source.k_shards = down_shards;
    return {.gate_up = cuda::PackGateUp(cuda_, gate.Whole(compute()), up.Whole(compute())),
            .down = Pack(down_source)};
  }

  // y after the op, where it held kUntouched.
  std::vector<float> Routed(cuda::CudaContext& cuda, MlpTable& table, const RoutedRows& rows,
                            const std::vector<float>& x, int64_t max_rows) {
    const TensorView y =
        PutBf16({rows.num_rows, kHidden},
                std::vector<float>(static_cast<size_t>(rows.num_rows * kHidden), kUntouched));
    const TensorView all = PutBf16({rows.num_rows, kHidden}, x);
    const TensorView spans =
        Put(DType::kI32, {std::ssize(rows.spans) / 2, 2}, std::span<const int32_t>(rows.spans));
    cuda::RoutedMlp(cuda, {.x = all,
                           .spans = spans,
                           .table = &table,
                           .y = y,
                           .max_rows = max_rows,
                           .likely_rows = std::min<int64_t>(max_rows, 10)});
    cuda.device.Synchronize();
    return Get(y);
  }

  std::vector<float> Grouped(std::span<const MlpWeights* const> mlps, const RoutedRows& rows,
                             const std::vector<float>& x) {
    const TensorView y = Make(DType::kBf16, {rows.num_packed(), kHidden});
    cuda::GroupedMlp(cuda_,
                     {.x = PutBf16({rows.num_packed(), kHidden}, RowsOf(x, kHidden, rows.packed)),
                      .offsets = rows.offsets,
                      .mlps = mlps,
                      .y = y});
    return Get(y);
  }

  void ExpectGroupedBits(std::span<const MlpWeights* const> mlps, MlpTable& table,
                         const RoutedRows& rows, const char* name) {
    const std::vector<float> x = RandomBf16(rows.num_rows * kHidden, 4);
    std::vector<float> want(x.size(), kUntouched);
    const std::vector<float> packed = Grouped(mlps, rows, x);
    for (size_t i = 0; i < rows.packed.size(); ++i) {
      std::copy_n(packed.begin() + static_cast<int64_t>(i) * kHidden, kHidden,
                  want.begin() + rows.packed[i] * kHidden);
    }
    // Bounds that are met, and bounds that leave room.
    for (const int64_t max_rows : {rows.num_packed(), rows.num_rows}) {
      EXPECT_TRUE(SameBits(Routed(cuda_, table, rows, x, max_rows), want, kHidden)) << name;
    }
    EXPECT_TRUE(SameBits(Routed(*busy_, table, rows, x, rows.num_rows), want, kHidden)) << name;
  }

  cudaStream_t stream_ = nullptr;
  std::unique_ptr<cuda::CudaDevice> narrow_;  // one processor: large blocks, many pieces each
  std::unique_ptr<cuda::CudaContext> busy_;
};

TEST_P(CudaRoutedMlp, RowsHaveTheBitsOfGroupedMlp) {
  for (const int64_t shards : {1, 4}) {
    std::vector<MlpWeights> mlps;
    for (const int64_t width : {32, 100, 260, 128, 16}) {
      const bool sharded = shards > 1 && width % 128 == 0;  // beside others that are not
      mlps.push_back(MakeMlp(width, static_cast<uint32_t>(width), sharded ? shards : 1));
    }
    const std::vector<const MlpWeights*> views = {&mlps[0], &mlps[1], &mlps[2], &mlps[3], &mlps[4]};
    const auto table = cuda::MakeMlpTable(cuda_, views);
    for (const cases::RoutedCase& shape : cases::kRouted) {
      ExpectGroupedBits(views, *table, RoutedRows(shape), shape.name);
    }
  }
}

TEST_P(CudaRoutedMlp, ManyBlocksFindTheirRows) {
  constexpr int kBlocks = 300;  // more than one walk of the launch that gives jobs their rows
  std::vector<MlpWeights> mlps;
  mlps.push_back(MakeMlp(32, 50));
  mlps.push_back(MakeMlp(48, 60));
  std::vector<const MlpWeights*> views;
  RoutedRows rows(cases::kRouted[0]);
  rows.spans.clear();
  rows.offsets = {0};
  for (int block = 0; block < kBlocks; ++block) {
    views.push_back(&mlps[static_cast<size_t>(block % 2)]);
    const int32_t count = block % 7 == 0 ? block % 3 : 0;
    rows.spans.insert(rows.spans.end(), {static_cast<int32_t>(rows.packed.size()), count});
    for (int32_t i = 0; i < count; ++i)
      rows.packed.push_back(static_cast<int32_t>(rows.packed.size()));
    rows.offsets.push_back(static_cast<int32_t>(rows.packed.size()));
  }
  rows.num_rows = rows.num_packed() + 2;
  const auto table = cuda::MakeMlpTable(cuda_, views);
  ExpectGroupedBits(views, *table, rows, "many");
}

TEST_P(CudaRoutedMlp, BlocksOfSeveralArithmeticsMeetInOneOp) {
  constexpr int64_t kWidth = 40;
  std::vector<MlpWeights> mlps;
  mlps.push_back(MakeMlp(kWidth, 70));
  const TestWeight gate(DType::kBf16, kWidth, kHidden, 71), down(DType::kBf16, kHidden, kWidth, 72);
  mlps.push_back(
      {.gate_up = cuda::PackGateUp(cuda_, gate.Whole(Compute::kBf16), gate.Whole(Compute::kBf16)),
       .down = Pack(down.Whole(Compute::kBf16))});
  const std::vector<const MlpWeights*> views = {&mlps[0], &mlps[1], &mlps[0], &mlps[1], &mlps[1]};
  const auto table = cuda::MakeMlpTable(cuda_, views);
  for (const cases::RoutedCase& shape : cases::kRouted) {
    ExpectGroupedBits(views, *table, RoutedRows(shape), shape.name);
  }
}

INSTANTIATE_TEST_SUITE_P(All, CudaRoutedMlp, ::testing::ValuesIn(kFloatModes), NameOfMode);

using CudaRoutedMlpDeath = CudaTest;

TEST_F(CudaRoutedMlpDeath, ASpanThatLeavesTheRowsEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  const auto run = [&](const std::vector<int32_t>& spans, int64_t max_rows) {
    const TestWeight weight(DType::kBf16, 8, 8, 1);
    MlpWeights mlp{.gate_up = cuda::PackGateUp(cuda_, weight.Whole(Compute::kBf16),
                                               weight.Whole(Compute::kBf16)),
                   .down = cuda::Pack(cuda_, weight.Whole(Compute::kBf16))};
    const std::vector<const MlpWeights*> views = {&mlp};
    const auto table = cuda::MakeMlpTable(cuda_, views);
    cuda::RoutedMlp(cuda_, {.x = Make(DType::kBf16, {4, 8}),
                            .spans = Put(DType::kI32, {1, 2}, std::span<const int32_t>(spans)),
                            .table = table.get(),
                            .y = Make(DType::kBf16, {4, 8}),
                            .max_rows = max_rows,
                            .likely_rows = 1});
    device_->Synchronize();
  };
  EXPECT_DEATH(run({2, 3}, 4), TrapOf("RouteJobsKernel"));
  EXPECT_DEATH(run({-1, 1}, 4), TrapOf("RouteJobsKernel"));
  EXPECT_DEATH(run({0, 3}, 2), TrapOf("RouteJobsKernel"));
}

}  // namespace
}  // namespace switchyard::kernels
