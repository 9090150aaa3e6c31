// GGUF files as checkpoints: blocks stand for what an independent reader says, tensors get their
// published names, and slices are those of the whole matrix.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <numeric>

#include "tests/base/gguf_writer.h"
#include "tests/worker/weights/checkpoint_files.h"
#include "worker/weights/gguf_blocks.h"
#include "worker/weights/gguf_matrix.h"
#include "worker/weights/gguf_tensors.h"

namespace switchyard::worker {
namespace {

using kernels::DType;
using kernels::WeightForm;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string FileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Made by tests/conformance/gguf_blocks.py, whose values are those of the PyPI package gguf.
class GoldenBlocksTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto header = ReadGguf(path_);
    ASSERT_TRUE(header.ok()) << header.status();
    header_ = *header;
    stored_ = header_.Find(GetParam());
    ASSERT_NE(stored_, nullptr);
    const auto values =
        ReadGgufFloats(header_, *header_.Find(std::string(GetParam()) + ".values"), 1 << 20);
    ASSERT_TRUE(values.ok()) << values.status();
    want_ = *values;
    ASSERT_EQ(std::ssize(want_), 3 * 2 * stored_->type->block_elements);
  }
  const std::byte* Blocks() const {
    return reinterpret_cast<const std::byte*>(bytes_.data()) + stored_->offset;
  }
  int64_t NumBlocks() const { return stored_->num_bytes / stored_->type->block_bytes; }

  const std::string path_ = SWITCHYARD_SOURCE_DIR "/tests/worker/weights/testdata/gguf_blocks.gguf";
  const std::string bytes_ = FileBytes(path_);
  GgufHeader header_;
  const GgufTensor* stored_ = nullptr;
  std::vector<float> want_;
};

TEST_P(GoldenBlocksTest, StandForWhatTheReferenceSays) {
  std::vector<float> got(want_.size());
  ASSERT_TRUE(WidenBlocks(*stored_->type, Blocks(), NumBlocks(), got.data()));
  EXPECT_EQ(got, want_);
}

TEST_P(GoldenBlocksTest, WholeNumbersTimesTheirScaleAreTheSameValues) {
  for (const DType dtype : {DType::kI8, DType::kU4}) {
    if (!HasWholeForm(*stored_->type, dtype)) continue;
    std::vector<std::byte> codes(want_.size());
    std::vector<float> scales(static_cast<size_t>(NumBlocks()));
    ASSERT_TRUE(
        WholeBlocks(*stored_->type, dtype, Blocks(), NumBlocks(), codes.data(), scales.data()));
    const int zero = dtype == DType::kU4 ? 8 : 0;
    for (size_t i = 0; i < want_.size(); ++i) {
      ASSERT_EQ(static_cast<float>(static_cast<int8_t>(codes[i]) - zero) * scales[i / 32], want_[i])
          << i;
    }
  }
}

TEST_P(GoldenBlocksTest, ScalesThatAreNoNumbersAreTold) {
  std::string bytes = bytes_.substr(static_cast<size_t>(stored_->offset));
  const std::string_view name = stored_->type->name;
  if (name == "MXFP4") {
    bytes[0] = '\xff';
  } else {
    bytes[name == "Q6_K" ? 209 : 1] = '\x7e';  // of an F16
  }
  std::vector<float> got(want_.size());
  EXPECT_FALSE(WidenBlocks(*stored_->type, reinterpret_cast<const std::byte*>(bytes.data()),
                           NumBlocks(), got.data()));
}

INSTANTIATE_TEST_SUITE_P(Types, GoldenBlocksTest,
                         ::testing::Values("Q4_0", "Q4_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "MXFP4"),
                         [](const auto& info) { return std::string(info.param); });

TEST(GgufSourceTypeTest, KeepsWholeNumbersWhereTheFormHasThemExactly) {
  const auto type = [](const char* name, bool whole, WeightForm form) {
    return GgufSourceType(*FindGgufType(name), whole, form);
  };
  EXPECT_EQ(type("Q8_0", true, WeightForm::kInt8), DType::kI8);
  EXPECT_EQ(type("Q8_0", true, WeightForm::kInt4), DType::kF32);
  EXPECT_EQ(type("Q8_0", true, WeightForm::kStored), DType::kI8);
  EXPECT_EQ(type("Q8_0", false, WeightForm::kInt8), DType::kF32);
  EXPECT_EQ(type("Q4_0", true, WeightForm::kInt4), DType::kU4);
  EXPECT_EQ(type("Q4_0", true, WeightForm::kInt8), DType::kI8);
  EXPECT_EQ(type("Q4_1", true, WeightForm::kInt4), DType::kF32);
  EXPECT_EQ(type("Q4_K", true, WeightForm::kInt4), DType::kF32);
  EXPECT_EQ(type("BF16", true, WeightForm::kInt8), DType::kBf16);
}

// --- names ---

GgufWriter Model(const char* architecture) {
  GgufWriter writer;
  writer.Text("general.architecture", architecture);
  writer.U32(std::string(architecture) + ".attention.head_count", 4);
  writer.U32(std::string(architecture) + ".attention.head_count_kv", 2);
  return writer;
}

// A tensor of F32 that counts up.
void AddCounting(GgufWriter& writer, const std::string& name, const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  std::vector<float> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 0.0f);
  writer.Tensor(name, shape, 0,
                std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * 4));
}

absl::StatusOr<Checkpoint> Open(const TempFolder& folder, const GgufWriter& writer) {
  WriteText(folder / "model.gguf", writer.Bytes());
  return Checkpoint::Open(folder / "model.gguf");
}

TEST(GgufTensorsTest, HavePublishedNames) {
  const TempFolder folder;
  GgufWriter writer = Model("qwen3moe");
  AddCounting(writer, "token_embd.weight", {5, 4});
  AddCounting(writer, "blk.3.attn_q.weight", {8, 4});
  AddCounting(writer, "blk.3.ffn_gate_inp.weight", {2, 4});
  AddCounting(writer, "blk.3.ffn_down_exps.weight", {2, 4, 3});
  AddCounting(writer, "blk.3.ffn_norm.weight", {4});
  const auto checkpoint = Open(folder, writer);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  std::vector<std::string> names;
  for (const TensorInfo& tensor : checkpoint->tensors()) names.push_back(tensor.name);
  EXPECT_THAT(
      names,
      ElementsAre("model.embed_tokens.weight", "model.layers.3.mlp.experts.0.down_proj.weight",
                  "model.layers.3.mlp.experts.1.down_proj.weight", "model.layers.3.mlp.gate.weight",
                  "model.layers.3.post_attention_layernorm.weight",
                  "model.layers.3.self_attn.q_proj.weight"));
  const std::string second =
      TensorBytes(*checkpoint, "model.layers.3.mlp.experts.1.down_proj.weight");
  float first_value;
  std::memcpy(&first_value, second.data(), sizeof(first_value));
  EXPECT_EQ(second.size(), 12 * sizeof(float));
  EXPECT_EQ(first_value, 12);
}

TEST(GgufTensorsTest, WhatIsNotUnderstoodIsRefused) {
  const auto expect = [](const GgufWriter& writer, absl::StatusCode code, const char* message) {
    const TempFolder folder;
    const absl::Status status = Open(folder, writer).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
    EXPECT_THAT(std::string(status.message()), HasSubstr("model.gguf: "));
  };
  const auto kUnknown = absl::StatusCode::kUnimplemented;
  GgufWriter writer = Model("llama");
  AddCounting(writer, "blk.0.attn_surprise.weight", {4, 4});
  expect(writer, kUnknown, "tensor \"blk.0.attn_surprise.weight\" is none that is read of arch");
  writer = Model("llama");
  AddCounting(writer, "blk.x.attn_q.weight", {4, 4});
  expect(writer, kUnknown, "\"blk.x.attn_q.weight\" is none that is read");
  writer = Model("llama");
  writer.Tensor("output.weight", {1, 256}, /*Q2_K*/ 10, std::string(84, ' '));
  expect(writer, kUnknown, "is Q2_K, of which nothing is read");
  writer = Model("llama");
  AddCounting(writer, "blk.0.attn_q.bias", {8});
  expect(writer, kUnknown, "no matrix");
  writer = Model("llama");
  AddCounting(writer, "blk.0.attn_q.weight", {12, 4});
  expect(writer, absl::StatusCode::kInvalidArgument, "has 12 rows, which are not 4 heads of pairs");
  writer = Model("llama");
  AddCounting(writer, "blk.0.attn_v.weight", {2, 2, 2});
  expect(writer, absl::StatusCode::kInvalidArgument, "has 3 dimensions");
}

// --- slices ---

// Reads the range of a matrix as the loader would, whole or with more around it.
GgufValues Decoded(const Checkpoint& checkpoint, GgufMatrix matrix) {
  const TensorRange range = matrix.range();
  ReadBatch batch{.ranges = {{range}}, .plan = {}, .memory = nullptr};
  const absl::Status read = ShardReader(&checkpoint).Read(batch);
  EXPECT_TRUE(read.ok()) << read;
  matrix.set_bytes({.wanted = range, .read = range, .index = 0});
  const auto values = matrix.Decode([&](size_t) { return batch.data(0); });
  EXPECT_TRUE(values.ok()) << values.status();
  return values.value_or(GgufValues());
}

std::vector<float> Floats(const GgufValues& values) {
  std::vector<float> floats(values.values.size() / sizeof(float));
  std::memcpy(floats.data(), values.values.data(), values.values.size());
  return floats;
}

TEST(GgufMatrixTest, RowsOfHeadsComeInPublishedOrder) {
  const TempFolder folder;
  GgufWriter writer = Model("llama");
  AddCounting(writer, "blk.0.attn_k.weight", {12, 1});  // 2 heads of 3 pairs
  const auto checkpoint = Open(folder, writer);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const TensorInfo& tensor = checkpoint->tensors()[0];
  MatrixSlice slice{.tensor = tensor.name, .rows = 12, .cols = 1};
  EXPECT_THAT(Floats(Decoded(*checkpoint, GgufMatrix(tensor, slice, DType::kF32))),
              ElementsAre(0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11));
  slice.row_begin = 2;
  slice.row_end = 7;  // neither begins nor ends with a head
  EXPECT_THAT(Floats(Decoded(*checkpoint, GgufMatrix(tensor, slice, DType::kF32))),
              ElementsAre(4, 1, 3, 5, 6));
}

TEST(GgufMatrixTest, SlicesThatCutBlocksAreThoseOfTheWhole) {
  const TempFolder folder;
  const std::string golden =
      FileBytes(SWITCHYARD_SOURCE_DIR "/tests/worker/weights/testdata/gguf_blocks.gguf");
  const GgufHeader header =
      *ParseGguf("golden", std::as_bytes(std::span(golden)), std::ssize(golden));
  const GgufTensor& q8 = *header.Find("Q8_0");
  GgufWriter writer = Model("qwen2");
  writer.Tensor("output.weight", {3, 64}, 8,
                std::string_view(golden).substr(size_t(q8.offset), size_t(q8.num_bytes)));
  const auto checkpoint = Open(folder, writer);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  const TensorInfo& tensor = checkpoint->tensors()[0];
  std::vector<float> whole(3 * 64);
  WidenBlocks(*q8.type, reinterpret_cast<const std::byte*>(golden.data()) + q8.offset, 6,
              whole.data());
  const MatrixSlice slice{.tensor = tensor.name,
                          .rows = 3,
                          .cols = 64,
                          .row_begin = 1,
                          .row_end = 3,
                          .col_begin = 24,
                          .col_end = 40};
  const GgufMatrix as_floats(tensor, slice, DType::kF32);
  EXPECT_EQ(as_floats.col_offset(), 24);
  EXPECT_EQ(as_floats.num_blocks(), 2);
  const std::vector<float> got = Floats(Decoded(*checkpoint, as_floats));
  const GgufValues codes = Decoded(*checkpoint, GgufMatrix(tensor, slice, DType::kI8));
  ASSERT_EQ(got.size(), 2u * 16);
  ASSERT_EQ(codes.scales.size(), 4u);
  for (size_t row = 0; row < 2; ++row) {
    for (size_t i = 0; i < 16; ++i) {
      const float want = whole[(row + 1) * 64 + 24 + i];
      EXPECT_EQ(got[row * 16 + i], want);
      const float scale = codes.scales[row * 2 + (24 + i) / 32];
      EXPECT_EQ(static_cast<float>(static_cast<int8_t>(codes.values[row * 16 + i])) * scale, want);
    }
  }
}

}  // namespace
}  // namespace switchyard::worker
