// Tokenizers of GGUF files: what their metadata leave open, and what is refused. Whole vocabularies
// are in family_golden_test.
#include "coordinator/text/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "coordinator/text/tokenizer.h"
#include "tests/base/gguf_writer.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Tokenizer>> Read(const GgufWriter& writer) {
  const std::string path =
      std::filesystem::temp_directory_path() / "switchyard-gguf-tokenizer-test.gguf";
  std::ofstream(path, std::ios::binary) << writer.Bytes();
  auto tokenizer = Tokenizer::FromFiles(path);
  std::filesystem::remove(path);
  return tokenizer;
}

GgufWriter ByteLevel(const char* pre) {
  GgufWriter writer;
  writer.Text("tokenizer.ggml.model", "gpt2");
  writer.Text("tokenizer.ggml.pre", pre);
  writer.Texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<s>", "1"});
  writer.Ints("tokenizer.ggml.token_type", {1, 1, 1, 3, 1});
  writer.Texts("tokenizer.ggml.merges", {"a b"});
  writer.U32("tokenizer.ggml.bos_token_id", 3);
  return writer;
}

TEST(GgufTokenizer, BytesWithoutATokenAreLost) {
  const auto tokenizer = Read(ByteLevel("gpt-2"));
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("xaxbx", {}), ElementsAre(2));
  EXPECT_TRUE((*tokenizer)->Encode("xyz", {})->empty());
  EXPECT_THAT(*(*tokenizer)->Encode("ab<s>", {.parse_special = true}), ElementsAre(2, 3));
}

TEST(GgufTokenizer, TextsBeginWithBosWhereTheFileOrItsKindSaysSo) {
  const EncodeOptions whole{.add_special_tokens = true};
  EXPECT_THAT(*(*Read(ByteLevel("llama-bpe")))->Encode("a", whole), ElementsAre(3, 0));
  EXPECT_THAT(*(*Read(ByteLevel("qwen2")))->Encode("a", whole), ElementsAre(0));
  GgufWriter said = ByteLevel("qwen2");
  said.Bool("tokenizer.ggml.add_bos_token", true);
  EXPECT_THAT(*(*Read(said))->Encode("a", whole), ElementsAre(3, 0));
}

TEST(GgufTokenizer, PiecesOfHigherScoreAreMadeFirst) {
  GgufWriter writer;
  writer.Text("tokenizer.ggml.model", "llama");
  writer.Texts("tokenizer.ggml.tokens", {"<unk>", "\u2581", "a", "b", "c", "ab", "bc", "<0x64>"});
  writer.Ints("tokenizer.ggml.token_type", {2, 1, 1, 1, 1, 1, 1, 6});
  writer.Floats("tokenizer.ggml.scores", {0, -9, -9, -9, -9, -2, -1, 0});
  const auto tokenizer = Read(writer);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(*(*tokenizer)->Encode("abcd", {}), ElementsAre(1, 2, 6, 7));
  EXPECT_EQ((*tokenizer)->Decode(std::vector<int32_t>{1, 2, 6, 7}, false), "abcd");
}

TEST(GgufTokenizer, WhatIsNotReadIsRefused) {
  const auto expect = [](const GgufWriter& writer, absl::StatusCode code, const char* message) {
    const absl::Status status = Read(writer).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(message));
  };
  expect(ByteLevel("other"), absl::StatusCode::kUnimplemented,
         "tokenizer.ggml.pre = \"other\": not known, known: default, deepseek-llm");
  GgufWriter writer;
  writer.Text("tokenizer.ggml.model", "bert");
  expect(writer, absl::StatusCode::kInvalidArgument, "tokenizer.ggml.tokens: is missing");
  writer.Texts("tokenizer.ggml.tokens", {"a"});
  expect(writer, absl::StatusCode::kUnimplemented, "tokenizer.ggml.model = \"bert\": not read");
  GgufWriter lists = ByteLevel("gpt-2");
  lists.Floats("tokenizer.ggml.scores", {1});
  expect(lists, absl::StatusCode::kInvalidArgument, "expected a list of 5, one for each token");
  GgufWriter ids = ByteLevel("gpt-2");
  ids.U32("tokenizer.ggml.eos_token_id", 5);
  expect(ids, absl::StatusCode::kInvalidArgument, "eos_token_id: 5 is no id of 5 tokens");
}

}  // namespace
}  // namespace switchyard::text
