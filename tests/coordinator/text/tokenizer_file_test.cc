#include "coordinator/text/tokenizer_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/file.h"
#include "tests/coordinator/text/tokenizer_testing.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A fault that one change of the small tokenizer's file makes.
struct Fault {
  const char* name;
  std::function<void(Json&)> change;
  absl::StatusCode code;
  const char* message;  // a part of it: the field, or what is wrong
};

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;

Json SplitStep(Json pattern, Json behavior) {
  return {{"type", "Split"},
          {"pattern", std::move(pattern)},
          {"behavior", std::move(behavior)},
          {"invert", false}};
}

Json Sequence(Json first) {
  return {{"type", "Sequence"},
          {"pretokenizers", Json::array({std::move(first), {{"type", "ByteLevel"}}})}};
}

std::vector<Fault> Faults() {
  return {
      {"no model", [](Json& t) { t.erase("model"); }, kInvalid,
       "model: expected an object, found null"},
      {"other model", [](Json& t) { t["model"]["type"] = "WordPiece"; }, kUnimplemented,
       "model.type: \"WordPiece\""},
      {"word suffix", [](Json& t) { t["model"]["end_of_word_suffix"] = "</w>"; }, kUnimplemented,
       "end_of_word_suffix"},
      {"dropout", [](Json& t) { t["model"]["dropout"] = 0.1; }, kUnimplemented, "model.dropout"},
      {"vocab is a list", [](Json& t) { t["model"]["vocab"] = Json::array(); }, kInvalid,
       "model.vocab: expected an object"},
      {"id is text", [](Json& t) { t["model"]["vocab"]["q"] = "1"; }, kInvalid,
       "model.vocab[\"q\"]: expected an id"},
      {"id is negative", [](Json& t) { t["model"]["vocab"]["q"] = -1; }, kInvalid, "found -1"},
      {"id is huge", [](Json& t) { t["model"]["vocab"]["q"] = 1 << 24; }, kInvalid,
       "expected an id from 0 to 16777215"},
      {"id is out of all bounds", [](Json& t) { t["model"]["vocab"]["q"] = 1e30; }, kInvalid,
       "model.vocab[\"q\"]"},
      {"two tokens, one id", [](Json& t) { t["model"]["vocab"]["q"] = 97; }, kInvalid,
       "id 97 belongs to two tokens"},
      {"a byte is missing", [](Json& t) { t["model"]["vocab"].erase("q"); }, kInvalid,
       "no token for the byte 0x71"},
      {"ids are sparse", [](Json& t) { t["model"]["vocab"]["qq"] = 9'000'000; }, kInvalid,
       "most ids have no token"},
      {"no merges", [](Json& t) { t["model"].erase("merges"); }, kInvalid,
       "model.merges: expected an array"},
      {"merge of three", [](Json& t) { t["model"]["merges"][1] = "a b c"; }, kInvalid,
       "model.merges[1]"},
      {"merge of one", [](Json& t) { t["model"]["merges"][2] = Json::array({"a"}); }, kInvalid,
       "model.merges[2]"},
      {"merge from nothing", [](Json& t) { t["model"]["merges"][0] = "a zz"; }, kInvalid,
       "\"zz\" is not in model.vocab"},
      {"merge into nothing", [](Json& t) { t["model"]["merges"][0] = "z z"; }, kInvalid,
       "\"zz\" is not in model.vocab"},
      {"merge of other letters",
       [](Json& t) {
         t["model"]["vocab"]["日"] = 260, t["model"]["vocab"]["日日"] = 261,
         t["model"]["merges"][0] = "日 日";
       },
       kInvalid, "not spelled in the byte alphabet"},
      {"ignore_merges is 1", [](Json& t) { t["model"]["ignore_merges"] = 1; }, kInvalid,
       "model.ignore_merges"},
      {"added tokens are an object", [](Json& t) { t["added_tokens"] = Json::object(); }, kInvalid,
       "added_tokens: expected"},
      {"added token without id", [](Json& t) { t["added_tokens"][1].erase("id"); }, kInvalid,
       "added_tokens[1].id"},
      {"added token is empty", [](Json& t) { t["added_tokens"][0]["content"] = ""; }, kInvalid,
       "added_tokens[0].content"},
      {"added token is long",
       [](Json& t) { t["added_tokens"][0]["content"] = std::string(257, 'x'); }, kInvalid,
       "257 bytes"},
      {"added token twice", [](Json& t) { t["added_tokens"][1]["content"] = "<s>"; }, kInvalid,
       "\"<s>\" is there twice"},
      {"added token takes an id", [](Json& t) { t["added_tokens"][0]["id"] = 97; }, kInvalid,
       "id 97 belongs to two tokens"},
      {"added token disagrees", [](Json& t) { t["added_tokens"][0]["content"] = "ab"; }, kInvalid,
       "and 256 in model.vocab"},
      {"flag is text", [](Json& t) { t["added_tokens"][0]["lstrip"] = "no"; }, kInvalid,
       "added_tokens[0].lstrip"},
      {"other normalizer",
       [](Json& t) {
         t["normalizer"] = {{"type", "BertNormalizer"}};
       },
       kUnimplemented, "normalizer.type: \"BertNormalizer\""},
      {"no pre-tokenizer", [](Json& t) { t["pre_tokenizer"] = nullptr; }, kUnimplemented,
       "pre_tokenizer: has no ByteLevel"},
      {"other pre-tokenizer",
       [](Json& t) {
         t["pre_tokenizer"] = Sequence({{"type", "BertPreTokenizer"}});
       },
       kUnimplemented, "pre_tokenizer.pretokenizers[0].type: \"BertPreTokenizer\""},
      {"bytes too early",
       [](Json& t) {
         t["pre_tokenizer"] = Sequence({{"type", "ByteLevel"}});
       },
       kUnimplemented, "only as the last pre-tokenizer"},
      {"other behaviour",
       [](Json& t) {
         t["pre_tokenizer"] = Sequence(SplitStep({{"String", "x"}}, "Doubled"));
       },
       kUnimplemented, "pretokenizers[0].behavior: \"Doubled\""},
      {"other pattern",
       [](Json& t) {
         t["pre_tokenizer"] = Sequence(SplitStep({{"Glob", "x"}}, "Isolated"));
       },
       kUnimplemented, "pretokenizers[0].pattern"},
      {"broken regex",
       [](Json& t) {
         t["pre_tokenizer"] = Sequence(SplitStep({{"Regex", "(x"}}, "Isolated"));
       },
       kInvalid, "the regular expression does not compile"},
      {"other decoder",
       [](Json& t) {
         t["decoder"] = {{"type", "WordPiece"}};
       },
       kUnimplemented, "decoder.type"},
      {"other post-processor",
       [](Json& t) {
         t["post_processor"] = {{"type", "BertProcessing"}};
       },
       kUnimplemented, "post_processor.type"},
      {"post-processor names no token",
       [](Json& t) {
         t["post_processor"] = Json::parse(
             R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}],
                                               "special_tokens": {"<s>": {"ids": [299]}}})");
       },
       kInvalid, "post_processor.special_tokens.<s>.ids[0]"},
  };
}

TEST(TokenizerFile, EveryFaultIsRefusedByName) {
  for (const Fault& fault : Faults()) {
    Json json = SmallTokenizerJson();
    fault.change(json);
    const auto tokenizer = MakeTokenizer(json);
    ASSERT_FALSE(tokenizer.ok()) << fault.name;
    EXPECT_EQ(tokenizer.status().code(), fault.code) << fault.name << ": " << tokenizer.status();
    EXPECT_THAT(std::string(Message(tokenizer.status())), HasSubstr(fault.message)) << fault.name;
  }
}

TEST(TokenizerFile, ASequenceOfTooManyStepsIsRefused) {
  Json json = SmallTokenizerJson();
  Json& steps = (json["pre_tokenizer"] = Sequence({{"type", "Digits"}}))["pretokenizers"];
  for (int i = 0; i < 100; ++i) steps.insert(steps.begin(), Json({{"type", "Digits"}}));
  EXPECT_THAT(std::string(Message(MakeTokenizer(json).status())), HasSubstr("more than 64 steps"));
}

TEST(TokenizerFile, MergesMayBeTextOrPairs) {
  Json json = SmallTokenizerJson();
  json["model"]["merges"] = {"a b", "c d", "ab c"};
  EXPECT_THAT(Ids(**MakeTokenizer(json), "abcabcd"), ElementsAre(257, 256, 258));
}

TEST(TokenizerFile, TextIsNoTokenizer) {
  for (const char* text : {"", "{", "[]", "null", "{\"model\": 1}"})
    EXPECT_FALSE(ParseTokenizerJson(text).ok()) << text;
}

// A checkpoint folder of its own for each test.
class TokenizerFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/tokenizer_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void Write(const std::string& name, const Json& json) {
    ASSERT_TRUE(WriteFile(dir_ + "/" + name, json.dump()).ok());
  }
  std::string Refusal() {
    const auto tokenizer = Tokenizer::FromFiles(dir_);
    return tokenizer.ok() ? "" : std::string(Message(tokenizer.status()));
  }

  std::string dir_;
};

TEST_F(TokenizerFolder, AMissingFileIsNamed) {
  EXPECT_TRUE(absl::IsNotFound(Tokenizer::FromFiles(dir_).status()));
  EXPECT_THAT(Refusal(), HasSubstr(dir_ + "/tokenizer.json"));
}

TEST_F(TokenizerFolder, TheConfigMayBeMissing) {
  Write("tokenizer.json", SmallTokenizerJson());
  const auto tokenizer = Tokenizer::FromFiles(dir_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->bos_id(), std::nullopt);
  EXPECT_THAT(Ids(**tokenizer, "a", {.add_special_tokens = true}), ElementsAre('a'));
}

TEST_F(TokenizerFolder, TheConfigNamesBosAndEos) {
  Write("tokenizer.json", SmallTokenizerJson());
  Write("tokenizer_config.json",
        {{"bos_token", "<s>"}, {"eos_token", {{"content", "<x>"}}}, {"add_bos_token", true}});
  const auto tokenizer = Tokenizer::FromFiles(dir_);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->bos_id(), 300);
  EXPECT_EQ((*tokenizer)->eos_id(), 301);
  EXPECT_THAT(Ids(**tokenizer, "a", {.add_special_tokens = true}), ElementsAre(300, 'a'));
}

TEST_F(TokenizerFolder, ThePostProcessorAddsBosUnlessTheConfigSaysNo) {
  Json json = SmallTokenizerJson();
  json["post_processor"] = Json::parse(R"({"type": "Sequence", "processors": [{"type": "ByteLevel"},
      {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
       "special_tokens": {"<s>": {"ids": [300]}}}]})");
  Write("tokenizer.json", json);
  EXPECT_THAT(Ids(**Tokenizer::FromFiles(dir_), "a", {.add_special_tokens = true}),
              ElementsAre(300, 'a'));
  Write("tokenizer_config.json", {{"add_bos_token", false}});
  EXPECT_THAT(Ids(**Tokenizer::FromFiles(dir_), "a", {.add_special_tokens = true}),
              ElementsAre('a'));
}

TEST_F(TokenizerFolder, AFaultyConfigNamesFileAndField) {
  Write("tokenizer.json", SmallTokenizerJson());
  Write("tokenizer_config.json", {{"bos_token", "<none>"}});
  EXPECT_THAT(Refusal(), HasSubstr("tokenizer_config.json: bos_token: \"<none>\" is no token"));
  Write("tokenizer_config.json", {{"eos_token", 7}});
  EXPECT_THAT(Refusal(), HasSubstr("eos_token: expected a string"));
  Write("tokenizer_config.json", {{"add_bos_token", true}});
  EXPECT_THAT(Refusal(), HasSubstr("add_bos_token: is true, but there is no bos_token"));
  Write("tokenizer_config.json", Json::array());
  EXPECT_THAT(Refusal(), HasSubstr("expected an object"));
}

TEST_F(TokenizerFolder, AFileOverTheLimitIsNotRead) {
  Write("tokenizer.json", SmallTokenizerJson());
  std::filesystem::resize_file(dir_ + "/tokenizer.json", kMaxTokenizerFileBytes + 1);
  EXPECT_THAT(Refusal(), HasSubstr("more than the limit of 64"));
}

}  // namespace
}  // namespace switchyard::text
