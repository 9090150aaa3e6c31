// GGUF files: what is written is read, and every damaged one is refused with its fault.
#include "base/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/base/gguf_writer.h"

namespace switchyard {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

GgufWriter Small() {
  GgufWriter writer;
  writer.Text("general.architecture", "llama");
  writer.U32("llama.block_count", 2);
  writer.F32("llama.rope.freq_base", 5e5f);
  writer.Texts("tokenizer.ggml.tokens", {"a", "b\xc3\xa4"});
  writer.Tensor("output.weight", {2, 64}, 8, std::string(2 * 2 * 34, 'q'));
  writer.Tensor("norm.weight", {3}, 0, std::string(12, 'n'));
  return writer;
}

absl::StatusOr<GgufHeader> Parse(const std::string& bytes) {
  return ParseGguf("f.gguf", std::as_bytes(std::span(bytes)), std::ssize(bytes));
}

TEST(Gguf, ReadsMetadataAndPlacesOfTensors) {
  const std::string bytes = Small().Bytes();
  const auto header = Parse(bytes);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->metadata["general.architecture"], "llama");
  EXPECT_EQ(header->metadata["llama.block_count"], 2);
  EXPECT_EQ(header->metadata["llama.rope.freq_base"], 5e5);
  EXPECT_THAT(header->metadata["tokenizer.ggml.tokens"], ElementsAre("a", "b\xc3\xa4"));
  ASSERT_EQ(header->tensors.size(), 2u);
  const GgufTensor& output = header->tensors[0];
  EXPECT_EQ(output.name, "output.weight");
  EXPECT_EQ(output.type->name, "Q8_0");
  EXPECT_THAT(output.shape, ElementsAre(2, 64));
  EXPECT_EQ(bytes.substr(size_t(output.offset), size_t(output.num_bytes)), std::string(136, 'q'));
  const GgufTensor& norm = header->tensors[1];
  EXPECT_EQ(bytes.substr(size_t(norm.offset), size_t(norm.num_bytes)), std::string(12, 'n'));
}

TEST(Gguf, ReadsHeadersLongerThanTheFirstRead) {
  GgufWriter writer;
  writer.Texts("tokenizer.ggml.tokens", std::vector<std::string>(60'000, std::string(60, 'x')));
  const std::string path = std::filesystem::temp_directory_path() / "switchyard-gguf-test.gguf";
  std::ofstream(path, std::ios::binary) << writer.Bytes();
  const auto header = ReadGguf(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->metadata["tokenizer.ggml.tokens"].size(), 60'000u);
  EXPECT_EQ(ReadGguf("/no/such.gguf").status().code(), absl::StatusCode::kNotFound);
}

// A file that was split in two.
class SplitGguf : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "switchyard-split-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    parts_[0].Text("general.architecture", "llama");
    parts_[0].Tensor("a.weight", {2}, 0, "aaaaaaaa");
    parts_[1].Tensor("b.weight", {3}, 0, std::string("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40", 12));
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static void Number(GgufWriter& part, uint32_t number, uint32_t count, uint32_t tensors) {
    part.U32("split.no", number);
    part.U32("split.count", count);
    part.U32("split.tensors.count", tensors);
  }
  std::string Path(int part) const {
    return folder_ / fmt::format("m-0000{}-of-00002.gguf", part + 1);
  }
  void Write() const {
    for (int i = 0; i < 2; ++i) std::ofstream(Path(i), std::ios::binary) << parts_[i].Bytes();
  }
  void ExpectRefused(const std::string& path, absl::StatusCode code, const char* says) const {
    const absl::Status status = ReadGguf(path).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(says));
  }

  std::filesystem::path folder_;
  GgufWriter parts_[2];
};

TEST_F(SplitGguf, TensorsOfAllPartsAreThere) {
  Number(parts_[0], 0, 2, 2);
  Number(parts_[1], 1, 2, 2);
  Write();
  const auto header = ReadGguf(Path(0));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->metadata["general.architecture"], "llama");
  EXPECT_THAT(header->files, ElementsAre(Path(0), Path(1)));
  const GgufTensor* const second = header->Find("b.weight");
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(second->file, 1);
  const auto values = ReadGgufFloats(*header, *second, 10);
  ASSERT_TRUE(values.ok()) << values.status();
  EXPECT_THAT(*values, ElementsAre(1, 2, 3));
  EXPECT_EQ(GgufModelName(Path(0)), "m");
  EXPECT_EQ(GgufModelName("a/m-00001-of-2.gguf"), "m-00001-of-2");
}

TEST_F(SplitGguf, OtherPartsAreAskedForTheFirst) {
  Number(parts_[0], 0, 2, 2);
  Number(parts_[1], 1, 2, 2);
  Write();
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  ExpectRefused(Path(1), kInvalid, "is part 2 of 2 (split.count): give the first");
  const std::string renamed = folder_ / "m.gguf";
  std::filesystem::copy_file(Path(0), renamed);
  ExpectRefused(renamed, kInvalid, "under its name NAME-00001-of-00002.gguf");
  std::filesystem::remove(Path(1));
  ExpectRefused(Path(0), absl::StatusCode::kNotFound, "m-00002-of-00002.gguf: cannot be opened");
}

TEST_F(SplitGguf, PartsThatDoNotBelongTogetherAreRefused) {
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  const GgufWriter fresh[2] = {parts_[0], parts_[1]};
  const auto with = [&](uint32_t number, uint32_t count, uint32_t tensors) {
    std::ranges::copy(fresh, parts_);
    Number(parts_[0], 0, 2, tensors);
    Number(parts_[1], number, count, tensors);
    Write();
  };
  with(0, 2, 2);
  ExpectRefused(Path(0), kInvalid, "split.no and split.count are 0 and 2, expected 1 and 2");
  with(1, 3, 2);
  ExpectRefused(Path(0), kInvalid, "are 1 and 3, expected 1 and 2");
  with(1, 2, 3);
  ExpectRefused(Path(0), kInvalid, "its 2 parts have 2 tensors, split.tensors.count says 3");
  std::ranges::copy(fresh, parts_);
  parts_[1].Tensor("a.weight", {2}, 0, "aaaaaaaa");
  Number(parts_[0], 0, 2, 3);
  Number(parts_[1], 1, 2, 3);
  Write();
  ExpectRefused(Path(0), kInvalid, "tensor \"a.weight\" is in two parts");
  std::ranges::copy(fresh, parts_);
  Number(parts_[0], 0, 70'000, 2);
  Write();
  ExpectRefused(Path(0), kInvalid, "split.count is 70000, not a number up to 9999");
}

TEST(Gguf, EveryCutIsRefused) {
  const std::string bytes = Small().Bytes();
  constexpr size_t kPadding = 20;  // behind the last tensor
  for (size_t length = 0; length + kPadding < bytes.size(); ++length) {
    EXPECT_EQ(Parse(bytes.substr(0, length)).status().code(), absl::StatusCode::kInvalidArgument)
        << length;
  }
}

TEST(Gguf, FaultsAreNamed) {
  const auto expect = [](const std::string& bytes, absl::StatusCode code, const char* message) {
    const auto header = Parse(bytes);
    ASSERT_FALSE(header.ok()) << message;
    EXPECT_EQ(header.status().code(), code) << header.status();
    EXPECT_THAT(std::string(header.status().message()), HasSubstr(message));
    EXPECT_THAT(std::string(header.status().message()), HasSubstr("f.gguf: "));
  };
  const auto kInvalid = absl::StatusCode::kInvalidArgument;
  const auto kUnknown = absl::StatusCode::kUnimplemented;
  std::string bytes = Small().Bytes();
  bytes[0] = 'X';
  expect(bytes, kInvalid, "is no GGUF file");
  bytes = Small().Bytes();
  bytes[4] = 1;
  expect(bytes, kUnknown, "GGUF version 1: only 2 and 3");
  bytes = Small().Bytes();
  bytes[15] = '\x40';  // of the number of tensors
  expect(bytes, kInvalid, "a list of tensors of length");
  bytes = Small().Bytes();
  bytes[23] = '\x40';
  expect(bytes, kInvalid, "metadata of length");

  GgufWriter writer = Small();
  writer.U32("llama.block_count", 3);
  expect(writer.Bytes(), kInvalid, "key \"llama.block_count\" is there twice");
  writer = Small();
  writer.Tensor("norm.weight", {1}, 0, "1234");
  expect(writer.Bytes(), kInvalid, "tensor \"norm.weight\" is there twice");
  writer = Small();
  writer.Tensor("t", {4}, 77, "1234");
  expect(writer.Bytes(), kUnknown, "tensor \"t\" has type 77, which is not known");
  writer = Small();
  writer.Tensor("t", {2, 33}, 2, std::string(64, ' '));
  expect(writer.Bytes(), kInvalid, "tensor \"t\" has rows of 33 elements: Q4_0 needs multiples of");
  writer = Small();
  writer.Tensor("t", {}, 2, std::string(18, ' '));
  expect(writer.Bytes(), kInvalid, "tensor \"t\" has rows of 1 elements: Q4_0 needs multiples of");
  writer = Small();
  writer.Tensor("t", {int64_t{1} << 40, int64_t{1} << 40}, 0, "1234");
  expect(writer.Bytes(), kInvalid, "tensor \"t\" is larger than any file");
  writer = Small();
  writer.Tensor("t", {1, 1, 1, 1, 1}, 0, "1234");
  expect(writer.Bytes(), kInvalid, "tensor \"t\" has 5 dimensions");
  writer = Small();
  writer.Tensor("t", {0}, 0, "");
  expect(writer.Bytes(), kInvalid, "tensor \"t\" has a dimension of 0");
  writer = Small();
  writer.Tensor("t", {1024}, 0, "1234");
  expect(writer.Bytes(), kInvalid, "tensor \"t\" ends behind the file's end");
  writer = Small();
  writer.U32("general.alignment", 24);
  expect(writer.Bytes(), kInvalid, "general.alignment is no power of two");
  writer = Small();
  writer.TensorAt("t", {2}, 0, 0);
  expect(writer.Bytes(), kInvalid, "overlap");
  for (const char* text : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    writer = Small();
    writer.Text("general.name", text);
    expect(writer.Bytes(), kInvalid, "is not UTF-8");
  }
}

}  // namespace
}  // namespace switchyard
