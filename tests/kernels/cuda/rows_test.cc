// The CUDA ops that walk rows: right at every width, and a row's bits never depend on its
// neighbours.
#include "kernels/cuda/rows.h"

#include "kernels/cases/rows.h"
#include "kernels/cuda/cuda_ops.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/quantised_norm_checks.h"
#include "tests/kernels/reference/rows_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

class CudaRowsTest : public CudaTest {
 protected:
  static std::vector<int64_t> Widths() {
    std::vector<int64_t> widths(std::begin(cases::kOddWidths), std::end(cases::kOddWidths));
    widths.insert(widths.end(), std::begin(cases::kServedWidths), std::end(cases::kServedWidths));
    return widths;
  }
};

std::span<const float> Row(const std::vector<float>& values, int64_t row, int64_t width) {
  return std::span(values).subspan(static_cast<size_t>(row * width), static_cast<size_t>(width));
}

TEST_F(CudaRowsTest, RmsNormAgreesWithDoublePrecision) {
  for (const int64_t width : Widths()) {
    const std::vector<float> x = RandomBf16(3 * width, 1), weight = RandomValues(width, 2);
    const TensorView y = Make(DType::kBf16, {3, width});
    cuda::RmsNorm(
        cuda_,
        {.x = PutBf16({3, width}, x), .weight = PutF32({width}, weight), .eps = 1e-6f, .y = y});
    const std::vector<float> got = Get(y);
    for (int64_t row = 0; row < 3; ++row) {
      const auto want = reference::RmsNorm(Row(x, row, width), weight, 1e-6);
      EXPECT_TRUE(Close({.got = Row(got, row, width),
                         .want = want,
                         .columns = width,
                         .epsilon = kOneBf16Rounding,
                         .min_cosine = 1 - 1e-5}))
          << "width " << width;
    }
  }
}

TEST_F(CudaRowsTest, RmsNormAddsTheResidualFirstAndKeepsTheSum) {
  const std::vector<float> x = RandomBf16(500, 1), delta = RandomBf16(500, 2);
  const TensorView weight = PutF32({100}, RandomValues(100, 3));
  const TensorView sum = PutBf16({5, 100}, x), y = Make(DType::kBf16, {5, 100});
  cuda::RmsNorm(
      cuda_, {.x = sum, .delta = PutBf16({5, 100}, delta), .weight = weight, .eps = 1e-5f, .y = y});
  std::vector<float> want(500);
  for (size_t i = 0; i < want.size(); ++i) want[i] = RoundToBf16(x[i] + delta[i]);
  EXPECT_TRUE(SameBits(Get(sum), want, 100));
  const TensorView plain = Make(DType::kBf16, {5, 100});
  cuda::RmsNorm(cuda_, {.x = sum, .weight = weight, .eps = 1e-5f, .y = plain});
  EXPECT_TRUE(SameBits(Get(y), Get(plain), 100));
  cuda::RmsNorm(cuda_, {.x = sum, .weight = weight, .eps = 1e-5f, .y = sum});  // in place
  EXPECT_TRUE(SameBits(Get(sum), Get(plain), 100));
}

TEST_F(CudaRowsTest, RmsNormOfARowDoesNotDependOnItsNeighbours) {
  const int64_t width = 2048;
  const TensorView x = PutBf16({40, width}, RandomBf16(40 * width, 1));
  const TensorView weight = PutF32({width}, RandomValues(width, 2));
  const TensorView all = Make(DType::kBf16, {40, width}), one = Make(DType::kBf16, {1, width});
  cuda::RmsNorm(cuda_, {.x = x, .weight = weight, .eps = 1e-6f, .y = all});
  const std::vector<float> rows = Get(all);
  for (const int64_t row : {0, 1, 17, 39}) {
    cuda::RmsNorm(cuda_, {.x = x.Rows(row, 1), .weight = weight, .eps = 1e-6f, .y = one});
    EXPECT_TRUE(SameBits(Get(one), Row(rows, row, width), width));
  }
}

TEST_F(CudaRowsTest, ANormThatQuantisesHasTheBitsOfTheTwoOps) {
  constexpr double kTensorCoreSums = 0x1p-18;  // of e4m3: 13 bits below the largest of 32 terms
  const std::unique_ptr<Ops> ops = cuda::MakeCudaOps(*device_);
  for (const cases::QuantisedNormCase& shape : cases::kQuantisedNorms) {
    SCOPED_TRACE(std::to_string(shape.rows) + " x " + std::to_string(shape.width));
    for (const bool ue8m0 : {false, true}) {
      QuantisedNormChecks(*ops, shape, ue8m0, kTensorCoreSums).All();
    }
  }
}

TEST_F(CudaRowsTest, WeightsOfWholeGroupsTakeQuantisedRows) {
  CheckWeightsThatTakeQuantised(*cuda::MakeCudaOps(*device_));
}

// What is added may be finer than the rows that it is added to.
TEST_F(CudaRowsTest, AddRoundsOnceAndTakesOneRowForAll) {
  for (const int64_t width : Widths()) {
    for (const bool fine : {false, true}) {
      const std::vector<float> x = RandomBf16(4 * width, 1);
      const std::vector<float> delta = fine ? RandomValues(width, 2) : RandomBf16(width, 2);
      const TensorView sum = PutBf16({4, width}, x);
      TensorView one_row = fine ? PutF32({1, width}, delta) : PutBf16({1, width}, delta);
      one_row.dims[0] = 4;
      one_row.row_stride = 0;
      cuda::Add(cuda_, {.x = sum, .delta = one_row});
      std::vector<float> want(x.size());
      for (size_t i = 0; i < x.size(); ++i) {
        want[i] = RoundToBf16(x[i] + delta[i % static_cast<size_t>(width)]);
      }
      EXPECT_TRUE(SameBits(Get(sum), want, width)) << width << (fine ? ", f32" : "");
    }
  }
}

TEST_F(CudaRowsTest, EmbeddingTakesRowsOfItsShardAndZerosOtherwise) {
  const std::vector<float> table = RandomBf16(6 * 33, 1);
  const std::vector<int32_t> ids = {12, 3, 9, 10, 15, 16};
  const std::vector<int32_t> shard_rows = {2, -1, -1, 0, 5, -1};
  for (const auto& [dtype, scale] :
       {std::pair{DType::kBf16, 1.0f}, {DType::kF32, 1.0f}, {DType::kBf16, 9.8125f}}) {
    const TensorView y = Make(DType::kBf16, {6, 33});
    cuda::Embedding(cuda_, {.ids = ids,
                            .table = Put(dtype, {6, 33}, std::span<const float>(table)),
                            .first_row = 10,
                            .scale = scale,
                            .y = y});
    const std::vector<float> got = Get(y);
    for (int64_t t = 0; t < 6; ++t) {
      std::vector<float> want(33, 0.0f);
      if (shard_rows[t] >= 0) {
        const auto row = Row(table, shard_rows[t], 33);
        want.assign(row.begin(), row.end());
        for (float& value : want) value = ToFloat(ToBf16(scale * value));
      }
      EXPECT_TRUE(SameBits(Row(got, t, 33), want, 33)) << t << ' ' << scale;
    }
  }
}

TEST_F(CudaRowsTest, RopeRotatesPairsOfStridedHeads) {
  constexpr int64_t kRows = 3, kHeads = 4, kWide = 40, kDim = 24, kMaxPositions = 300;
  const std::vector<int32_t> positions = {0, 17, 299};
  for (const bool halves : {false, true}) {
    std::vector<float> table(kMaxPositions * kDim);
    for (int64_t position = 0; position < kMaxPositions; ++position) {
      for (int64_t pair = 0; pair < kDim / 2; ++pair) {
        const double angle = reference::RopeAngle(position, pair, kDim, 10000);
        float* const row = &table[position * kDim];
        row[reference::RopePlace(pair, 0, kDim, halves)] = static_cast<float>(std::cos(angle));
        row[reference::RopePlace(pair, 1, kDim, halves)] = static_cast<float>(std::sin(angle));
      }
    }
    const std::vector<float> before = RandomBf16(kRows * kHeads * kWide, 5);
    const TensorView x = PutBf16({kRows, kHeads * kWide}, before);
    TensorView part(x.Cols(kWide - kDim, kDim).data, DType::kBf16, {kRows, kHeads, kDim});
    part.row_stride = kHeads * kWide;
    cuda::Rope(cuda_, {.x = part,
                       .head_stride = kWide,
                       .positions = positions,
                       .table = PutF32({kMaxPositions, kDim}, table),
                       .halves = halves});
    const std::vector<float> got = Get(x);
    for (int64_t i = 0; i < kRows * kHeads; ++i) {
      const auto was = Row(before, i, kWide), is = Row(got, i, kWide);
      EXPECT_TRUE(SameBits(is.first(kWide - kDim), was.first(kWide - kDim), kWide));
      const auto head = was.last(kDim);
      const auto want = reference::Rope(head, positions[i / kHeads], 10000, halves);
      // Of a pair, the smaller part may come from larger terms.
      std::vector<double> magnitude(kDim);
      for (int64_t pair = 0; pair < kDim / 2; ++pair) {
        const int64_t first = reference::RopePlace(pair, 0, kDim, halves);
        const int64_t second = reference::RopePlace(pair, 1, kDim, halves);
        magnitude[first] = magnitude[second] = std::abs(head[first]) + std::abs(head[second]);
      }
      EXPECT_TRUE(Close({.got = is.last(kDim),
                         .want = want,
                         .magnitude = magnitude,
                         .columns = kDim,
                         .epsilon = kOneBf16Rounding,
                         .min_cosine = 1 - 1e-5}));
    }
  }
}

TEST_F(CudaRowsTest, RopeGivesTheSameBitsAtOddPlaces) {
  constexpr int64_t kRows = 3, kHeads = 2, kDim = 24;
  const std::vector<int32_t> positions = {0, 5, 9};
  const TensorView table = PutF32({10, kDim}, RandomValues(10 * kDim, 6));
  const std::vector<float> values = RandomBf16(kRows * kHeads * kDim, 7);
  // Heads close together, then heads that begin one element later, at an odd step.
  std::vector<float> got[2];
  for (const int64_t gap : {0, 1}) {
    const int64_t head_stride = kDim + gap, row_stride = kHeads * head_stride + 2 * gap;
    std::vector<float> memory(gap + kRows * row_stride);
    const auto at = [&](int64_t i) -> float& {
      const int64_t row = i / (kHeads * kDim), head = i / kDim % kHeads;
      return memory[gap + row * row_stride + head * head_stride + i % kDim];
    };
    for (int64_t i = 0; i < std::ssize(values); ++i) at(i) = values[i];
    const TensorView all = PutBf16({std::ssize(memory)}, memory);
    TensorView x(static_cast<Bf16*>(all.data) + gap, DType::kBf16, {kRows, kHeads, kDim});
    x.row_stride = row_stride;
    cuda::Rope(cuda_, {.x = x, .head_stride = head_stride, .positions = positions, .table = table});
    memory = Get(all);
    for (int64_t i = 0; i < std::ssize(values); ++i) got[gap].push_back(at(i));
  }
  EXPECT_TRUE(SameBits(got[1], got[0], kDim));
}

TEST_F(CudaRowsTest, GatherRowsCopiesBytesOfAnyType) {
  for (const int64_t width : {1, 3, 8, 33, 512}) {
    const std::vector<float> x = RandomBf16(7 * width, 1);
    const std::vector<int32_t> rows = {6, 0, 0, 3};
    for (const DType dtype : {DType::kBf16, DType::kF32}) {
      const TensorView y = Make(dtype, {4, width});
      cuda::GatherRows(
          cuda_, {.x = Put(dtype, {7, width}, std::span<const float>(x)), .rows = rows, .y = y});
      const std::vector<float> got = Get(y);
      for (int64_t i = 0; i < 4; ++i) {
        EXPECT_TRUE(SameBits(Row(got, i, width), Row(x, rows[i], width), width)) << width;
      }
    }
  }
}

TEST_F(CudaRowsTest, CastRoundsToNearestEvenAndKeepsStrides) {
  std::vector<float> x = RandomValues(6 * 50, 1);
  x[7] = 1.00390625f;  // halfway: to even
  x[8] = 1.01171875f;
  const TensorView wide = PutF32({6, 50}, x), narrow = Make(DType::kBf16, {6, 50});
  cuda::Cast(cuda_, {.x = wide, .y = narrow});
  std::vector<float> want(x.size());
  for (size_t i = 0; i < x.size(); ++i) want[i] = RoundToBf16(x[i]);
  EXPECT_TRUE(SameBits(Get(narrow), want, 50));
  const TensorView columns = Make(DType::kF32, {6, 9});
  cuda::Cast(cuda_, {.x = narrow.Cols(5, 9), .y = columns});
  const std::vector<float> got = Get(columns);
  for (int64_t row = 0; row < 6; ++row) {
    EXPECT_TRUE(SameBits(Row(got, row, 9), Row(want, row, 50).subspan(5, 9), 9));
  }
}

TEST_F(CudaRowsTest, TreeSumAddsInTheCanonicalOrder) {
  for (const int64_t parts : {1, 2, 4, 8, 16}) {
    constexpr int64_t kWidth = 300;
    const std::vector<float> values = RandomValues(parts * kWidth, 3);
    std::vector<float> want(kWidth);
    for (int64_t i = 0; i < kWidth; ++i) {
      std::vector<float> column(static_cast<size_t>(parts));
      for (int64_t part = 0; part < parts; ++part) column[part] = values[part * kWidth + i];
      want[i] = reference::TreeSum(column);
    }
    const TensorView in = PutF32({parts, kWidth}, values);
    const TensorView narrow = Make(DType::kBf16, {kWidth});
    cuda::TreeSum(cuda_, {.parts = in, .y = narrow});
    cuda::TreeSum(cuda_, {.parts = in, .y = TensorView(in.data, DType::kF32, {kWidth})});
    EXPECT_TRUE(SameBits(Get(TensorView(in.data, DType::kF32, {kWidth})), want, kWidth)) << parts;
    for (float& value : want) value = RoundToBf16(value);
    EXPECT_TRUE(SameBits(Get(narrow), want, kWidth)) << parts;
  }
}

TEST_F(CudaRowsTest, TheLargestPartIsFoundAndANanStays) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const int64_t parts : {1, 2, 3, 8}) {
    constexpr int64_t kWidth = 300;
    std::vector<float> values = RandomValues(parts * kWidth, 3);
    values[static_cast<size_t>((parts - 1) * kWidth)] = nan;  // the last one of a column
    values[1] = nan;                                          // the first
    values[2] = -infinity;
    std::vector<float> want(values.begin(), values.begin() + kWidth);
    for (int64_t i = 0; i < parts * kWidth; ++i) {
      float& largest = want[static_cast<size_t>(i % kWidth)];
      largest = std::isnan(largest) || std::isnan(values[static_cast<size_t>(i)])
                    ? nan
                    : std::max(largest, values[static_cast<size_t>(i)]);
    }
    const TensorView in = PutF32({parts, kWidth}, values);
    const TensorView y(in.data, DType::kF32, {kWidth});
    cuda::LargestPart(cuda_, {.parts = in, .y = y});
    EXPECT_TRUE(SameBits(Get(y), want, kWidth)) << parts;
  }
}

TEST_F(CudaRowsTest, NoRowsIsNoWork) {
  cuda::RmsNorm(cuda_, {.x = Make(DType::kBf16, {0, 8}),
                        .weight = PutF32({8}, RandomValues(8, 1)),
                        .eps = 1e-6f,
                        .y = Make(DType::kBf16, {0, 8})});
  cuda::Cast(cuda_, {.x = Make(DType::kF32, {0, 8}), .y = Make(DType::kBf16, {0, 8})});
  device_->Synchronize();
}

}  // namespace
}  // namespace switchyard::kernels
