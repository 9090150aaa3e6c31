#include "worker/weights/block_fp8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace switchyard::worker {
namespace {

using kernels::Bf16;
using kernels::F8E4M3;
using ::testing::HasSubstr;

// A whole FP8 matrix with its scales.
struct Matrix {
  Matrix(int64_t num_rows, int64_t num_cols, unsigned seed) : rows(num_rows), cols(num_cols) {
    std::mt19937 random(seed);
    for (int64_t i = 0; i < rows * cols; ++i) {
      const uint8_t code = uint8_t(random());
      weights.push_back(F8E4M3((code & 0x7f) == 0x7f ? 0 : code));  // no NaN
    }
    for (int64_t i = 0; i < CeilDiv(rows, 128) * CeilDiv(cols, 128); ++i) {
      scales.push_back(std::ldexp(1.0f + float(random() % 1000) / 1000, int(random() % 20) - 15));
    }
  }
  // The definition.
  float Value(int64_t row, int64_t col) const {
    return kernels::ToFloat(weights[row * cols + col]) *
           scales[row / 128 * CeilDiv(cols, 128) + col / 128];
  }

  int64_t rows, cols;
  std::vector<F8E4M3> weights;
  std::vector<float> scales;
};

// The weights and scales of a slice, cut out of the matrix as a shard reader would.
struct Cut {
  Cut(const Matrix& matrix, const BlockSlice& slice) {
    for (int64_t r = slice.row_begin; r < slice.row_begin + slice.num_rows; ++r) {
      for (int64_t c = slice.col_begin; c < slice.col_begin + slice.num_cols; ++c) {
        weights.push_back(matrix.weights[r * matrix.cols + c]);
      }
    }
    for (int64_t i = 0; i < slice.num_block_rows(); ++i) {
      for (int64_t j = 0; j < slice.num_block_cols(); ++j) {
        scales.push_back(matrix.scales[(slice.first_block_row() + i) * CeilDiv(matrix.cols, 128) +
                                       slice.first_block_col() + j]);
      }
    }
  }
  std::vector<F8E4M3> weights;
  std::vector<float> scales;
};

TEST(DequantizeBlocks, AnySliceHasTheValuesOfTheWhole) {
  const Matrix matrix(300, 410, 3);
  std::mt19937 random(4);
  for (int round = 0; round < 50; ++round) {
    BlockSlice slice;
    slice.row_begin = int64_t(random() % matrix.rows);
    slice.col_begin = int64_t(random() % matrix.cols);
    slice.num_rows = int64_t(random() % (matrix.rows - slice.row_begin + 1));
    slice.num_cols = int64_t(random() % (matrix.cols - slice.col_begin + 1));
    const Cut cut(matrix, slice);
    std::vector<float> floats(cut.weights.size());
    std::vector<Bf16> rounded(cut.weights.size());
    DequantizeBlocks(slice, cut.weights.data(), cut.scales.data(), floats.data());
    DequantizeBlocks(slice, cut.weights.data(), cut.scales.data(), rounded.data());
    for (int64_t i = 0; i < slice.num_rows * slice.num_cols; ++i) {
      const float expected =
          matrix.Value(slice.row_begin + i / slice.num_cols, slice.col_begin + i % slice.num_cols);
      ASSERT_EQ(floats[i], expected) << "element " << i;
      ASSERT_EQ(rounded[i], kernels::ToBf16(expected)) << "element " << i;
    }
  }
}

TEST(DequantizeBlocks, TheLastBlockIsCutNotStretched) {
  // 208 rows are blocks of 128 and 80, not two of 104.
  const std::vector<F8E4M3> ones(208, kernels::ToF8E4M3(1.0f));
  const float scales[] = {2.0f, 3.0f};
  std::vector<float> out(208);
  DequantizeBlocks({.num_rows = 208, .num_cols = 1}, ones.data(), scales, out.data());
  EXPECT_EQ(out[127], 2.0f);
  EXPECT_EQ(out[128], 3.0f);
}

TEST(CheckScales, NamesTensorAndBlock) {
  const BlockSlice slice{.row_begin = 128, .col_begin = 256, .num_rows = 200, .num_cols = 300};
  std::vector<float> scales(2 * 3, 1.0f);
  EXPECT_TRUE(CheckScales("w_scale_inv", slice, scales).ok());
  scales[0] = std::numeric_limits<float>::denorm_min();
  EXPECT_TRUE(CheckScales("w_scale_inv", slice, scales).ok());
  for (float bad : {std::nanf(""), INFINITY, -INFINITY, 0.0f, -0.0f, -1.0f}) {
    scales[4] = bad;
    const absl::Status status = CheckScales("w_scale_inv", slice, scales);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(Message(status)),
                HasSubstr("tensor \"w_scale_inv\": the scale of block [2, 3]"));
  }
}

TEST(E8m0ToFloat, IsAPowerOfTwo) {
  EXPECT_EQ(E8m0ToFloat(127), 1.0f);
  EXPECT_EQ(E8m0ToFloat(0), 0x1p-127f);
  EXPECT_EQ(E8m0ToFloat(254), 0x1p127f);
  EXPECT_TRUE(std::isnan(E8m0ToFloat(255)));
}

TEST(QuantizeBlocks, TheLargestValueOfABlockBecomes448) {
  const BlockSlice slice{.num_rows = 130, .num_cols = 140};
  std::vector<float> values(130 * 140, 0.25f);
  values[5 * 140 + 7] = -3.0f;      // block [0, 0]
  values[129 * 140 + 139] = 8.96f;  // block [1, 1], partial both ways
  std::vector<F8E4M3> weights(values.size());
  std::vector<float> scales(4);
  QuantizeBlocks(slice, values.data(), weights.data(), scales.data());
  EXPECT_EQ(scales[0], 3.0f / 448);
  EXPECT_EQ(scales[1], 0.25f / 448);
  EXPECT_EQ(scales[3], 8.96f / 448);
  EXPECT_EQ(kernels::ToFloat(weights[5 * 140 + 7]), -448.0f);
  EXPECT_EQ(kernels::ToFloat(weights[129 * 140 + 139]), 448.0f);
}

TEST(QuantizeBlocks, RoundsLikeTheScalarConversion) {
  // A value of 448 in each block makes its scale 1: every float in range, 104,729 bit patterns
  // apart.
  std::vector<float> values;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 104'729) {
    const float value = std::bit_cast<float>(uint32_t(bits));
    if (!(std::fabs(value) <= 448.0f)) continue;
    if (values.size() % 128 == 0) values.push_back(448.0f);
    values.push_back(value);
  }
  values.resize(values.size() / 128 * 128);
  const BlockSlice slice{.num_rows = 1, .num_cols = int64_t(values.size())};
  std::vector<F8E4M3> weights(values.size());
  std::vector<float> scales(values.size() / 128);
  QuantizeBlocks(slice, values.data(), weights.data(), scales.data());
  ASSERT_GT(values.size(), 10'000u);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(scales[i / 128], 1.0f);
    ASSERT_EQ(weights[i], kernels::ToF8E4M3(values[i])) << values[i];
  }
}

TEST(QuantizeBlocks, GivesBackWhatWasRepresentable) {
  std::mt19937 random(9);
  const BlockSlice slice{.num_rows = 200, .num_cols = 150};
  Matrix matrix(200, 150, 11);
  for (int64_t row : {0, 128}) {
    for (int64_t col : {0, 128}) matrix.weights[row * 150 + col] = kernels::ToF8E4M3(448.0f);
  }
  for (float& scale : matrix.scales) scale = std::ldexp(1.0f, int(random() % 9) - 4);
  std::vector<float> values(200 * 150);
  DequantizeBlocks(slice, matrix.weights.data(), matrix.scales.data(), values.data());
  std::vector<F8E4M3> weights(values.size());
  std::vector<float> scales(4);
  QuantizeBlocks(slice, values.data(), weights.data(), scales.data());
  EXPECT_EQ(scales, matrix.scales);
  EXPECT_EQ(weights, matrix.weights);
}

TEST(QuantizeBlocks, ZerosAndTinyNumbersHaveAUsableScale) {
  for (float tiny : {0.0f, std::numeric_limits<float>::denorm_min(), 1e-37f}) {
    const std::vector<float> values(16, tiny);
    std::vector<F8E4M3> weights(16);
    float scale = 0;
    QuantizeBlocks({.num_rows = 4, .num_cols = 4}, values.data(), weights.data(), &scale);
    EXPECT_TRUE(CheckScales("w", {.num_rows = 4, .num_cols = 4}, {&scale, 1}).ok()) << tiny;
    EXPECT_EQ(kernels::ToFloat(weights[3]), 0.0f);
  }
}

}  // namespace
}  // namespace switchyard::worker
