// Slices of a checkpoint on their way to packed weights: right values, and every fault of a
// checkpoint told before anything is read.
#include "worker/weights/weight_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "kernels/backend.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// e4m3 of 1, 1.5, 2 and so on by row and column.
std::vector<uint8_t> Fp8Matrix(int64_t rows, int64_t cols) {
  std::vector<uint8_t> values(rows * cols);
  for (int64_t i = 0; i < rows * cols; ++i) values[i] = uint8_t(0x38 + (i / cols * 3 + i) % 16);
  return values;
}
float Fp8Value(int64_t cols, int64_t row, int64_t col) {
  return kernels::ToFloat(kernels::F8E4M3(0x38 + (row * 3 + row * cols + col) % 16));
}

class WeightLoaderTest : public ::testing::Test {
 protected:
  // A checkpoint of these tensors, and a loader of it.
  WeightLoader& Open(const std::vector<TestTensor>& tensors, WeightLoader::Options options = {}) {
    WriteTensors(folder_ / kSingleFileName, tensors);
    auto checkpoint = Checkpoint::Open(folder_.path());
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
    loader_ = std::make_unique<WeightLoader>(checkpoint_, *ops_, std::move(options));
    return *loader_;
  }

  // Hands over the values of a slice and makes a weight of them.
  DerivedLinear SeenValues(const MatrixSlice& slice, std::function<void(const float*)> see) {
    return {.rows = slice.num_rows(),
            .cols = slice.num_cols(),
            .make =
                [=](const float* from, float* weight) {
                  std::copy_n(from, slice.num_rows() * slice.num_cols(), weight);
                  see(from);
                },
            .take = [this](auto packed) { packed_ = std::move(packed); }};
  }
  // Values that a slice arrives with.
  std::vector<float> ValuesOf(WeightLoader& loader, const MatrixSlice& slice) {
    std::vector<float> values;
    loader.Derive(slice, {SeenValues(slice, [&](const float* from) {
                    values.assign(from, from + slice.num_rows() * slice.num_cols());
                  })});
    const absl::Status status = loader.Run();
    EXPECT_TRUE(status.ok()) << status;
    return values;
  }

  void ExpectFault(const absl::Status& status, absl::StatusCode code, const char* message) {
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_EQ(loader_->bytes_read(), 0) << "read before the check";
  }

  TempFolder folder_;
  std::unique_ptr<kernels::Ops> ops_ = *kernels::MakeCpuBackend({.num_threads = 1});
  Checkpoint checkpoint_;
  std::unique_ptr<WeightLoader> loader_;
  std::unique_ptr<kernels::PackedLinear> packed_;
  DeviceTensor tensor_;
};

TestTensor F32(std::string name, TensorShape shape, const std::vector<float>& values) {
  return TensorOf<float>(std::move(name), FileDtype::kF32, std::move(shape), values);
}
TestTensor Fp8(std::string name, int64_t rows, int64_t cols) {
  return TensorOf<uint8_t>(std::move(name), FileDtype::kF8E4m3, {rows, cols},
                           Fp8Matrix(rows, cols));
}

TEST_F(WeightLoaderTest, AnFp8SliceHasTheScalesOfItsPlaceInTheWholeTensor) {
  WeightLoader& loader =
      Open({Fp8("w", 300, 300), F32("w_scale_inv", {3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})});
  const std::vector<float> values = ValuesOf(loader, {.tensor = "w",
                                                      .rows = 300,
                                                      .cols = 300,
                                                      .row_begin = 190,
                                                      .row_end = 260,
                                                      .col_begin = 120,
                                                      .col_end = 270});
  for (int64_t row = 190; row < 260; ++row) {
    for (int64_t col = 120; col < 270; ++col) {
      const float scale = float(1 + row / 128 * 3 + col / 128);
      ASSERT_EQ(values[(row - 190) * 150 + col - 120], Fp8Value(300, row, col) * scale)
          << row << ", " << col;
    }
  }
  EXPECT_EQ(loader.bytes_read(), 70 * 150 + 6 * 4);
}

TEST_F(WeightLoaderTest, ScalesMayBePowersOfTwo) {
  WeightLoader& loader =
      Open({Fp8("w", 2, 3), TensorOf<uint8_t>("w_scale_inv", FileDtype::kF8E8m0, {1, 1}, {129})});
  const std::vector<float> values = ValuesOf(loader, {.tensor = "w", .rows = 2, .cols = 3});
  EXPECT_EQ(values[4], Fp8Value(3, 1, 1) * 4);
}

// compressed-tensors: scales of rows, in any float type, or of the whole tensor.
TEST_F(WeightLoaderTest, ScalesMayBeOfRowsOrOfTheTensor) {
  std::vector<float> rows(300);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = float(i + 1);
  Open({Fp8("rows", 300, 140), F32("rows_scale", {300, 1}, rows), Fp8("whole", 200, 3),
        TensorOf<uint16_t>("whole_scale", FileDtype::kBf16, {1}, {0x4040}), Fp8("scalar", 2, 3),
        F32("scalar_scale", {}, {5}), Fp8("wrong", 4, 200), F32("wrong_scale", {2, 1}, {1, 1}),
        Fp8("ints", 1, 3), TensorOf<int32_t>("ints_scale", FileDtype::kI32, {1}, {1})});
  const auto values = [&](const MatrixSlice& slice) {
    WeightLoader loader(checkpoint_, *ops_, {});
    return ValuesOf(loader, slice);
  };
  const MatrixSlice slice{.tensor = "rows",
                          .rows = 300,
                          .cols = 140,
                          .row_begin = 190,
                          .row_end = 260,
                          .col_begin = 120,
                          .col_end = 140};
  const std::vector<float> of_rows = values(slice);
  for (int64_t row = 190; row < 260; ++row) {
    ASSERT_EQ(of_rows[(row - 190) * 20 + 7], Fp8Value(140, row, 127) * float(row + 1)) << row;
  }
  EXPECT_EQ(values({.tensor = "whole", .rows = 200, .cols = 3, .row_begin = 150})[4],
            Fp8Value(3, 151, 1) * 3);
  EXPECT_EQ(values({.tensor = "scalar", .rows = 2, .cols = 3})[5], Fp8Value(3, 1, 2) * 5);

  loader_ = std::make_unique<WeightLoader>(checkpoint_, *ops_, WeightLoader::Options());
  loader_->Linear({.tensor = "wrong", .rows = 4, .cols = 200}, &packed_);
  ExpectFault(loader_->Run(), absl::StatusCode::kInvalidArgument,
              "wrong_scale has shape [2, 1], config.json asks for [1, 2]");
  loader_ = std::make_unique<WeightLoader>(checkpoint_, *ops_, WeightLoader::Options());
  loader_->Linear({.tensor = "ints", .rows = 1, .cols = 3}, &packed_);
  ExpectFault(loader_->Run(), absl::StatusCode::kUnimplemented,
              "ints_scale is I32; FP8 scales are F32, F16 or BF16");
}

TEST_F(WeightLoaderTest, EveryFloatTypeArrivesAsItsValues) {
  WeightLoader& loader =
      Open({F32("f32", {2, 2}, {1.5f, -2, 0.1f, 3e38f}),
            TensorOf<uint16_t>("f16", FileDtype::kF16, {2, 2}, {0x3e00, 0xc000, 0x0001, 0x7bff}),
            TensorOf<uint16_t>("bf16", FileDtype::kBf16, {2, 2}, {0x3fc0, 0xc000, 0x0080, 0x7f7f}),
            TensorOf<uint16_t>("norm", FileDtype::kF16, {2}, {0x3e00, 0xc000})});
  const auto values = [&](const char* tensor) {
    return ValuesOf(loader, {.tensor = tensor, .rows = 2, .cols = 2});
  };
  EXPECT_THAT(values("f32"), ElementsAre(1.5f, -2, 0.1f, 3e38f));
  EXPECT_THAT(values("f16"), ElementsAre(1.5f, -2, 0x1p-24f, 65504));
  EXPECT_THAT(values("bf16"), ElementsAre(1.5f, -2, 0x1p-126f, 0x1.fep127f));
  DeviceTensor offset;
  loader.Vector("norm", 2, &tensor_);
  loader.Vector("norm", 2, &offset, 1);
  ASSERT_TRUE(loader.Run().ok());
  const float* norm = tensor_.view.row<const float>(0);
  EXPECT_THAT(std::vector<float>(norm, norm + 2), ElementsAre(1.5f, -2));
  norm = offset.view.row<const float>(0);
  EXPECT_THAT(std::vector<float>(norm, norm + 2), ElementsAre(2.5f, -1));
}

TEST_F(WeightLoaderTest, VectorsWidenAndTablesKeepTheirType) {
  WeightLoader& loader =
      Open({TensorOf<uint16_t>("norm", FileDtype::kBf16, {3}, {0x3f80, 0x4000, 0xbf80}),
            TensorOf<uint16_t>("table", FileDtype::kBf16, {3, 2},
                               {0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0})});
  DeviceTensor table;
  loader.Vector("norm", 3, &tensor_);
  loader.Table({.tensor = "table", .rows = 3, .cols = 2, .row_begin = 1, .row_end = 3}, &table);
  ASSERT_TRUE(loader.Run().ok());
  const float* norm = tensor_.view.row<const float>(0);
  EXPECT_THAT(std::vector<float>(norm, norm + 3), ElementsAre(1, 2, -1));
  EXPECT_EQ(table.view.dtype, kernels::DType::kBf16);
  EXPECT_EQ(table.view.rows(), 2);
  EXPECT_EQ(*table.view.row<const uint16_t>(0), 0x4040);
  EXPECT_EQ(loader.bytes_read(), 3 * 2 + 4 * 2);
}

TEST_F(WeightLoaderTest, LittleStagingMemoryChangesNothing) {
  std::vector<TestTensor> tensors;
  for (int i = 0; i < 5; ++i) {
    tensors.push_back(F32(fmt::format("w{}", i), {1, 2}, {float(i), float(-i)}));
  }
  int64_t done = 0, total = 0;
  WeightLoader& loader =
      Open(tensors, {.staging_bytes = 1, .progress = [&](LoadStage, int64_t d, int64_t t) {
                       EXPECT_GE(d, done);
                       done = d, total = t;
                     }});
  std::vector<float> sum;
  for (int i = 0; i < 5; ++i) {
    const MatrixSlice slice{.tensor = fmt::format("w{}", i), .rows = 1, .cols = 2};
    loader.Derive(
        slice,
        {SeenValues(slice, [&](const float* values) { sum.push_back(values[0] - values[1]); })});
  }
  ASSERT_TRUE(loader.Run().ok());
  EXPECT_THAT(sum, ElementsAre(0, 2, 4, 6, 8));
  EXPECT_EQ(done, 40);
  EXPECT_EQ(total, 40);
}

TEST_F(WeightLoaderTest, AMissingTensorIsNamed) {
  WeightLoader& loader = Open({F32("w", {2, 2}, {1, 2, 3, 4})});
  EXPECT_TRUE(loader.Has("w"));
  EXPECT_FALSE(loader.Has("v"));
  loader.Linear({.tensor = "v", .rows = 2, .cols = 2}, &packed_);
  ExpectFault(loader.Run(), absl::StatusCode::kNotFound, "v");
}

TEST_F(WeightLoaderTest, TheFirstFaultIsToldAndTheOthersCounted) {
  WeightLoader& loader = Open({F32("w", {2, 3}, {1, 2, 3, 4, 5, 6})});
  loader.Linear({.tensor = "w", .rows = 3, .cols = 2}, &packed_);
  loader.Vector("norm", 8, &tensor_);
  loader.Linear({.tensor = "w", .rows = 2, .cols = 3, .bias = "b"}, &packed_);
  const absl::Status status = loader.Run();
  ExpectFault(status, absl::StatusCode::kInvalidArgument,
              "tensor w has shape [2, 3], config.json asks for [3, 2]");
  EXPECT_THAT(std::string(status.message()), HasSubstr("(and 2 more such faults)"));
}

TEST_F(WeightLoaderTest, Fp8WithoutScalesIsAFault) {
  Open({Fp8("w", 2, 2)}).Linear({.tensor = "w", .rows = 2, .cols = 2}, &packed_);
  ExpectFault(loader_->Run(), absl::StatusCode::kNotFound, "w_scale_inv");
}

TEST_F(WeightLoaderTest, ScalesOfAnotherShapeAreAFault) {
  Open({Fp8("w", 200, 2), F32("w_scale_inv", {1, 1}, {1})})
      .Linear({.tensor = "w", .rows = 200, .cols = 2}, &packed_);
  ExpectFault(loader_->Run(), absl::StatusCode::kInvalidArgument,
              "w_scale_inv has shape [1, 1], config.json asks for [2, 1]");
}

TEST_F(WeightLoaderTest, TypesThatNothingComputesWithAreFaults) {
  const std::vector<int32_t> ints(4, 1);
  const std::vector<TestTensor> tensors = {
      TensorOf<int32_t>("ints", FileDtype::kI32, {2, 2}, ints),
      TensorOf<int32_t>("int_bias", FileDtype::kI32, {2}, {1, 1}),
      F32("w", {2, 2}, {1, 2, 3, 4}),
      Fp8("f8", 2, 2),
      F32("f8_scale_inv", {1, 1}, {1}),
      Fp8("g8", 2, 2),
      TensorOf<uint16_t>("g8_scale_inv", FileDtype::kBf16, {1, 1}, {0x3f80}),
  };
  using Ask = std::function<void(WeightLoader&)>;
  const std::pair<const char*, Ask> asks[] = {
      {"tensor ints is I32; weights are F32, F16, BF16 or F8_E4M3",
       [&](WeightLoader& l) { l.Linear({.tensor = "ints", .rows = 2, .cols = 2}, &packed_); }},
      {"tensor int_bias is I32; biases are",
       [&](WeightLoader& l) {
         l.Linear({.tensor = "w", .rows = 2, .cols = 2, .bias = "int_bias"}, &packed_);
       }},
      {"tensor int_bias is I32; vectors are",
       [&](WeightLoader& l) { l.Vector("int_bias", 2, &tensor_); }},
      {"tensor f8 is F8_E4M3; tables are",
       [&](WeightLoader& l) { l.Table({.tensor = "f8", .rows = 2, .cols = 2}, &tensor_); }},
      {"tensor g8_scale_inv is BF16; block scales are F32 or F8_E8M0",
       [&](WeightLoader& l) { l.Linear({.tensor = "g8", .rows = 2, .cols = 2}, &packed_); }},
  };
  Open(tensors);
  for (const auto& [message, ask] : asks) {
    loader_ = std::make_unique<WeightLoader>(checkpoint_, *ops_, WeightLoader::Options());
    ask(*loader_);
    const std::string file = folder_ / kSingleFileName;
    ExpectFault(loader_->Run(), absl::StatusCode::kUnimplemented, (file + ": " + message).c_str());
  }
}

TEST_F(WeightLoaderTest, ScalesMustBePositiveNumbers) {
  for (float bad : {kNan, INFINITY, 0.0f, -1.0f}) {
    TempFolder folder;
    WriteTensors(folder / kSingleFileName,
                 {Fp8("w", 2, 130), F32("w_scale_inv", {1, 2}, {1, bad})});
    const auto checkpoint = Checkpoint::Open(folder.path());
    ASSERT_TRUE(checkpoint.ok());
    WeightLoader loader(*checkpoint, *ops_, {});
    loader.Linear({.tensor = "w", .rows = 2, .cols = 130}, &packed_);
    const absl::Status status = loader.Run();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr((folder / kSingleFileName) +
                          ": tensor \"w_scale_inv\": the scale of block [0, 1] is"));
    EXPECT_EQ(packed_, nullptr);
  }
}

// What is loaded with a manifest: the same values, and every damaged byte that a rank reads.
TEST_F(WeightLoaderTest, AVerifiedSliceHasTheSameValuesAndNamesADamagedTensor) {
  const std::vector<TestTensor> tensors = {Fp8("w", 300, 300),
                                           F32("w_scale_inv", {3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})};
  const MatrixSlice slice{.tensor = "w",
                          .rows = 300,
                          .cols = 300,
                          .row_begin = 190,
                          .row_end = 260,
                          .col_begin = 121,
                          .col_end = 270};
  const std::vector<float> plain = ValuesOf(Open(tensors), slice);
  const auto manifest = Manifest::Compute(checkpoint_, {});
  ASSERT_TRUE(manifest.ok());
  loader_ = std::make_unique<WeightLoader>(checkpoint_, *ops_,
                                           WeightLoader::Options{.manifest = &*manifest});
  EXPECT_EQ(ValuesOf(*loader_, slice), plain);
  const std::vector<TensorInfo> hits(checkpoint_.tensors().begin(), checkpoint_.tensors().end());
  for (const TensorInfo& tensor : hits) {
    std::fstream file(folder_ / kSingleFileName, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(tensor.offset + 7);
    file.put('\x11');
    file.close();
    loader_ = std::make_unique<WeightLoader>(checkpoint_, *ops_,
                                             WeightLoader::Options{.manifest = &*manifest});
    loader_->Linear(slice, &packed_);
    const absl::Status status = loader_->Run();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(
        std::string(Message(status)),
        HasSubstr(fmt::format("{}: tensor {}, rows", folder_ / kSingleFileName, tensor.name)));
    EXPECT_EQ(packed_, nullptr);
    Open(tensors);
  }
}

// Each rank of a group needs all rows to verify its columns: one of them asks the disk.
TEST_F(WeightLoaderTest, ColumnsThatAreVerifiedComeThroughThePageCache) {
  constexpr int64_t kSize = 1000;
  Open({CountingTensor("w", FileDtype::kBf16, {kSize, kSize})});
  const auto manifest = Manifest::Compute(checkpoint_, {});
  ASSERT_TRUE(manifest.ok());
  DropFromCache(folder_ / kSingleFileName);
  WeightLoader loader(checkpoint_, *ops_, {.direct = true, .manifest = &*manifest, .num_ranks = 2});
  loader.Table({.tensor = "w", .rows = kSize, .cols = kSize, .col_end = kSize / 2}, &tensor_);
  const absl::Status status = loader.Run();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(loader.counters().direct_bytes, 0);
  EXPECT_EQ(loader.counters().cached_bytes, kSize * kSize * 2);
}

TEST_F(WeightLoaderTest, LargeSlicesComeInPiecesAndAreTheSame) {
  constexpr int64_t kRows = 2005, kCols = 130;
  std::mt19937 random(5);
  std::vector<uint16_t> halves(kRows * kCols), bias(kRows);
  for (uint16_t& half : halves) half = uint16_t(0x3f00 + random() % 256);
  for (uint16_t& half : bias) half = uint16_t(0x3f00 + random() % 256);
  const std::vector<TestTensor> tensors = {
      TensorOf<uint16_t>("w", FileDtype::kBf16, {kRows, kCols}, halves),
      TensorOf<uint16_t>("b", FileDtype::kBf16, {kRows}, bias),
      Fp8("f", kRows, kCols),
      F32("f_scale_inv", {16, 2}, std::vector<float>(32, 0.5f)),
  };
  const std::vector<float> x(kCols, 0.25f);
  // What the three forms of `w` and `f` give with so much staging memory.
  const auto load = [&](int64_t staging_bytes) {
    WeightLoader& loader = Open(tensors, {.staging_bytes = staging_bytes});
    std::unique_ptr<kernels::PackedLinear> plain, gate_up, scaled;
    DeviceTensor table;
    const MatrixSlice w{.tensor = "w", .rows = kRows, .cols = kCols, .row_begin = 3};
    MatrixSlice with_bias = w;
    with_bias.bias = "b";
    loader.Linear(with_bias, &plain);
    loader.Linear({.tensor = "f", .rows = kRows, .cols = kCols, .row_begin = 3}, &scaled);
    loader.GateUp(w, w, &gate_up);
    loader.Table(w, &table);
    const absl::Status status = loader.Run();
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_LE(loader.staging_high_water(), staging_bytes);
    std::vector<float> y(4 * (kRows - 3));
    const kernels::TensorView in(x.data(), kernels::DType::kF32, {1, kCols});
    const auto out = [&](int64_t i) {
      return kernels::TensorView(y.data() + i * (kRows - 3), kernels::DType::kF32, {1, kRows - 3});
    };
    ops_->Linear({.x = in, .weight = plain.get(), .y = out(0)});
    ops_->Linear({.x = in, .weight = scaled.get(), .y = out(1)});
    ops_->GateUp({.x = in, .weight = gate_up.get(), .y = out(2)});
    for (int64_t i = 0; i < kRows - 3; ++i) {
      y[3 * (kRows - 3) + i] = kernels::ToFloat(table.view.row<kernels::Bf16>(i)[i % kCols]);
    }
    EXPECT_EQ(loader.packed_bytes(), plain->num_bytes() + scaled->num_bytes() +
                                         gate_up->num_bytes() + table.memory.num_bytes());
    return y;
  };
  EXPECT_EQ(load(512 * kKiB), load(64 * kMiB));
}

TEST_F(WeightLoaderTest, StagingMemoryStaysWithinItsBound) {
  std::vector<TestTensor> tensors;
  for (int i = 0; i < 40; ++i) {
    tensors.push_back(CountingTensor(fmt::format("w{}", i), FileDtype::kBf16, {100, 1000}));
  }
  for (const bool direct : {false, true}) {
    WeightLoader& loader = Open(tensors, {.staging_bytes = 2 * kMiB, .direct = direct});
    std::vector<std::unique_ptr<kernels::PackedLinear>> packed(40);
    for (int i = 0; i < 40; ++i) {
      loader.Linear({.tensor = fmt::format("w{}", i), .rows = 100, .cols = 1000}, &packed[i]);
    }
    ASSERT_TRUE(loader.Run().ok());
    EXPECT_EQ(loader.bytes_read(), 40 * 200'000);
    EXPECT_GT(loader.staging_high_water(), 0);
    EXPECT_LE(loader.staging_high_water(), 2 * kMiB);
  }
}

TEST_F(WeightLoaderTest, CancelEndsTheRun) {
  const std::atomic<bool> cancel = true;
  WeightLoader& loader = Open({F32("w", {1, 1}, {1})}, {.cancel = &cancel});
  loader.Linear({.tensor = "w", .rows = 1, .cols = 1}, &packed_);
  EXPECT_EQ(loader.Run().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(packed_, nullptr);
}

}  // namespace
}  // namespace switchyard::worker
