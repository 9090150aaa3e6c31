// The bundled model's tokenizer against what the reference implementation recorded.
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "coordinator/text/detokenizer.h"
#include "coordinator/text/tokenizer.h"

namespace switchyard::text {
namespace {

const std::string kModelDir = SWITCHYARD_SOURCE_DIR "/models/tiny-r1";

const Tokenizer& TinyR1() {
  static const auto* tokenizer = new auto(Tokenizer::FromFiles(kModelDir));
  EXPECT_TRUE(tokenizer->ok()) << tokenizer->status();
  return ***tokenizer;
}

std::vector<Json> ReadLines(const std::string& name) {
  std::ifstream file(kModelDir + "/goldens/" + name);
  std::vector<Json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(ParseJson(line).value());
  EXPECT_FALSE(lines.empty()) << name;
  return lines;
}

std::vector<Json> Cases(std::string_view type) {
  std::vector<Json> cases;
  for (Json& line : ReadLines("tokenizer_cases.jsonl")) {
    if (line["type"] == type) cases.push_back(std::move(line));
  }
  return cases;
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char byte : bytes) hex += fmt::format("{:02x}", uint8_t(byte));
  return hex;
}

TEST(TokenizerGoldens, EncodesEveryRecordedText) {
  const auto cases = Cases("encode");
  ASSERT_EQ(cases.size(), 715u);
  for (const Json& golden : cases) {
    const auto text = golden["text"].get<std::string>();
    const auto ids = TinyR1().Encode(text, {.parse_special = golden["parse_special"].get<bool>()});
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, golden["ids"].get<std::vector<int32_t>>())
        << golden["group"] << ": " << golden["text"];
    EXPECT_LE(text.size(), ids->size() * TinyR1().max_token_bytes().value());
  }
}

TEST(TokenizerGoldens, DecodesEveryRecordedSequence) {
  const auto cases = Cases("decode");
  ASSERT_EQ(cases.size(), 335u);
  for (const Json& golden : cases) {
    const auto ids = golden["ids"].get<std::vector<int32_t>>();
    std::string bytes;
    for (const int32_t id : ids) bytes += TinyR1().DecodeToken(id);
    EXPECT_EQ(Hex(bytes), golden["bytes"].get<std::string>());
    EXPECT_EQ(TinyR1().Decode(ids, false), golden["text"].get<std::string>());
    EXPECT_EQ(TinyR1().Decode(ids, true), golden["text_skip_special"].get<std::string>());
  }
}

TEST(TokenizerGoldens, StreamsEveryRecordedSequence) {
  for (const Json& golden : Cases("decode")) {
    for (const bool skip_special : {false, true}) {
      Detokenizer detokenizer(TinyR1(), skip_special);
      std::string text;
      for (const int32_t id : golden["ids"].get<std::vector<int32_t>>())
        text += detokenizer.Push(id);
      text += detokenizer.Flush();
      EXPECT_EQ(text, golden[skip_special ? "text_skip_special" : "text"].get<std::string>());
    }
  }
}

TEST(TokenizerGoldens, EncodesEveryRenderedTemplateAsTheTemplatesOwnText) {
  int num_rendered = 0;
  for (const Json& golden : ReadLines("template_cases.jsonl")) {
    if (!golden.contains("rendered")) continue;
    RenderedText prompt;
    prompt.Append(golden["rendered"].get<std::string>(), /*from_user=*/false);
    const auto ids = TinyR1().EncodeRendered(prompt);
    ASSERT_TRUE(ids.ok()) << ids.status();
    EXPECT_EQ(*ids, golden["ids"].get<std::vector<int32_t>>());
    ++num_rendered;
  }
  EXPECT_GT(num_rendered, 50);
}

// What text comes out of an id goes back to text that gives the same bytes: nothing is lost on the
// way.
TEST(TokenizerGoldens, DecodingGivesBackWhatWasEncoded) {
  for (const Json& golden : Cases("encode")) {
    const auto text = golden["text"].get<std::string>();
    for (const bool parse_special : {false, true}) {
      const auto ids = TinyR1().Encode(text, {.parse_special = parse_special});
      ASSERT_TRUE(ids.ok()) << ids.status();
      EXPECT_EQ(TinyR1().Decode(*ids, false), text);
    }
  }
}

TEST(TokenizerGoldens, KnowsItsTokens) {
  EXPECT_EQ(TinyR1().vocab_size(), 4096);
  EXPECT_EQ(TinyR1().bos_id(), 0);
  EXPECT_EQ(TinyR1().eos_id(), 1);
  EXPECT_EQ(TinyR1().TokenToId("<think>"), 4083);
  EXPECT_EQ(TinyR1().TokenToId(" a"), 261);
  EXPECT_EQ(TinyR1().TokenToId("no such token"), std::nullopt);
  EXPECT_TRUE(TinyR1().IsSpecial(0));
  EXPECT_FALSE(TinyR1().IsSpecial(4083));  // <think> is added, not special: it belongs to the text
  for (const int32_t id : {-1, 4096, 1 << 30}) {
    EXPECT_EQ(TinyR1().DecodeToken(id), "");
    EXPECT_FALSE(TinyR1().IsSpecial(id));
  }
}

TEST(TokenizerGoldens, PutsBosBeforeRawTextOnlyWhenAsked) {
  EXPECT_EQ(*TinyR1().Encode(" a", {}), (std::vector<int32_t>{261}));
  EXPECT_EQ(*TinyR1().Encode(" a", {.add_special_tokens = true}), (std::vector<int32_t>{0, 261}));
}

}  // namespace
}  // namespace switchyard::text
