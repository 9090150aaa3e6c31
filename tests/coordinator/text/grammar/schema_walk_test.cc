// 200 schemas, and texts that were drawn token by token from what their grammars allow: each is
// JSON and satisfies its schema.
#include <gtest/gtest.h>

#include <set>

#include "coordinator/text/grammar/token_table.h"
#include "tests/coordinator/text/grammar/grammar_testing.h"
#include "tests/coordinator/text/grammar/grammar_walk.h"
#include "tests/coordinator/text/grammar/json_validator.h"
#include "tests/coordinator/text/grammar/schema_samples.h"

namespace switchyard::text::grammar {
namespace {

constexpr int kWalks = 6;  // with each schema

// Pieces as a tokenizer would have them: they cross the borders of strings, numbers and members.
std::vector<std::string> Pieces() {
  const std::string sample =
      R"({"name":"Zoë Müller","tags":["a","b","日本語"],"n":-12.50e+3,"ok":true,"x":null},)"
      R"({"id":100,"kind":"b","items":[{"v":1},{"v":2,"next":[]}],"when":"2024-02-29T10:20:30Z"}]})"
      R"( "\n\u00e9\"\\" false []{}[[]],"":"","k":{"k":{"k":0.25}}} the quick brown fox ab12-cd34)";
  std::set<std::string> pieces;
  for (size_t begin = 0; begin < sample.size(); ++begin) {
    for (size_t length = 2; length <= 7; ++length) pieces.insert(sample.substr(begin, length));
  }
  return {pieces.begin(), pieces.end()};
}

TEST(SchemaWalk, EveryTextDrawnFromTheMasksIsJsonThatSatisfiesItsSchema) {
  const auto trie = MakeTrie(Pieces());
  const std::vector<std::string> schemas = SampleSchemas(200);
  ASSERT_EQ(schemas.size(), 200u);
  const auto ending = static_cast<int32_t>(trie->vocab_size()) - 1;
  size_t num_bytes = 0;
  for (size_t s = 0; s < schemas.size(); ++s) {
    const auto grammar = Schema(schemas[s]);
    ASSERT_TRUE(grammar.ok()) << schemas[s] << ": " << grammar.status();
    const worker::GrammarMatcher matcher = MakeMatcher(grammar, trie);
    const auto schema = nlohmann::json::parse(schemas[s]);
    for (int walk = 0; walk < kWalks; ++walk) {
      const std::string text =
          Walk(matcher, trie, ending, static_cast<uint32_t>(s * kWalks + walk)).Run();
      ASSERT_FALSE(text.starts_with('!')) << schemas[s] << "\n" << text;
      const auto value = nlohmann::json::parse(text, nullptr, false);
      ASSERT_FALSE(value.is_discarded()) << schemas[s] << "\n" << text;
      ASSERT_EQ(FindViolation(schema, schema, value), "") << schemas[s] << "\n" << text;
      num_bytes += text.size();
    }
  }
  EXPECT_GT(num_bytes, 20'000u);  // texts of some length
}

// The bundled model's own vocabulary, through the message that workers get.
TEST(SchemaWalk, TheBundledTokenizersTokensWriteWhatTheSchemaAsksFor) {
  const auto tokenizer = Tokenizer::FromFiles(SWITCHYARD_SOURCE_DIR "/models/tiny-r1").value();
  const auto trie = worker::TokenTrie::Create(MakeTokenTable(*tokenizer)).value();
  ASSERT_EQ(trie->vocab_size(), tokenizer->vocab_size());
  const auto grammar = Schema(SampleSchemas(20)[0]);
  worker::GrammarMatcher matcher = MakeMatcher(grammar, trie);
  const std::array ending = {tokenizer->eos_id().value()};
  std::vector<uint32_t> mask(matcher.mask_words());
  const auto is_allowed = [&](int32_t token) {
    return ((mask[token / 32] >> (token % 32)) & 1) != 0;
  };
  const std::vector<int32_t> tokens =
      tokenizer->Encode(R"({"name":"Zo\u00eb \"日本\" 😀","age":42})", {}).value();
  for (const int32_t token : tokens) {
    ASSERT_TRUE(matcher.FillMask(ending, mask));
    EXPECT_FALSE(is_allowed(ending[0]));
    ASSERT_TRUE(is_allowed(token)) << tokenizer->DecodeToken(token);
    ASSERT_TRUE(matcher.AdvanceToken(token));
  }
  ASSERT_TRUE(matcher.FillMask(ending, mask));
  EXPECT_TRUE(is_allowed(ending[0]));
  for (int32_t token = 0; token < tokenizer->vocab_size(); ++token) {
    EXPECT_FALSE(token != ending[0] && is_allowed(token)) << token;
  }
}

}  // namespace
}  // namespace switchyard::text::grammar
