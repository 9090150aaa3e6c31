// BPE over characters with bytes to fall back on, as Gemma's and Mixtral's files have it
// (MODEL_SPECS 9).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "coordinator/text/detokenizer.h"
#include "tests/coordinator/text/tokenizer_testing.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int32_t kFirstByte = 10;  // of <0x00>

// Mixtral's form: ids 10 to 265 are the bytes; a few characters and merges of them.
Json MixtralJson() {
  Json vocab = {{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) vocab[fmt::format("<0x{:02X}>", byte)] = kFirstByte + byte;
  int32_t id = 300;
  for (const char* piece : {"▁", "a", "b", "c", "é", "▁a", "▁ab", "bc", "▁▁"}) vocab[piece] = id++;
  return Json::parse(R"({
    "added_tokens": [
      {"id": 0, "content": "<unk>", "special": true, "normalized": false},
      {"id": 1, "content": "<s>", "special": true, "normalized": false},
      {"id": 2, "content": "</s>", "special": true, "normalized": false}],
    "normalizer": {"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"},
      {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    "pre_tokenizer": null,
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A"}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
    "decoder": {"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
      {"type": "ByteFallback"}, {"type": "Fuse"},
      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
      "vocab": )" + vocab.dump() +
                     R"(, "merges": ["▁ a", "▁a b", "b c", "▁ ▁"]}})");
}

TEST(CharacterBpe, MergesCharactersAndFallsBackOnBytes) {
  const auto tokenizer = MakeTokenizer(MixtralJson());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_THAT(Ids(**tokenizer, "abc"), ElementsAre(306, 303)) << "▁ab c: the lower rank goes first";
  EXPECT_THAT(Ids(**tokenizer, "ébc"), ElementsAre(300, 304, 307));
  // No token has these: their bytes, which nothing merges.
  EXPECT_THAT(Ids(**tokenizer, "a€"),
              ElementsAre(305, kFirstByte + 0xe2, kFirstByte + 0x82, kFirstByte + 0xac));
  EXPECT_THAT(Ids(**tokenizer, "<0x41>").size(), 7) << "letters that spell a byte are letters";
  EXPECT_THAT(Ids(**tokenizer, "a", {.add_special_tokens = true}), ElementsAre(1, 305));
  EXPECT_THAT(Ids(**tokenizer, "a</s>a", {.parse_special = true}), ElementsAre(305, 2, 305));
  EXPECT_THAT(Ids(**tokenizer, ""), ElementsAre());
}

TEST(CharacterBpe, TextComesBackWithoutTheSpaceThatWasPutBefore) {
  const auto tokenizer = MakeTokenizer(MixtralJson());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  for (const char* text : {"abc", " abc", "a bc  b", "€é", "日本 a", ""}) {
    const std::vector<int32_t> ids = Ids(**tokenizer, text);
    EXPECT_EQ((*tokenizer)->Decode(ids, false), text);
    Detokenizer detokenizer(**tokenizer, false);
    std::string streamed;
    for (const int32_t id : ids) streamed += detokenizer.Push(id);
    EXPECT_EQ(streamed + detokenizer.Flush(), text);
  }
  EXPECT_EQ((*tokenizer)->Decode(std::vector<int32_t>{1, 305, 305}, true), "a a");
  EXPECT_EQ((*tokenizer)->Decode(std::vector<int32_t>{1, 305}, false), "<s> a")
      << "the text begins with the mark";
  // A character that stops in the middle.
  EXPECT_EQ((*tokenizer)->Decode(std::vector<int32_t>{kFirstByte + 0xe2, 301}, false), "\uFFFDa");
}

TEST(CharacterBpe, ATokenIsFoundByItsTextBeforeAByteIs) {
  Json json = MixtralJson();
  const auto tokenizer = MakeTokenizer(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->TokenToId("a"), 301);
  EXPECT_EQ((*tokenizer)->TokenToId("z"), kFirstByte + 'z');
  EXPECT_EQ((*tokenizer)->TokenToId("<s>"), 1);
  EXPECT_EQ((*tokenizer)->DecodeToken(306), " ab");
}

TEST(CharacterBpe, FaultsAreRefusedByName) {
  struct Fault {
    std::function<void(Json&)> change;
    const char* message;
  };
  const Fault kFaults[] = {
      {[](Json& t) { t["model"]["vocab"].erase("<0x41>"); }, "no token for the byte 0x41"},
      {[](Json& t) {
         t["pre_tokenizer"] = {{"type", "ByteLevel"}};
       },
       "not with byte_fallback"},
      {[](Json& t) {
         t["pre_tokenizer"] = {{"type", "Punctuation"}};
       },
       "\"Punctuation\""},
      {[](Json& t) {
         t["decoder"] = {{"type", "ByteLevel"}};
       },
       "decoder.type: \"ByteLevel\""},
      {[](Json& t) {
         t["decoder"] = {{"type", "Fuse"}};
       },
       "decoder: has no ByteFallback step"},
      {[](Json& t) { std::swap(t["decoder"]["decoders"][0], t["decoder"]["decoders"][1]); },
       "in this order"},
      {[](Json& t) { t["decoder"]["decoders"][3]["stop"] = 1; }, "stop 0"},
      {[](Json& t) { t["decoder"]["decoders"].erase(2); }, "only behind Fuse"},
      {[](Json& t) {
         t["decoder"]["decoders"][0]["pattern"] = {{"Regex", "x"}};
       },
       "decoders[0].pattern"},
      {[](Json& t) { t["model"]["merges"][0] = "<0x41> a", t["model"]["vocab"]["<0x41>a"] = 400; },
       "is not spelled in characters"},
  };
  for (const Fault& fault : kFaults) {
    Json json = MixtralJson();
    fault.change(json);
    const auto tokenizer = MakeTokenizer(json);
    ASSERT_FALSE(tokenizer.ok()) << fault.message;
    EXPECT_THAT(std::string(Message(tokenizer.status())), HasSubstr(fault.message));
  }
}

}  // namespace
}  // namespace switchyard::text
