// Unigram tokenizers against the `tokenizers` library: testdata/unigram_cases.py wrote what it
// makes of each text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/file.h"
#include "coordinator/text/charsmap.h"
#include "coordinator/text/detokenizer.h"
#include "tests/coordinator/text/tokenizer_testing.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json Recorded() {
  const auto text = ReadFile(
      SWITCHYARD_SOURCE_DIR "/tests/coordinator/text/testdata/unigram_cases.json", 1 * kMiB);
  return Json::parse(text.value());
}

// Ids 0 "<unk>", 1 "a", 2 "b", 3 "ab".
Json SmallUnigramJson() {
  return Json::parse(R"({
    "added_tokens": [{"id": 0, "content": "<unk>", "special": true}],
    "pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never"},
    "decoder": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "never"},
    "model": {"type": "Unigram", "unk_id": 0,
      "vocab": [["<unk>", 0], ["a", -1], ["b", -2], ["ab", -2.5]]}})");
}

Json Precompiled(std::string_view charsmap) {
  return {{"type", "Precompiled"}, {"precompiled_charsmap", charsmap}};
}

TEST(UnigramTokenizer, IdsAreThoseOfTheReference) {
  for (const Json& recorded : Recorded()) {
    const auto tokenizer = MakeTokenizer(recorded["tokenizer"]);
    ASSERT_TRUE(tokenizer.ok()) << recorded["name"] << ": " << tokenizer.status();
    for (const Json& one : recorded["encoded"]) {
      EXPECT_EQ(Ids(**tokenizer, one["text"].get<std::string>(), {.parse_special = true}),
                one["ids"].get<std::vector<int32_t>>())
          << recorded["name"] << ": " << one["text"];
    }
  }
}

TEST(UnigramTokenizer, TextIsThatOfTheReferenceAtOnceAndAsItComes) {
  for (const Json& recorded : Recorded()) {
    const auto tokenizer = MakeTokenizer(recorded["tokenizer"]);
    ASSERT_TRUE(tokenizer.ok()) << recorded["name"] << ": " << tokenizer.status();
    for (const Json& one : recorded["decoded"]) {
      const auto ids = one["ids"].get<std::vector<int32_t>>();
      EXPECT_EQ((*tokenizer)->Decode(ids, false), one["text"]) << recorded["name"] << one["ids"];
      Detokenizer detokenizer(**tokenizer, false);
      std::string streamed;
      for (const int32_t id : ids) streamed += detokenizer.Push(id);
      EXPECT_EQ(streamed + detokenizer.Flush(), one["text"]) << recorded["name"] << one["ids"];
    }
  }
}

TEST(UnigramTokenizer, ARenderedPromptIsOneText) {
  Json json = SmallUnigramJson();
  for (const char* part : {"pre_tokenizer", "decoder"}) json[part]["prepend_scheme"] = "first";
  json["model"]["vocab"].push_back({"_", -1});
  const auto tokenizer = MakeTokenizer(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  RenderedText prompt;
  prompt.Append("a", false);
  prompt.Append("b<unk>a", true);
  EXPECT_THAT((*tokenizer)->EncodeRendered(prompt).value(), ElementsAre(4, 3, 0, 1))
      << "the request's <unk> is a run of unknown characters";
  prompt.Append("<unk>b", false);
  EXPECT_THAT((*tokenizer)->EncodeRendered(prompt).value(), ElementsAre(4, 3, 0, 1, 0, 2))
      << "only the first piece gets a space";
}

// Quadratic work or a stack as deep as the text would not end here.
TEST(UnigramTokenizer, ALongTextWithoutASpaceIsCut) {
  Json json = SmallUnigramJson();
  const auto tokenizer = MakeTokenizer(json);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += "ab";
  const std::vector<int32_t> ids = Ids(**tokenizer, text);
  ASSERT_EQ(ids.size(), 1'000'000);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 3), 1'000'000);
  EXPECT_THAT(Ids(**tokenizer, std::string(2'000'000, 'z')), ElementsAre(0));
}

TEST(UnigramTokenizer, FaultsAreRefusedByName) {
  struct Fault {
    std::function<void(Json&)> change;
    const char* message;
  };
  const Fault kFaults[] = {
      {[](Json& t) { t["model"].erase("vocab"); }, "model.vocab: expected an array, found null"},
      {[](Json& t) { t["model"]["vocab"][1] = "a"; },
       "model.vocab[1]: expected [\"token\", score]"},
      {[](Json& t) { t["model"]["vocab"][1][1] = "x"; }, "model.vocab[1]: expected"},
      {[](Json& t) { t["model"]["vocab"][2][0] = "a"; }, "model.vocab[2]: \"a\" is there twice"},
      {[](Json& t) { t["model"]["vocab"][2][0] = std::string(1025, 'x'); },
       "model.vocab[2] has 1025 bytes"},
      {[](Json& t) { t["model"]["unk_id"] = nullptr; }, "model.unk_id: is missing"},
      {[](Json& t) { t["model"]["unk_id"] = 4; }, "model.unk_id: expected a number below the 4"},
      {[](Json& t) { t["model"]["unk_id"] = -1; }, "model.unk_id"},
      {[](Json& t) { t["model"]["vocab"] = Json::array(); }, "below the 0 tokens"},
      {[](Json& t) { t["model"]["byte_fallback"] = true; }, "decoder: has no ByteFallback step"},
      {[](Json& t) { t["decoder"] = nullptr; }, "decoder: is missing"},
      {[](Json& t) { t["decoder"]["replacement"] = "ab"; }, "expected one character, found \"ab\""},
      {[](Json& t) { t["pre_tokenizer"]["replacement"] = ""; }, "pre_tokenizer.replacement"},
      {[](Json& t) { t["pre_tokenizer"]["prepend_scheme"] = "last"; }, "\"last\" is not supported"},
      {[](Json& t) {
         t["pre_tokenizer"]["prepend_scheme"] = "first";
         t["pre_tokenizer"]["add_prefix_space"] = false;
       },
       "is \"first\", but add_prefix_space is false"},
      {[](Json& t) { t["normalizer"] = Precompiled("a?"); }, "is not base64"},
      {[](Json& t) { t["normalizer"] = Precompiled("AAAA"); },
       "precompiled_charsmap: ends within the size of its trie"},
      // 8 bytes of a trie, of which 4 are there; texts that are no UTF-8.
      {[](Json& t) { t["normalizer"] = Precompiled("CAAAAAAAAAA="); },
       "the trie has 8 bytes of the 4 that follow"},
      {[](Json& t) { t["normalizer"] = Precompiled("BAAAAAAAAAD/"); }, "its texts are not UTF-8"},
  };
  for (const Fault& fault : kFaults) {
    Json json = SmallUnigramJson();
    fault.change(json);
    const auto tokenizer = MakeTokenizer(json);
    ASSERT_FALSE(tokenizer.ok()) << fault.message;
    EXPECT_THAT(std::string(Message(tokenizer.status())), HasSubstr(fault.message));
  }
}

// A table of random units leads anywhere; what comes out is text all the same, and bounded.
TEST(Charsmap, AFaultyTableNeitherReadsOutsideNorBreaksCharacters) {
  uint32_t random = 1;
  const auto next = [&] { return random = random * 1664525 + 1013904223; };
  for (int round = 0; round < 2'000; ++round) {
    std::string bytes(4, '\0');
    bytes[1] = 1;  // 256 bytes of trie: 64 units
    for (int unit = 0; unit < 64; ++unit) {
      const uint32_t bits = round % 2 == 0 ? next() : (next() & 0xfff) << 8 | (unit & 0xff);
      for (int byte = 0; byte < 4; ++byte) bytes += static_cast<char>(bits >> (8 * byte));
    }
    bytes += std::string_view("\xc3\xa9\0x\xf0\x9f\x98\x80", 8);
    const auto charsmap = Charsmap::Parse(bytes);
    ASSERT_TRUE(charsmap.ok()) << charsmap.status();
    const auto text = charsmap->Apply("a !\"#$%&'()*+,-./0123456789:;<=>?é日", 1000);
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_TRUE(IsValidUtf8(*text)) << round;
  }
}

// What stands for "a" is eight bytes long.
TEST(Charsmap, ATextDoesNotGrowOverItsBound) {
  std::vector<uint32_t> units(0x61);
  units[0] = 1 << 10;                       // the root's children are at 1 ^ byte
  units[0x60] = 0x62 << 10 | 1 << 8 | 'a';  // its value is at 0x60 ^ 0x62
  std::string bytes;
  const auto add = [&](uint32_t word) {
    for (int byte = 0; byte < 4; ++byte) bytes += static_cast<char>(word >> (8 * byte));
  };
  add(uint32_t(4 * units.size()));
  for (const uint32_t unit : units) add(unit);
  bytes += "xxxxxxxx";
  const auto charsmap = Charsmap::Parse(bytes);
  ASSERT_TRUE(charsmap.ok()) << charsmap.status();
  EXPECT_EQ(charsmap->Apply("ba", 100).value(), "bxxxxxxxx");
  EXPECT_EQ(charsmap->Apply("aaa", 16).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace switchyard::text
