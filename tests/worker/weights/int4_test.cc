// 4-bit weights of AutoAWQ and GPTQ: every slice has the values that the formula gives, and files
// that are not read are refused by name (MODEL_SPECS 8c).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <random>

#include "kernels/backend.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kRows = 48, kCols = 96, kGroup = 32, kGroups = kCols / kGroup;

// What a weight is made of, each [rows, columns or groups].
struct Plain {
  std::vector<int> codes, zeros;
  std::vector<float> scales;

  float At(int64_t n, int64_t k, int64_t groups) const {
    const int64_t g = k / (kCols / groups);
    return float(codes[n * kCols + k] - zeros[n * groups + g]) * scales[n * groups + g];
  }
};

Plain RandomWeight(int64_t groups) {
  std::mt19937 random(7);
  Plain plain;
  for (int64_t i = 0; i < kRows * kCols; ++i) plain.codes.push_back(int(random() % 16));
  for (int64_t i = 0; i < kRows * groups; ++i) {
    plain.zeros.push_back(1 + int(random() % 15));
    plain.scales.push_back(float(1 + random() % 64) / 1024);
  }
  return plain;
}

// value(row, place) in eight nibbles of each word; AWQ's order of them, or the plain one.
template <typename Value>
std::vector<uint32_t> Pack(int64_t rows, int64_t words, bool awq, const Value& value) {
  constexpr int kAwqOrder[] = {0, 2, 4, 6, 1, 3, 5, 7};
  std::vector<uint32_t> packed(rows * words);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t word = 0; word < words; ++word) {
      for (int i = 0; i < 8; ++i) {
        const int64_t place = 8 * word + (awq ? kAwqOrder[i] : i);
        packed[row * words + word] |= uint32_t(value(row, place)) << (4 * i);
      }
    }
  }
  return packed;
}

TestTensor Words(const char* name, int64_t rows, const std::vector<uint32_t>& words) {
  return TensorOf<uint32_t>(name, FileDtype::kI32, {rows, std::ssize(words) / rows}, words);
}

std::vector<TestTensor> Stored(const Int4Format& format, const Plain& plain) {
  const bool awq = format.layout == Int4Layout::kAwq;
  const int64_t groups = format.group_columns == 0 ? 1 : kGroups;
  const auto code = [&](int64_t k, int64_t n) { return plain.codes[n * kCols + k]; };
  std::vector<uint32_t> codes;
  if (awq) {
    codes = Pack(kCols, kRows / 8, true, code);
  } else {  // the words of one row hold eight k of one n
    codes.resize(kCols / 8 * kRows);
    for (int64_t k = 0; k < kCols; ++k) {
      for (int64_t n = 0; n < kRows; ++n) {
        codes[k / 8 * kRows + n] |= uint32_t(code(k, n)) << (4 * (k % 8));
      }
    }
  }
  const auto zeros = Pack(groups, kRows / 8, awq, [&](int64_t g, int64_t n) {
    return plain.zeros[n * groups + g] - (format.zeros_less_one ? 1 : 0);
  });
  std::vector<float> scales(groups * kRows);
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t n = 0; n < kRows; ++n) scales[g * kRows + n] = plain.scales[n * groups + g];
  }
  std::vector<TestTensor> tensors = {
      Words("m.qweight", awq ? kCols : kCols / 8, codes), Words("m.qzeros", groups, zeros),
      TensorOf<float>("m.scales", FileDtype::kF32, {groups, kRows}, scales)};
  if (!awq) {
    std::vector<int32_t> group_of(kCols);
    for (int64_t k = 0; k < kCols; ++k) group_of[k] = int32_t(k / (kCols / groups));
    tensors.push_back(TensorOf<int32_t>("m.g_idx", FileDtype::kI32, {kCols}, group_of));
  }
  return tensors;
}

class Int4Test : public ::testing::Test {
 protected:
  absl::Status Load(const std::vector<TestTensor>& tensors, const Int4Format& format,
                    const MatrixSlice& slice, std::vector<float>* values = nullptr) {
    TempFolder folder;
    WriteTensors(folder / kSingleFileName, tensors);
    const auto checkpoint = Checkpoint::Open(folder.path());
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    WeightLoader loader(*checkpoint, *ops_, {.int4 = format});
    std::unique_ptr<kernels::PackedLinear> whole;
    std::vector<std::vector<float>> seen;
    // Widened as it comes, and from whole numbers that are packed, too.
    for (auto* packed : {static_cast<decltype(&whole)>(nullptr), &whole}) {
      const int64_t size = slice.num_rows() * slice.num_cols();
      loader.Derive(slice,
                    {{.name = "seen",
                      .rows = slice.num_rows(),
                      .cols = slice.num_cols(),
                      .make =
                          [&seen, size](const float* from, float* weight) {
                            seen.emplace_back(from, from + size);
                            std::copy_n(from, size, weight);
                          },
                      .take = [](auto) {}}},
                    packed);
    }
    SY_RETURN_IF_ERROR(loader.Run());
    EXPECT_EQ(seen.at(0), seen.at(1));
    if (values != nullptr) *values = seen.at(0);
    return absl::OkStatus();
  }

  std::unique_ptr<kernels::Ops> ops_ = *kernels::MakeCpuBackend({.num_threads = 1});
};

const MatrixSlice kWhole{.tensor = "m.weight", .rows = kRows, .cols = kCols};

TEST_F(Int4Test, EverySliceHasTheValuesOfTheFormula) {
  MatrixSlice part = kWhole;  // cuts words and groups
  part.row_begin = 11, part.row_end = 31, part.col_begin = 20, part.col_end = 70;
  for (const Int4Format& format :
       {Int4Format{Int4Layout::kAwq, kGroup, false}, Int4Format{Int4Layout::kAwq, 0, false},
        Int4Format{Int4Layout::kGptq, kGroup, true}, Int4Format{Int4Layout::kGptq, kGroup, false},
        Int4Format{Int4Layout::kGptq, 0, true}}) {
    const int64_t groups = format.group_columns == 0 ? 1 : kGroups;
    const Plain plain = RandomWeight(groups);
    for (const MatrixSlice& slice : {kWhole, part}) {
      std::vector<float> values;
      const absl::Status status = Load(Stored(format, plain), format, slice, &values);
      ASSERT_TRUE(status.ok()) << status;
      for (int64_t n = 0; n < slice.num_rows(); ++n) {
        for (int64_t k = 0; k < slice.num_cols(); ++k) {
          ASSERT_EQ(values[n * slice.num_cols() + k],
                    plain.At(slice.row_begin + n, slice.col_begin + k, groups))
              << "layout " << int(format.layout) << ", " << n << ", " << k;
        }
      }
    }
  }
}

TEST_F(Int4Test, ColumnsInTheOrderOfActivationsAreRefused) {
  const Int4Format format{Int4Layout::kGptq, kGroup, true};
  std::vector<TestTensor> tensors = Stored(format, RandomWeight(kGroups));
  std::vector<int32_t> group_of(kCols, 0);
  tensors[3] = TensorOf<int32_t>("m.g_idx", FileDtype::kI32, {kCols}, group_of);
  const absl::Status status = Load(tensors, format, kWhole);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("tensor m.g_idx: column 32 is in group 0, not in 1: columns in the order "
                        "of their activations (desc_act) are not read"));
}

TEST_F(Int4Test, WhatIsMissingOrMisshapenIsNamed) {
  const Int4Format format{Int4Layout::kAwq, kGroup, false};
  const std::vector<TestTensor> good = Stored(format, RandomWeight(kGroups));
  const auto expect = [&](const std::vector<TestTensor>& tensors, const char* message) {
    const absl::Status status = Load(tensors, format, kWhole);
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  };
  expect({good[0], good[1]}, "has no tensor \"m.scales\"");
  expect({good[0], good[2]}, "has no tensor \"m.qzeros\"");
  expect({good[1], good[2]}, "has no tensor \"m.weight\"");
  std::vector<TestTensor> bad = good;
  bad[0].spec.shape = {kCols / 2, kRows / 4};
  expect(bad, "tensor m.qweight has shape [48, 12], config.json asks for [96, 6]");
  bad = good;
  bad[1].spec.dtype = FileDtype::kF32;
  expect(bad, "tensor m.qzeros is F32; qzeros of 4-bit weights are I32");
  bad = good;
  std::vector<float> scales(kGroups * kRows, 1.0f);
  scales[kRows + 5] = std::numeric_limits<float>::infinity();
  bad[2] = TensorOf<float>("m.scales", FileDtype::kF32, {kGroups, kRows}, scales);
  expect(bad, "tensor m.scales: the scale of row 5 and group 1 is inf");
}

}  // namespace
}  // namespace switchyard::worker
