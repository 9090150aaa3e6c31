// A linear layer on a GPU is right in every arithmetic and at every size, and a row's bits depend
// on that row alone.
#include "kernels/cuda/linear.h"

#include <cmath>
#include <limits>

#include "kernels/cases/linear.h"
#include "tests/kernels/cuda/cuda_linear_fixture.h"
#include "tests/kernels/reference/linear_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

class CudaLinear : public CudaLinearTest {
 protected:
  ::testing::AssertionResult Agrees(const LinearSource& source, const std::vector<float>& x) {
    const auto weight = Pack(source);
    const std::vector<float> got = Linear(*weight, x);
    const reference::Sums want =
        reference::Linear(source, {.x = x, .rows = static_cast<int64_t>(x.size()) / weight->k()});
    return Close({.got = got,
                  .want = want.value,
                  .magnitude = want.magnitude,
                  .columns = weight->n(),
                  .num_terms = weight->k(),
                  .epsilon = Epsilon()});
  }
};

TEST_P(CudaLinear, AgreesWithDoublePrecisionAtOddShapes) {
  for (const cases::LinearCase& shape : cases::kOdd) {
    const TestWeight weight(dtype(), shape.n, shape.k, 1);
    const std::vector<int64_t> counts = {1, 7, 13, 33};
    for (const int64_t rows : counts) {
      EXPECT_TRUE(Agrees(weight.Whole(compute()), RandomBf16(rows * shape.k, 2)))
          << shape.name << ", " << rows << " rows";
    }
  }
}

TEST_P(CudaLinear, AgreesAtEveryTileOfTokens) {
  const TestWeight weight(dtype(), 71, 300, 3);
  for (const int64_t rows : {16, 17, 64, 65, 128, 129}) {
    EXPECT_TRUE(Agrees(weight.Whole(compute()), RandomBf16(rows * 300, 4))) << rows << " rows";
  }
}

TEST_P(CudaLinear, AgreesOnSlicesThatScaleBlocksDoNotAlignWith) {
  const TestWeight weight(dtype(), 300, 512, 3);
  for (const auto& [row, rows] : {std::pair{0, 300}, {100, 57}, {130, 17}, {299, 1}}) {
    for (const auto& [col, cols] : {std::pair{0, 512}, {96, 224}, {160, 160}, {500, 12}}) {
      const LinearSource source = weight.Slice(compute(), row, rows, col, cols);
      EXPECT_TRUE(Agrees(source, RandomBf16(3 * cols, 4)))
          << row << ' ' << rows << ' ' << col << ' ' << cols;
    }
  }
}

TEST_P(CudaLinear, AgreesWithScalesOfRowsAndOfTheTensor) {
  if (dtype() != DType::kF8E4M3) return;
  TestWeight weight(dtype(), 150, 300, 3);
  for (const int64_t block_rows : {1, 150}) {
    for (const auto& [row, rows, col, cols] : {std::tuple{0, 70, 0, 300}, {100, 37, 96, 160}}) {
      const LinearSource source =
          weight.WithRowScales(weight.Slice(compute(), row, rows, col, cols), block_rows);
      EXPECT_TRUE(Agrees(source, RandomBf16(3 * cols, 4)))
          << block_rows << ' ' << row << ' ' << col;
    }
  }
}

TEST_P(CudaLinear, AddsTheBiasToTheFinishedSum) {
  const TestWeight weight(dtype(), 37, 192, 5);
  const std::vector<float> bias = RandomValues(37, 6);
  for (const int64_t shards : {1, 2}) {
    LinearSource source = weight.Whole(compute());
    source.bias = TensorView(bias.data(), DType::kF32, {37});
    source.k_shards = shards;
    EXPECT_TRUE(Agrees(source, RandomBf16(9 * 192, 7))) << shards;
  }
}

TEST_P(CudaLinear, SumsVirtualShardsOfAnyNumber) {
  const TestWeight weight(dtype(), 50, 8 * 77, 8);
  for (const int64_t shards : {1, 2, 4, 8}) {
    LinearSource source = weight.Whole(compute());
    source.k_shards = shards;
    EXPECT_TRUE(Agrees(source, RandomBf16(10 * 8 * 77, 9))) << shards << " shards";
  }
}

TEST_P(CudaLinear, RoundsToBf16Once) {
  const TestWeight weight(dtype(), 83, 200, 10);
  for (const int64_t shards : {1, 2}) {
    LinearSource source = weight.Whole(compute());
    source.k_shards = shards;
    const auto packed = Pack(source);
    const std::vector<float> x = RandomBf16(5 * 200, 11);
    std::vector<float> want = Linear(*packed, x);
    for (float& value : want) value = RoundToBf16(value);
    EXPECT_TRUE(SameBits(Linear(*packed, x, DType::kBf16), want, 83)) << shards;
  }
}

TEST_P(CudaLinear, ARowsBitsDependOnThatRowAlone) {
  constexpr int64_t kN = 83, kK = 330;
  const int64_t most = 200;
  const TestWeight weight(dtype(), kN, kK, 10);
  LinearSource source = weight.Whole(compute());
  source.k_shards = 2;
  const auto packed = Pack(source);
  const std::vector<float> x = RandomBf16(most * kK, 11);
  std::vector<float> few;  // by tiles of 8
  for (int64_t row = 0; row < most; row += 8) {
    const std::vector<float> y = Linear(*packed, std::span(x).subspan(row * kK, 8 * kK));
    few.insert(few.end(), y.begin(), y.end());
  }
  for (const int64_t rows : {1, 2, 7, 9, 31, 33, 65, 191, 200}) {
    if (rows > most) break;
    const int64_t first = (most - rows) / 2;
    const std::vector<float> y = Linear(*packed, std::span(x).subspan(first * kK, rows * kK));
    EXPECT_TRUE(SameBits(y, std::span(few).subspan(first * kN, rows * kN), kN))
        << rows << " rows from " << first;
  }
}

TEST_P(CudaLinear, AnOutputsBitsDependOnItsWeightRowAlone) {
  constexpr int64_t kN = 200, kK = 300;
  const TestWeight weight(dtype(), kN, kK, 12);
  const std::vector<float> x = RandomBf16(9 * kK, 13);
  const std::vector<float> whole = Linear(*Pack(weight.Whole(compute())), x);
  for (const auto& [begin, count] : {std::pair{0, 1}, {1, 16}, {77, 100}, {199, 1}}) {
    const auto slice = Pack(weight.Slice(compute(), begin, count, 0, kK));
    const std::vector<float> y = Linear(*slice, x);
    for (int64_t row = 0; row < 9; ++row) {
      EXPECT_TRUE(SameBits(std::span(y).subspan(row * count, count),
                           std::span(whole).subspan(row * kN + begin, count), count));
    }
  }
}

// What row-parallel ranks rely on: partial sums over slices of K, added as a tree, are the whole
// sum.
TEST_P(CudaLinear, RanksThatShareTheVirtualShardsWalkOneTree) {
  constexpr int64_t kN = 40, kShards = 8, kK = kShards * 48, kRows = 9;
  const TestWeight weight(dtype(), kN, kK, 16);
  const std::vector<float> x = RandomBf16(kRows * kK, 17);
  LinearSource source = weight.Whole(compute());
  source.k_shards = kShards;
  const std::vector<float> whole = Linear(*Pack(source), x);
  const TensorView wide = PutBf16({kRows, kK}, x);
  // Slices cut quantisation groups here, so ranks agree on the groups' maxima first.
  const TensorView groups = PutF32({kRows, 3}, reference::GroupAmax(x, kRows, kK, 0));
  for (const int64_t ranks : {2, 8}) {
    const int64_t width = kK / ranks;
    std::vector<std::vector<float>> parts;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      LinearSource slice = weight.Slice(compute(), 0, kN, rank * width, width);
      slice.k_shards = kShards / ranks;
      const auto packed = Pack(slice);
      const int64_t first = rank * width / 128, last = (rank * width + width - 1) / 128;
      const TensorView y = Make(DType::kF32, {kRows, kN});
      cuda::Linear(cuda_, {.x = wide.Cols(rank * width, width),
                           .weight = packed.get(),
                           .y = y,
                           .x_amax = groups.Cols(first, last - first + 1)});
      parts.push_back(Get(y));
    }
    for (size_t step = 1; step < parts.size(); step *= 2) {
      for (size_t i = 0; i + step < parts.size(); i += 2 * step) {
        for (size_t j = 0; j < parts[i].size(); ++j) parts[i][j] += parts[i + step][j];
      }
    }
    EXPECT_TRUE(SameBits(parts[0], whole, kN)) << ranks << " ranks";
  }
}

TEST_P(CudaLinear, NanAndInfinityReachTheirOwnRowsOnly) {
  constexpr int64_t kN = 20, kK = 150, kRows = 8;
  const auto packed = Pack(TestWeight(dtype(), kN, kK, 18).Whole(compute()));
  std::vector<float> x = RandomBf16(kRows * kK, 19);
  const std::vector<float> clean = Linear(*packed, x);
  x[1 * kK + 149] = std::numeric_limits<float>::quiet_NaN();
  x[4 * kK + 3] = std::numeric_limits<float>::infinity();
  const std::vector<float> y = Linear(*packed, x);
  for (int64_t i = 0; i < kRows * kN; ++i) {
    if (i / kN == 1) {
      EXPECT_TRUE(std::isnan(y[i])) << i;
    } else if (i / kN == 4) {
      EXPECT_FALSE(std::isfinite(y[i])) << i;
    } else {
      EXPECT_EQ(y[i], clean[i]) << i;
    }
  }
}

TEST_P(CudaLinear, ANanWeightReachesItsOwnOutputOnly) {
  constexpr int64_t kN = 20, kK = 40;
  TestWeight weight(dtype(), kN, kK, 20);
  if (dtype() == DType::kF16) return;  // NaN halves are tested with dtype.h
  weight.Store(7 * kK + 11, std::numeric_limits<float>::quiet_NaN());
  const std::vector<float> y = Linear(*Pack(weight.Whole(compute())), RandomBf16(9 * kK, 21));
  for (int64_t i = 0; i < 9 * kN; ++i) EXPECT_EQ(std::isnan(y[i]), i % kN == 7) << i;
}

TEST_P(CudaLinear, PowerOfTwoScalesChangeW8A8AsTheReferenceSays) {
  constexpr int64_t kN = 20, kK = 200, kRows = 4;
  const TestWeight weight(dtype(), kN, kK, 30);
  const auto packed = Pack(weight.Whole(compute()));
  const std::vector<float> x = RandomBf16(kRows * kK, 31);
  const TensorView y = Make(DType::kF32, {kRows, kN});
  cuda::Linear(
      cuda_, {.x = PutBf16({kRows, kK}, x), .weight = packed.get(), .y = y, .ue8m0_scales = true});
  const std::vector<float> got = Get(y);
  const reference::Sums want =
      reference::Linear(weight.Whole(compute()), {.x = x, .rows = kRows, .ue8m0 = true});
  EXPECT_TRUE(Close({.got = got,
                     .want = want.value,
                     .magnitude = want.magnitude,
                     .columns = kN,
                     .num_terms = kK,
                     .epsilon = Epsilon()}));
}

TEST_P(CudaLinear, NoRowsIsNoWork) {
  const auto packed = Pack(TestWeight(dtype(), 20, 40, 22).Whole(compute()));
  EXPECT_TRUE(Linear(*packed, {}).empty());
}

TEST_P(CudaLinear, RowsMayBeColumnsOfWiderMatrices) {
  constexpr int64_t kN = 30, kK = 70, kRows = 5, kWide = 200;
  const auto packed = Pack(TestWeight(dtype(), kN, kK, 23).Whole(compute()));
  const std::vector<float> wide = RandomBf16(kRows * kWide, 24);
  for (const int64_t x_begin : {13, 16}) {
    for (const DType dtype : {DType::kF32, DType::kBf16}) {
      const std::vector<float> sevens(kRows * kWide, 7.0f);
      const TensorView out = Put(dtype, {kRows, kWide}, std::span<const float>(sevens));
      cuda::Linear(cuda_, {.x = PutBf16({kRows, kWide}, wide).Cols(x_begin, kK),
                           .weight = packed.get(),
                           .y = out.Cols(52, kN)});
      const std::vector<float> got = Get(out);
      for (int64_t row = 0; row < kRows; ++row) {
        const auto x = std::span(wide).subspan(row * kWide + x_begin, kK);
        const auto y = std::span(got).subspan(row * kWide, kWide);
        EXPECT_TRUE(SameBits(y.subspan(52, kN), Linear(*packed, x, dtype), kN));
        EXPECT_EQ(y[51], 7.0f);
        EXPECT_EQ(y[52 + kN], 7.0f);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, CudaLinear, ::testing::ValuesIn(kFloatModes), NameOfMode);

}  // namespace
}  // namespace switchyard::kernels
