// Tokenizers from tiktoken.model against the package tiktoken: testdata/tiktoken_cases.py wrote
// what it makes of each text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/json.h"
#include "coordinator/text/regex.h"
#include "coordinator/text/tiktoken_file.h"
#include "coordinator/text/tokenizer.h"
#include "coordinator/text/tokenizer_file.h"

namespace switchyard::text {
namespace {

using ::testing::HasSubstr;

constexpr char kData[] = SWITCHYARD_SOURCE_DIR "/tests/coordinator/text/testdata";

class TiktokenTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "switchyard-tiktoken-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    model_ = *ReadFile(kData + std::string("/tiktoken.model"), kMiB);
    const Json recorded = *ParseJson(*ReadFile(kData + std::string("/tiktoken_cases.json"), kMiB));
    config_ = recorded["config"];
    cases_ = recorded["cases"];
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void Write(const char* name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  absl::Status Refusal(const std::string& model) const {
    return TiktokenTokenizerJson(model, config_).status();
  }

  std::filesystem::path folder_;
  std::string model_;
  Json config_, cases_;
};

TEST_F(TiktokenTest, IdsAreThoseOfTheReference) {
  Write("tiktoken.model", model_);
  Write("tokenizer_config.json", config_.dump());
  const auto tokenizer = Tokenizer::FromFiles(folder_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  ASSERT_GT(cases_.size(), 10u);
  for (const Json& recorded : cases_) {
    const auto text = recorded["text"].get<std::string>();
    const auto ids = (*tokenizer)->Encode(text, {.parse_special = true});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, recorded["ids"].get<std::vector<int32_t>>()) << text;
    EXPECT_EQ((*tokenizer)->Decode(*ids, /*skip_special=*/false), text);
  }
}

TEST_F(TiktokenTest, TokenizerJsonComesFirst) {
  Write("tiktoken.model", "no tokens");
  Write("tokenizer.json",
        *ReadFile(SWITCHYARD_SOURCE_DIR "/models/tiny-r1/tokenizer.json", 64 * kMiB));
  const auto tokenizer = ReadTokenizerSpec(folder_);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
}

TEST_F(TiktokenTest, FaultsAreNamed) {
  const auto expect = [&](const std::string& model, const char* says) {
    const absl::Status status = Refusal(model);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << model;
    EXPECT_THAT(std::string(status.message()), HasSubstr(says));
  };
  expect("", "tiktoken.model: line 1: there are no tokens");
  expect("YQ==\n", "line 1: expected a token in base64, a blank and a rank");
  expect("YQ== 0\n!! 1\n", "line 2: its token is no base64");
  expect(" 0\n", "line 1: its token is no base64");
  expect("YQ== x\n", "line 1: its rank is no number up to 16777215");
  expect("YQ== -1\n", "line 1: its rank is no number");
  expect("YQ== 99999999999\n", "line 1: its rank is no number");
  expect("YQ== 0\nYg== 0\n", "line 2: its rank is there twice");
  expect("YQ== 0\r\n\nYQ== 1", "ranks 0 and 1 are of the same token");
  expect(std::string(2000, 'Y') + " 0", "line 1: its token has 1500 bytes, at most 1024 can be");

  config_["added_tokens_decoder"]["x"] = Json::object();
  EXPECT_THAT(std::string(Refusal(model_).message()), HasSubstr("\"x\" is no id with an object"));
  config_["added_tokens_decoder"] = 3;
  EXPECT_EQ(Refusal(model_).code(), absl::StatusCode::kInvalidArgument);
}

// Script, not Script_Extensions: a comma that Han text is written with is no Han.
TEST(Regex, ScriptsAreOfTheirOwnCharacters) {
  const auto regex = Regex::Compile(R"(\p{Han}+)");
  ASSERT_TRUE(regex.ok()) << regex.status();
  RegexScratch scratch;
  Regex::Match match;
  const auto found = regex->Find("、中、", 0, scratch, match);
  ASSERT_TRUE(found.ok() && *found) << found.status();
  EXPECT_EQ(match.begin, 3u);
  EXPECT_EQ(match.end, 6u);
}

}  // namespace
}  // namespace switchyard::text
