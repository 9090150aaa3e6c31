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

TEST(Gguf, PartsOfASplitFileAreRefused) {
  GgufWriter writer = Small();
  writer.U32("split.count", 3);
  const std::string path = std::filesystem::temp_directory_path() / "switchyard-split-test.gguf";
  std::ofstream(path, std::ios::binary) << writer.Bytes();
  const absl::Status status = ReadGguf(path).status();
  std::filesystem::remove(path);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is one of 3 parts"));
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
