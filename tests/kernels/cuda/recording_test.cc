// Ops that were recorded give at each replay what they give when they are called, on whatever the
// host's arrays hold by then, or say that they have no room for it.
#include "kernels/recording.h"

#include <algorithm>
#include <numeric>

#include "kernels/cuda/cuda_ops.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/linear_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::SameBits;

class CudaRecordingTest : public CudaTest {
 protected:
  template <typename Issue>
  std::unique_ptr<Recording> Record(Issue&& issue) {
    issue();  // working memory is there
    ops_->BeginRecording();
    issue();
    return ops_->EndRecording();
  }

  const std::unique_ptr<Ops> ops_ = cuda::MakeCudaOps(*device_);
};

// Three sequences in one cache, a row of each.
class CudaRecordedAttention : public CudaRecordingTest {
 protected:
  static constexpr int64_t kRows = 3, kHeads = 2, kLatent = 64, kRope = 16, kBlockTokens = 16;
  static constexpr int64_t kMostTokens = 2304, kBlocks = kRows * kMostTokens / kBlockTokens;

  CudaRecordedAttention() {
    for (int64_t row = 0; row < kRows; ++row) {
      std::vector<int32_t>& table = tables_.emplace_back();
      for (int64_t i = 0; i < kMostTokens / kBlockTokens; ++i) {
        table.push_back(static_cast<int32_t>(kRows * i + row));
      }
    }
    for (const std::vector<int32_t>& table : tables_) views_.push_back(table.data());
  }

  void Issue() {
    ops_->DecodeAttention({.qa = qa_,
                           .q_pe = q_pe_,
                           .positions = positions_,
                           .cache = cache_,
                           .tables = views_,
                           .scale = 0.1f,
                           .out = out_});
  }

  std::vector<float> Result() {
    const std::vector<float> result = Get(out_.Reshaped({kRows, kHeads * kLatent}));
    device_->Zero(out_.data, out_.NumElements() * 2);
    return result;
  }

  // An op with an array of 4 MiB, and little work.
  static constexpr int64_t kManyRows = 1 << 20;
  void RotateMany(std::span<const int32_t> positions) {
    ops_->Rope({.x = many_, .positions = positions, .table = angles_});
  }
  const TensorView many_ = Make(DType::kBf16, {kManyRows, 1, 2});
  const TensorView angles_ = Make(DType::kF32, {1, 2});

  const TensorView qa_ = PutBf16({kRows, kHeads, kLatent}, RandomBf16(kRows* kHeads* kLatent, 1));
  const TensorView q_pe_ = PutBf16({kRows, kHeads, kRope}, RandomBf16(kRows* kHeads* kRope, 2));
  const TensorView cache_ = PutBf16({kBlocks, kBlockTokens, kLatent + kRope},
                                    RandomBf16(kBlocks* kBlockTokens*(kLatent + kRope), 3));
  const TensorView out_ = Make(DType::kBf16, {kRows, kHeads, kLatent});
  std::vector<int32_t> positions_ = {3, 500, 700};
  std::vector<std::vector<int32_t>> tables_;
  std::vector<const int32_t*> views_;
};

TEST_F(CudaRecordedAttention, MoreArraysThanARecordingKeepsAreNeverReplayed) {
  Issue();
  const std::vector<float> want = Result();
  const std::vector<std::vector<int32_t>> positions(5, std::vector<int32_t>(kManyRows, 0));
  ops_->BeginRecording();
  for (const auto& some : positions) RotateMany(some);
  const auto recording = ops_->EndRecording();
  EXPECT_FALSE(recording->Replay());
  Issue();  // and directly all is as before
  EXPECT_EQ(Result(), want);
}

TEST_F(CudaRecordedAttention, WhatEveryLayerReadsIsKeptOnce) {
  const std::vector<int32_t> positions(kManyRows, 0);
  const auto recording = Record([&] {
    for (int layer = 0; layer < 5; ++layer) {
      RotateMany(positions);  // too much for a recording if each kept its own
      Issue();
    }
  });
  Issue();
  const std::vector<float> want = Result();
  ASSERT_TRUE(recording->Replay());
  EXPECT_EQ(Result(), want);
}

TEST_F(CudaRecordedAttention, RowsGrowWhileTheyAreReplayed) {
  const auto recording = Record([&] { Issue(); });
  using Positions = std::vector<int32_t>;
  for (const Positions& positions :
       {Positions{3, 500, 700}, {4, 501, 701}, {4, 512, 1023}, {0, 1023, 0}, {511, 1200, 511}}) {
    std::copy(positions.begin(), positions.end(), positions_.begin());
    std::swap(views_[0], views_[1]);  // other blocks, too
    Issue();
    const std::vector<float> want = Result();
    ASSERT_TRUE(recording->Replay()) << positions[1];
    EXPECT_TRUE(SameBits(Result(), want, kLatent)) << positions[1];
  }
}

TEST_F(CudaRecordedAttention, RowsComeAndGoWhileTheyAreReplayed) {
  views_[2] = nullptr;
  const auto recording = Record([&] { Issue(); });
  for (const int rows : {1, 3, 2, 0}) {
    for (size_t row = 0; row < tables_.size(); ++row) {
      const bool has_keys = static_cast<int>(row) < rows;
      views_[row] = has_keys ? tables_[row].data() : nullptr;
      positions_[row] = has_keys ? 300 : 0;
    }
    Issue();
    const std::vector<float> want = Result();
    ASSERT_TRUE(recording->Replay()) << rows;
    EXPECT_TRUE(SameBits(Result(), want, kLatent)) << rows;
  }
}

TEST_F(CudaRecordedAttention, RowsThatHaveNoRoomAreRefused) {
  const auto recording = Record([&] { Issue(); });
  positions_ = {2000, 2000, 2000};
  EXPECT_FALSE(recording->Replay());
  const std::vector<float> untouched(kRows * kHeads * kLatent, 0);
  Result();
  EXPECT_TRUE(SameBits(Result(), untouched, kLatent)) << "nothing is issued";
}

TEST_F(CudaRecordingTest, IdsSlotsAndRowsAreReadAnew) {
  constexpr int64_t kRows = 4, kWidth = 24, kSlots = 40;
  const TensorView table = PutF32({9, kWidth}, RandomValues(9 * kWidth, 1));
  const TensorView angles = PutF32({50, kWidth}, RandomValues(50 * kWidth, 2));
  const TensorView x = Make(DType::kBf16, {kRows, kWidth}), y = Make(DType::kBf16, {2, kWidth});
  const TensorView z = PutBf16({kRows, kWidth}, RandomBf16(kRows * kWidth, 3));
  const TensorView cache = Make(DType::kBf16, {1, kSlots, 2 * kWidth});
  std::vector<int32_t> ids = {0, 1, 2, 3}, positions = {0, 0, 0, 0}, rows = {0, 1};
  std::vector<int64_t> slots = {0, 1, 2, 3};
  const KeyRotation rotation = {.positions = positions, .table = angles};
  const auto issue = [&] {
    ops_->Embedding({.ids = ids, .table = table, .y = x});
    ops_->Rope({.x = x.Reshaped({kRows, 1, kWidth}), .positions = positions, .table = angles});
    ops_->LatentWrite({.c = z, .k_pe = x, .slots = slots, .cache = cache, .rotation = rotation});
    ops_->GatherRows({.x = x, .rows = rows, .y = y});
  };
  const auto results = [&] {
    std::vector<float> all = Get(y);
    const std::vector<float> cached = Get(cache);
    all.insert(all.end(), cached.begin(), cached.end());
    device_->Zero(cache.data, cache.NumElements() * 2);
    return all;
  };
  const auto recording = Record(issue);
  results();
  for (int32_t step = 1; step < 4; ++step) {
    for (int32_t i = 0; i < kRows; ++i) {  // fewer of them are tokens from step to step
      ids[static_cast<size_t>(i)] = (3 * i + step) % 9;
      positions[static_cast<size_t>(i)] = 7 * i + step;
      slots[static_cast<size_t>(i)] = i + step <= kRows ? 9 * i + step : kNoSlot;
    }
    rows = {step, 0};
    issue();
    const std::vector<float> want = results();
    ASSERT_TRUE(recording->Replay());
    EXPECT_TRUE(SameBits(results(), want, kWidth)) << step;
  }
}

TEST_F(CudaRecordingTest, ARecordingEndsWhenWorkingMemoryHasMoved) {
  const TestWeight weight(DType::kBf16, 64, 64, 1);
  const auto packed = ops_->Pack(weight.Whole(Compute::kBf16));
  const auto issue = [&](int64_t rows) {
    const TensorView x = PutBf16({rows, 64}, RandomBf16(rows * 64, 2));
    return [this, x, rows, &packed, y = Make(DType::kBf16, {rows, 64})] {
      ops_->Linear({.x = x, .weight = packed.get(), .y = y});
    };
  };
  const auto small = issue(8), large = issue(4096);
  const auto recording = Record(small);
  small();
  EXPECT_TRUE(recording->Replay());
  large();
  EXPECT_FALSE(recording->Replay());
  const auto again = Record(small);
  large();
  EXPECT_TRUE(again->Replay());
}

using CudaRecordingDeathTest = CudaRecordingTest;

TEST_F(CudaRecordingDeathTest, PositionsAreCheckedAtEachReplay) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  const TensorView x = Make(DType::kBf16, {1, 1, 8}), table = Make(DType::kF32, {4, 8});
  std::vector<int32_t> positions = {3};
  const auto recording =
      Record([&] { ops_->Rope({.x = x, .positions = positions, .table = table}); });
  positions[0] = 4;
  EXPECT_DEATH(recording->Replay(), "position 4 of 4");
}

TEST_F(CudaRecordingDeathTest, SlotsAreCheckedAtEachReplay) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  const TensorView x = Make(DType::kBf16, {1, 8}), cache = Make(DType::kBf16, {2, 4, 16});
  std::vector<int64_t> slots = {7};
  const auto recording =
      Record([&] { ops_->LatentWrite({.c = x, .k_pe = x, .slots = slots, .cache = cache}); });
  slots[0] = 8;
  EXPECT_DEATH(recording->Replay(), "cache slot 8 of 8");
}

TEST_F(CudaRecordingDeathTest, WhatWaitsForTheDeviceCannotBeRecorded) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  EXPECT_DEATH(
      {
        ops_->BeginRecording();
        device_->Synchronize();
      },
      "cuda_device.cc.*check failed");
}

}  // namespace
}  // namespace switchyard::kernels
