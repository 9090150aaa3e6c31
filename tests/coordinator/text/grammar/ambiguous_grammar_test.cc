// Grammars that are small, compile at once and can be read in very many ways: what one mask costs
// is bounded by work counted, and the answer has the grammar's form all the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <regex>
#include <span>
#include <string>
#include <vector>

#include "tests/coordinator/text/grammar/grammar_testing.h"

namespace switchyard::text::grammar {
namespace {

// Words as a tokenizer has them: every letter leads on, so that a walk has far to go.
std::vector<std::string> Words() {
  std::mt19937 random(11);
  std::vector<std::string> words;
  for (int i = 0; i < 20'000; ++i) {
    std::string word(random() % 2, ' ');
    for (size_t length = 2 + random() % 5; length > 0; --length) {
      word += static_cast<char>('a' + random() % 26);
    }
    words.push_back(word);
  }
  return words;
}

// Halves that do the same: each `x` may be cut into two at any place.
absl::StatusOr<v1::Grammar> Halves() {
  return CompileEbnf("root ::= x\nx ::= [a-z ] | [a-z ] x x | [a-z ] x");
}

// Each rule has two ways to the next, which differ only in what may come behind.
absl::StatusOr<v1::Grammar> Forks() {
  std::string source = "root ::= r0+\nr5 ::= [a-z ]\n";
  for (int i = 0; i < 5; ++i) {
    source +=
        fmt::format("r{0} ::= six{0}a | six{0}b\nsix{0}a ::= r{1} [a-z ]? \"A\"?\n", i, i + 1);
    source += fmt::format("six{0}b ::= r{1} [a-z ]? \"B\"?\n", i, i + 1);
  }
  return CompileEbnf(source);
}

constexpr int32_t kNumTokens = 20;
// What a step may take beyond the work that is left when it begins.
constexpr uint64_t kMaxStepWork = 200'000;

struct Answer {
  std::string text;
  int num_cut = 0;            // masks that lack tokens
  uint64_t most_work = 0;     // of one mask
  bool is_accepting = false;  // at its end
};

std::vector<int32_t> TokensOf(std::span<const uint32_t> mask) {
  std::vector<int32_t> tokens;
  for (size_t t = 0; t < mask.size() * 32; ++t) {
    if (((mask[t / 32] >> (t % 32)) & 1) != 0) tokens.push_back(static_cast<int32_t>(t));
  }
  return tokens;
}

std::shared_ptr<worker::GrammarMasks> MakeMasks(
    const absl::StatusOr<v1::Grammar>& grammar,
    size_t cache_bytes = worker::GrammarMasks::kDefaultCacheBytes) {
  static const auto* const kTrie = new std::shared_ptr<const worker::TokenTrie>(MakeTrie(Words()));
  return std::make_shared<worker::GrammarMasks>(
      worker::GrammarAutomaton::Create(grammar.value()).value(), *kTrie, cache_bytes);
}

// Draws kNumTokens from the masks, and more until the text may end; what they allow is accepted.
Answer Draw(const std::shared_ptr<worker::GrammarMasks>& masks) {
  worker::GrammarMatcher matcher(masks);
  std::mt19937 random(5);
  Answer answer;
  std::vector<uint32_t> mask(matcher.mask_words());
  for (int step = 0; step < kNumTokens || (step < 100 && !matcher.IsAccepting()); ++step) {
    const uint64_t before = masks->work();
    bool lacks_tokens = false;
    EXPECT_TRUE(matcher.FillMask({}, mask, &lacks_tokens));
    answer.num_cut += lacks_tokens ? 1 : 0;
    answer.most_work = std::max(answer.most_work, masks->work() - before);
    const std::vector<int32_t> allowed = TokensOf(mask);
    for (int i = 0; i < 50; ++i) {
      worker::GrammarMatcher copy = matcher;
      EXPECT_TRUE(copy.AdvanceToken(allowed[random() % allowed.size()])) << "step " << step;
    }
    const int32_t token = allowed[random() % allowed.size()];
    EXPECT_TRUE(matcher.AdvanceToken(token));
    answer.text += masks->trie().bytes(token);
  }
  answer.is_accepting = matcher.IsAccepting();
  return answer;
}

// `form` describes the same texts in a way that is easy to check.
void ExpectBoundedWork(const absl::StatusOr<v1::Grammar>& grammar, const char* form) {
  const auto masks = MakeMasks(grammar);
  const Answer first = Draw(masks);
  EXPECT_TRUE(first.is_accepting);
  EXPECT_TRUE(std::regex_match(first.text, std::regex(form))) << first.text;
  EXPECT_GT(first.num_cut, 0) << "the grammar is none of those that this is about";
  EXPECT_LE(masks->work(), masks->automaton().num_states() * masks->max_state_work() +
                               kNumTokens * (masks->max_mask_work() + kMaxStepWork));
  // Now its states are known: each mask costs what a mask may.
  const Answer again = Draw(masks);
  EXPECT_LE(again.most_work, masks->max_mask_work() + kMaxStepWork);
  EXPECT_EQ(again.text, first.text);
  EXPECT_EQ(again.num_cut, first.num_cut);
}

TEST(AmbiguousGrammar, EachMaskOfHalvesCostsNoMoreThanAMaskMay) {
  ExpectBoundedWork(Halves(), "[a-z ]+");
}

TEST(AmbiguousGrammar, EachMaskOfForksCostsNoMoreThanAMaskMay) {
  ExpectBoundedWork(Forks(), "([a-z ]([a-z ]?[AB]?){5})+");
}

TEST(AmbiguousGrammar, AMaskWithoutWorkIsTheSameWhateverIsKeptOrFoundAhead) {
  for (const auto& grammar : {Halves(), Forks()}) {
    const auto ahead = MakeMasks(grammar);
    while (ahead->PrepareOne()) {
    }
    const Answer expected = Draw(MakeMasks(grammar));
    EXPECT_EQ(Draw(ahead).text, expected.text);
    EXPECT_EQ(Draw(MakeMasks(grammar, 1)).text, expected.text);
  }
}

TEST(AmbiguousGrammar, AMaskWithoutWorkHasEveryTokenOfOneByte) {
  const auto masks = MakeMasks(Halves());
  worker::GrammarMatcher matcher(masks);
  std::vector<uint32_t> mask(matcher.mask_words());
  for (int step = 0; step < kNumTokens; ++step) {
    ASSERT_TRUE(matcher.FillMask({}, mask));
    const std::vector<int32_t> allowed = TokensOf(mask);
    for (const char byte : std::string_view(" abcdefghijklmnopqrstuvwxyz")) {
      EXPECT_TRUE(std::binary_search(allowed.begin(), allowed.end(), int32_t{byte}));
    }
    EXPECT_FALSE(std::binary_search(allowed.begin(), allowed.end(), int32_t{'A'}));
    ASSERT_TRUE(matcher.Advance("word "));
  }
}

}  // namespace
}  // namespace switchyard::text::grammar
