// 200 schemas, and texts that were drawn token by token from what their grammars allow: each is
// JSON and satisfies its schema.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "coordinator/text/grammar/token_table.h"
#include "tests/coordinator/text/grammar/grammar_testing.h"
#include "tests/coordinator/text/grammar/json_validator.h"
#include "tests/coordinator/text/grammar/schema_samples.h"

namespace switchyard::text::grammar {
namespace {

constexpr int kWalks = 6;       // with each schema
constexpr int kFreeSteps = 60;  // then the text is brought to an end
constexpr int kMaxSteps = 20'000;

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

class Walk {
 public:
  Walk(worker::GrammarMatcher matcher, std::shared_ptr<const worker::TokenTrie> trie, uint32_t seed)
      : matcher_(std::move(matcher)), trie_(std::move(trie)), random_(seed) {}

  // The text, or what went wrong behind a "!".
  std::string Run() {
    const int32_t ending = static_cast<int32_t>(trie_->vocab_size()) - 1;
    for (int step = 0; step < kMaxSteps; ++step) {
      std::vector<uint32_t> mask(matcher_.mask_words());
      if (!matcher_.FillMask(std::array{ending}, mask)) return "!nothing is allowed: " + text_;
      const std::vector<int32_t> allowed = Allowed(mask);
      if (step % 16 == 0 && !IsExact(mask, ending)) return "!the mask is wrong: " + text_;
      const bool may_end = allowed.back() == ending;
      if (may_end != matcher_.IsAccepting()) return "!the ending token is wrong: " + text_;
      if (may_end && (allowed.size() == 1 || step > kFreeSteps || random_() % 4 == 0)) return text_;
      const int32_t token = Choose(allowed, step);
      if (!matcher_.AdvanceToken(token)) return "!an allowed token is refused: " + text_;
      text_ += trie_->bytes(token);
    }
    return "!no end: " + text_;
  }

 private:
  static std::vector<int32_t> Allowed(const std::vector<uint32_t>& mask) {
    std::vector<int32_t> allowed;
    for (size_t t = 0; t < mask.size() * 32; ++t) {
      if ((mask[t / 32] >> (t % 32)) & 1) allowed.push_back(static_cast<int32_t>(t));
    }
    return allowed;
  }

  // The mask is what trying each token says.
  bool IsExact(const std::vector<uint32_t>& mask, int32_t ending) {
    for (int32_t token = 0; token < ending; ++token) {
      worker::GrammarMatcher copy = matcher_;
      const bool is_allowed = ((mask[token / 32] >> (token % 32)) & 1) != 0;
      if (copy.AdvanceToken(token) != is_allowed) return false;
    }
    return true;
  }

  // Any token, but what closes something oftener, most of all towards the end, and
  // then nothing that opens.
  int32_t Choose(const std::vector<int32_t>& allowed, int step) {
    const auto is_closing = [&](int32_t token) {
      return token == '"' || token == '}' || token == ']';
    };
    std::vector<int32_t> closing;
    std::copy_if(allowed.begin(), allowed.end(), std::back_inserter(closing), is_closing);
    const bool closes = !closing.empty() && random_() % 10 < (step > kFreeSteps ? 6 : 2);
    if (closes) return closing[random_() % closing.size()];
    std::vector<int32_t> texts = allowed;
    if (matcher_.IsAccepting()) texts.pop_back();  // the ending token
    const auto opens = [&](int32_t token) {
      return trie_->bytes(token).find_first_of("{[") != std::string_view::npos;
    };
    if (step > kFreeSteps && !std::all_of(texts.begin(), texts.end(), opens)) {
      std::erase_if(texts, opens);
    }
    return texts[random_() % texts.size()];
  }

  worker::GrammarMatcher matcher_;
  std::shared_ptr<const worker::TokenTrie> trie_;
  std::mt19937 random_;
  std::string text_;
};

TEST(SchemaWalk, EveryTextDrawnFromTheMasksIsJsonThatSatisfiesItsSchema) {
  const auto trie = MakeTrie(Pieces());
  const std::vector<std::string> schemas = SampleSchemas(200);
  ASSERT_EQ(schemas.size(), 200u);
  size_t num_bytes = 0;
  for (size_t s = 0; s < schemas.size(); ++s) {
    const auto grammar = Schema(schemas[s]);
    ASSERT_TRUE(grammar.ok()) << schemas[s] << ": " << grammar.status();
    const worker::GrammarMatcher matcher = MakeMatcher(grammar, trie);
    const auto schema = nlohmann::json::parse(schemas[s]);
    for (int walk = 0; walk < kWalks; ++walk) {
      const std::string text = Walk(matcher, trie, static_cast<uint32_t>(s * kWalks + walk)).Run();
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
