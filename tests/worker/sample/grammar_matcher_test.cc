// The worker's side of grammars, with automata written by hand: what is refused from the wire, the
// tree of tokens, masks, going back, forced text.
#include "worker/sample/grammar_matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Puts an automaton together.
class Builder {
 public:
  explicit Builder(int num_states) : edges_(num_states), calls_(num_states) {
    grammar_.mutable_may_end()->assign(num_states, '\0');
  }

  Builder& Edge(uint32_t from, std::string_view bytes, uint32_t to) {
    edges_[from].push_back({std::string(bytes), to});
    return *this;
  }
  Builder& Call(uint32_t from, uint32_t target, uint32_t returns) {
    calls_[from].push_back({target, returns});
    return *this;
  }
  Builder& Loop(uint32_t state, uint32_t body, uint32_t min, uint32_t max) {
    v1::Loop* loop = grammar_.add_loops();
    loop->set_state(state);
    loop->set_body(body);
    loop->set_min(min);
    loop->set_max(max);
    return *this;
  }
  Builder& End(uint32_t state) {
    (*grammar_.mutable_may_end())[state] = 1;
    return *this;
  }

  v1::Grammar Build() const {
    v1::Grammar grammar = grammar_;
    for (const auto& edges : edges_) {
      grammar.add_edge_counts(edges.size());
      for (const auto& [bytes, to] : edges) {
        std::string set(32, '\0');
        for (const char c : bytes) {
          const auto byte = static_cast<uint8_t>(c);
          set[byte / 8] = static_cast<char>(set[byte / 8] | 1 << (byte % 8));
        }
        grammar.add_edge_sets(grammar.byte_sets().size() / 32);
        grammar.mutable_byte_sets()->append(set);
        grammar.add_edge_targets(to);
      }
    }
    for (const auto& calls : calls_) {
      grammar.add_call_counts(calls.size());
      for (const auto& [target, returns] : calls) {
        grammar.add_call_targets(target);
        grammar.add_call_returns(returns);
      }
    }
    return grammar;
  }

 private:
  v1::Grammar grammar_;
  std::vector<std::vector<std::pair<std::string, uint32_t>>> edges_;
  std::vector<std::vector<std::pair<uint32_t, uint32_t>>> calls_;
};

// "(" as often as ")", x in the middle: state 0 calls itself behind a byte.
Builder Nested() {
  return Builder(4).Edge(0, "(", 1).Edge(0, "x", 3).Call(1, 0, 2).Edge(2, ")", 3).End(3);
}

// "<", then 2 to 4 times "a" or "bb", then ">".
Builder Counted() {
  return Builder(7)
      .Edge(0, "<", 1)
      .Call(1, 2, 3)
      .Loop(2, 4, 2, 4)
      .Edge(3, ">", 6)
      .Edge(4, "a", 6)
      .Edge(4, "b", 5)
      .Edge(5, "b", 6)
      .End(6);
}

std::shared_ptr<const TokenTrie> Trie(const std::vector<std::string>& tokens) {
  v1::TokenTable table;
  for (const std::string& token : tokens) {
    table.mutable_bytes()->append(token);
    table.add_lengths(token.size());
  }
  return TokenTrie::Create(table).value();
}

GrammarMatcher Matcher(const Builder& builder, std::shared_ptr<const TokenTrie> trie,
                       size_t cache_bytes = GrammarMasks::kDefaultCacheBytes) {
  return GrammarMatcher(std::make_shared<GrammarMasks>(
      GrammarAutomaton::Create(builder.Build()).value(), std::move(trie), cache_bytes));
}

// The tokens that may come next; -1 stands at the end when nothing may.
std::vector<int32_t> Allowed(GrammarMatcher& matcher, std::vector<int32_t> ending = {}) {
  std::vector<uint32_t> mask(matcher.mask_words(), 0xdeadbeef);
  std::vector<int32_t> allowed;
  const bool any = matcher.FillMask(ending, mask);
  for (size_t t = 0; t < mask.size() * 32; ++t) {
    if ((mask[t / 32] >> (t % 32)) & 1) allowed.push_back(static_cast<int32_t>(t));
  }
  EXPECT_EQ(any, !allowed.empty());
  return allowed;
}

TEST(GrammarAutomaton, RefusesWhatIsNotAGrammar) {
  const std::pair<v1::Grammar, std::string> cases[] = {
      {Builder(0).Build(), "0 states"},
      {Builder(1).Edge(0, "a", 1).Build(), "an edge of state 0 goes nowhere"},
      {Builder(2).Edge(0, "ab", 1).Edge(0, "bc", 0).Build(), "edges of state 0 overlap"},
      {Builder(2).Call(0, 1, 2).Build(), "a call of state 0 goes nowhere"},
      {Builder(2).Call(0, 2, 1).Build(), "a call of state 0 goes nowhere"},
      {Builder(2).Call(0, 0, 1).Build(), "state 0 comes back to itself"},
      {Builder(3).Call(0, 1, 0).End(1).Build(), "state 0 comes back to itself"},
      {Builder(3).Call(0, 1, 2).Call(1, 0, 2).Build(), "comes back to itself"},
      {Builder(2).Loop(0, 1, 1, 2).End(1).Build(), "the body of loop 0 may end at once"},
      {Builder(2).Loop(0, 1, 3, 2).Edge(1, "a", 1).Build(), "counts from 3 to 2"},
      {Builder(2).Loop(0, 1, 0, 0).Edge(1, "a", 1).Build(), "counts from 0 to 0"},
      {Builder(2).Loop(0, 1, 1, 2).Edge(0, "a", 1).Build(), "counts and does more"},
      {Builder(2).Loop(0, 1, 1, 2).Loop(0, 1, 1, 2).Edge(1, "a", 1).Build(), "counts and does"},
      {Builder(2).Loop(2, 1, 1, 2).Build(), "no state or body"},
  };
  for (const auto& [grammar, message] : cases) {
    const auto automaton = GrammarAutomaton::Create(grammar);
    EXPECT_EQ(automaton.status().code(), absl::StatusCode::kInvalidArgument) << message;
    EXPECT_THAT(std::string(Message(automaton.status())), HasSubstr(message));
  }
}

TEST(GrammarAutomaton, RefusesArraysThatDoNotFitEachOther) {
  const auto expect_refused = [](auto change) {
    v1::Grammar grammar = Nested().Build();
    ASSERT_TRUE(GrammarAutomaton::Create(grammar).ok());
    change(grammar);
    EXPECT_EQ(GrammarAutomaton::Create(grammar).status().code(),
              absl::StatusCode::kInvalidArgument);
  };
  expect_refused([](v1::Grammar& g) { g.set_start(4); });
  expect_refused([](v1::Grammar& g) { g.mutable_byte_sets()->pop_back(); });
  expect_refused([](v1::Grammar& g) { g.set_edge_sets(0, 3); });
  expect_refused([](v1::Grammar& g) { g.add_edge_sets(0); });
  expect_refused([](v1::Grammar& g) { g.add_edge_targets(0); });
  expect_refused([](v1::Grammar& g) { g.set_edge_counts(0, 1); });
  expect_refused([](v1::Grammar& g) { g.set_edge_counts(0, 4'000'000'000u); });
  expect_refused([](v1::Grammar& g) { g.add_edge_counts(0); });
  expect_refused([](v1::Grammar& g) { g.set_call_counts(1, 2); });
  expect_refused([](v1::Grammar& g) { g.add_call_returns(0); });
  expect_refused([](v1::Grammar& g) { g.mutable_may_end()->append(40'000, '\0'); });
}

TEST(GrammarAutomaton, AChainOfCallsMayBeAsLongAsThereAreStates) {
  Builder chain(30'000);
  for (uint32_t s = 0; s + 1 < 30'000; ++s) chain.Call(s, s + 1, 29'999);
  chain.Edge(29'998, "x", 29'999).End(29'999);
  EXPECT_TRUE(GrammarAutomaton::Create(chain.Build()).ok());
}

TEST(TokenTrie, RefusesATableThatDoesNotAddUp) {
  v1::TokenTable table;
  table.set_bytes("abc");
  table.add_lengths(2);
  EXPECT_EQ(TokenTrie::Create(table).status().code(), absl::StatusCode::kInvalidArgument);
  table.add_lengths(1);
  EXPECT_TRUE(TokenTrie::Create(table).ok());
  table.add_lengths(4'294'967'295u);
  EXPECT_FALSE(TokenTrie::Create(table).ok());
}

TEST(TokenTrie, HoldsEveryTokenOnceWhereItsBytesLead) {
  const auto trie = Trie({"b", "", "ab", "a", "ab", "abc", std::string(2000, 'x'), "\xff"});
  EXPECT_EQ(trie->vocab_size(), 8);
  std::vector<std::string> met;
  std::string way;
  for (uint32_t n = 1; n < trie->num_nodes(); ++n) {
    way.resize(trie->node(n).depth - 1);
    way += static_cast<char>(trie->node(n).byte);
    for (const int32_t token : trie->tokens(n)) {
      EXPECT_EQ(trie->bytes(token), way);
      met.push_back(fmt::format("{}:{}", way, token));
    }
  }
  EXPECT_THAT(met, ElementsAre("a:3", "ab:2", "ab:4", "abc:5", "b:0", "\xff:7"));
}

TEST(GrammarStacks, EqualStacksHaveEqualNumbersAlsoBehindWhatWasForgotten) {
  GrammarStacks stacks;
  const auto chain = [&](uint32_t bottom_count) {
    uint32_t n = stacks.Push({.state = 7, .count = bottom_count});
    for (uint32_t state = 0; state < 100; ++state) n = stacks.Push({.state = state, .below = n});
    return n;
  };
  const uint32_t first = chain(1);
  const size_t size = stacks.size();
  const uint32_t second = chain(2);
  EXPECT_NE(first, second);
  EXPECT_EQ(stacks.bottom_count(first), 1u);
  EXPECT_EQ(stacks.bottom_count(second), 2u);
  stacks.Truncate(size);
  EXPECT_EQ(chain(1), first);
  EXPECT_EQ(stacks.size(), size);
  EXPECT_EQ(chain(3), second) << "a number that is free again";
  EXPECT_EQ(stacks.bottom_count(second), 3u);
}

TEST(GrammarMatcher, MasksTokensThatCrossTheBordersOfRules) {
  const auto trie =
      Trie({"(", ")", "x", "((", "))", "(x", "x)", "(x)", "x))", "))))", "", "((x)))"});
  GrammarMatcher matcher = Matcher(Nested(), trie);
  EXPECT_THAT(Allowed(matcher), ElementsAre(0, 2, 3, 5, 7));
  ASSERT_TRUE(matcher.AdvanceToken(3));
  EXPECT_THAT(Allowed(matcher), ElementsAre(0, 2, 3, 5, 6, 7, 8, 11));
  ASSERT_TRUE(matcher.AdvanceToken(6));
  EXPECT_THAT(Allowed(matcher, {10}), ElementsAre(1));
  EXPECT_FALSE(matcher.AdvanceToken(4));
  EXPECT_FALSE(matcher.AdvanceToken(10));
  EXPECT_FALSE(matcher.AdvanceToken(12));
  EXPECT_FALSE(matcher.AdvanceToken(-1));
  ASSERT_TRUE(matcher.AdvanceToken(1));
  EXPECT_TRUE(matcher.IsAccepting());
  EXPECT_THAT(Allowed(matcher, {10}), ElementsAre(10));
  EXPECT_THAT(Allowed(matcher), IsEmpty());
}

TEST(GrammarMatcher, CountsRoundsOfALoopAlsoWithinATokenAndAcrossItsEnd) {
  const auto trie = Trie({"<", "a", "aa", "aaa", "aaaa", "aaaaa", ">", "a>", "aa>", "aaa>", "b",
                          "bb", "bba", "ab", "b>", "bb>", "aaaa>", "<aa>", "<a>"});
  GrammarMatcher matcher = Matcher(Counted(), trie);
  EXPECT_THAT(Allowed(matcher), ElementsAre(0, 17));
  ASSERT_TRUE(matcher.Advance("<"));
  EXPECT_THAT(Allowed(matcher), ElementsAre(1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 16));
  ASSERT_TRUE(matcher.Advance("a"));
  EXPECT_THAT(Allowed(matcher), ElementsAre(1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 15));
  ASSERT_TRUE(matcher.Advance("b"));
  EXPECT_THAT(Allowed(matcher), ElementsAre(10, 11, 14));
  ASSERT_TRUE(matcher.Advance("ba"));
  EXPECT_THAT(Allowed(matcher), ElementsAre(1, 6, 7, 10, 11, 15));
  ASSERT_TRUE(matcher.Advance("a"));
  EXPECT_THAT(Allowed(matcher), ElementsAre(6));
  EXPECT_EQ(matcher.ForcedBytes(10), ">");
  EXPECT_FALSE(matcher.IsAccepting());
  ASSERT_TRUE(matcher.Advance(">"));
  EXPECT_TRUE(matcher.IsAccepting());
  EXPECT_THAT(Allowed(matcher), IsEmpty());
}

TEST(GrammarMatcher, WhatIsRefusedChangesNothing) {
  GrammarMatcher matcher = Matcher(Nested(), Trie({"(", ")", "x"}));
  ASSERT_TRUE(matcher.Advance("((x"));
  EXPECT_FALSE(matcher.Advance(")))"));
  EXPECT_FALSE(matcher.Advance("x"));
  EXPECT_THAT(Allowed(matcher), ElementsAre(1));
  EXPECT_TRUE(matcher.Advance("))"));
  EXPECT_TRUE(matcher.IsAccepting());
}

TEST(GrammarMatcher, ACopyIsAPlaceToComeBackTo) {
  GrammarMatcher matcher = Matcher(Nested(), Trie({"(", ")", "x"}));
  ASSERT_TRUE(matcher.Advance("(("));
  const GrammarMatcher before = matcher;
  ASSERT_TRUE(matcher.Advance("x))"));
  EXPECT_TRUE(matcher.IsAccepting());
  matcher = before;
  EXPECT_FALSE(matcher.IsAccepting());
  ASSERT_TRUE(matcher.Advance("(x)))"));
  EXPECT_TRUE(matcher.IsAccepting());
}

TEST(GrammarMatcher, ForcedBytesEndWhereThereIsAChoice) {
  GrammarMatcher matcher = Matcher(Builder(6)
                                       .Edge(0, "a", 1)
                                       .Edge(1, "b", 2)
                                       .Edge(2, "c", 3)
                                       .Edge(2, "d", 4)
                                       .Edge(3, "e", 5)
                                       .End(5)
                                       .End(4),
                                   Trie({"a"}));
  EXPECT_EQ(matcher.ForcedBytes(100), "ab");
  EXPECT_EQ(matcher.ForcedBytes(1), "a");
  ASSERT_TRUE(matcher.Advance("abc"));
  EXPECT_EQ(matcher.ForcedBytes(100), "e");
  ASSERT_TRUE(matcher.Advance("e"));
  EXPECT_EQ(matcher.ForcedBytes(100), "");
}

TEST(GrammarMatcher, ForcedTextIsCutIntoTheLongestTokens) {
  const auto automaton = [] {
    return Builder(5)
        .Edge(0, "n", 1)
        .Edge(1, "a", 2)
        .Edge(2, "m", 3)
        .Edge(3, "e", 4)
        .Edge(4, "xy", 4)
        .End(4);
  };
  const auto forced = [&](const std::vector<std::string>& tokens, int32_t max_tokens) {
    return Matcher(automaton(), Trie(tokens)).ForcedTokens(max_tokens);
  };
  // A token that goes beyond what is forced is none of it.
  EXPECT_THAT(forced({"n", "na", "m", "me", "name", "names", "namex"}, 4), ElementsAre(4));
  EXPECT_THAT(forced({"n", "na", "m", "me", "nam"}, 4), ElementsAre(4)) << "\"e\" is no token";
  EXPECT_THAT(forced({"n", "na", "m", "me", "na"}, 4), ElementsAre(1, 3));
  EXPECT_THAT(forced({"n", "na", "m", "me"}, 1), ElementsAre(1));
  EXPECT_THAT(forced({"a", "m"}, 4), IsEmpty());
}

TEST(GrammarMatcher, EndingTokensAreAllowedExactlyWhenTheTextMayEnd) {
  // The ending token has bytes that the grammar would allow: it ends nevertheless.
  GrammarMatcher matcher =
      Matcher(Builder(2).Edge(0, "a", 1).Edge(1, "a", 1).End(1), Trie({"a", "aa", ""}));
  EXPECT_THAT(Allowed(matcher, {1, 2}), ElementsAre(0));
  ASSERT_TRUE(matcher.Advance("a"));
  EXPECT_THAT(Allowed(matcher, {1, 2}), ElementsAre(0, 1, 2));
}

// Text in quotes with escapes and characters of two bytes, then 0 to 6 letters or escapes.
Builder Quoted() {
  std::string text;
  for (char c = ' '; c < 127; ++c) {
    if (c != '"' && c != '\\') text += c;
  }
  return Builder(12)
      .Edge(0, "\"", 1)
      .Edge(1, text, 1)
      .Edge(1, "\\", 2)
      .Edge(1, "\xc3", 3)
      .Edge(1, "\"", 4)
      .Edge(2, "\"n", 1)
      .Edge(3, "\xa4\xb6", 1)
      .Call(4, 5, 6)
      .Loop(5, 7, 1, 6)
      .Edge(6, "\"<", 0)
      .Edge(7, text, 9)
      .Edge(7, "\\", 8)
      .Edge(8, "\"n", 9)
      .End(9)
      .End(6);
}

TEST(GrammarMasks, EveryMaskIsWhatEachTokenBringsByItself) {
  std::vector<std::string> tokens;
  const std::string_view pieces[] = {"a", "b",    "ab",   "the",      " ", "\"", "\\",
                                     "n", "\xc3", "\xa4", "\xc3\xb6", "<", ">",  "(",
                                     ")", "x",    "bb",   "7",        "G"};
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string token;
    for (size_t n = 1 + random() % 7; n > 0; --n) token += pieces[random() % std::size(pieces)];
    tokens.push_back(token);
  }
  const auto trie = Trie(tokens);
  for (const Builder& builder : {Quoted(), Nested(), Counted()}) {
    for (int answer = 0; answer < 20; ++answer) {
      GrammarMatcher matcher = Matcher(builder, trie);
      for (int step = 0; step < 20; ++step) {
        std::vector<int32_t> expected;
        for (int32_t token = 0; token < std::ssize(tokens); ++token) {
          GrammarMatcher copy = matcher;
          if (copy.AdvanceToken(token)) expected.push_back(token);
        }
        ASSERT_EQ(Allowed(matcher), expected) << "answer " << answer << ", step " << step;
        if (expected.empty()) break;
        ASSERT_TRUE(matcher.AdvanceToken(expected[random() % expected.size()]));
      }
    }
  }
}

TEST(GrammarMasks, ASmallCacheChangesNothing) {
  const auto trie = Trie({"(", ")", "x", "((", "))", "(x", "x)", "a", "bb", "<", ">", "a>", "aa"});
  for (const auto& [builder, text] : {std::pair{Nested(), "(((x)))"}, {Counted(), "<abba>"}}) {
    GrammarMatcher large = Matcher(builder, trie);
    const auto masks =
        std::make_shared<GrammarMasks>(GrammarAutomaton::Create(builder.Build()).value(), trie, 1);
    GrammarMatcher small(masks);
    for (const char byte : std::string_view(text)) {
      EXPECT_EQ(Allowed(large), Allowed(small));
      EXPECT_LT(masks->cache_bytes(), 2000u);
      ASSERT_TRUE(large.Advance(std::string_view(&byte, 1)));
      ASSERT_TRUE(small.Advance(std::string_view(&byte, 1)));
    }
  }
}

TEST(GrammarMasks, WhatIsFoundAheadIsWhatAStepFinds) {
  std::string text;
  for (char c = ' '; c < 127; ++c) {
    if (c != '"') text += c;
  }
  // A string of any length, then one of at most three characters.
  const Builder builder = Builder(7)
                              .Edge(0, "\"", 1)
                              .Edge(1, text, 1)
                              .Edge(1, "\"", 2)
                              .Call(2, 3, 4)
                              .Loop(3, 5, 0, 3)
                              .Edge(4, "\"", 0)
                              .Edge(5, text, 6)
                              .End(6);
  const auto trie =
      Trie({"\"", "a", "ab", "abc", "abcd", "a\"", "ab\"", "\"\"", "\"a\"", "abcd\""});
  const auto automaton = GrammarAutomaton::Create(builder.Build()).value();
  const auto ready = std::make_shared<GrammarMasks>(automaton, trie);
  while (ready->PrepareOne()) {
  }
  EXPECT_GT(ready->cache_bytes(), 0u);
  GrammarMatcher prepared(ready);
  GrammarMatcher plain(std::make_shared<GrammarMasks>(automaton, trie));
  for (const char byte : std::string_view("\"xyz\"abc\"\"a\"a")) {
    EXPECT_EQ(Allowed(prepared), Allowed(plain));
    ASSERT_TRUE(prepared.Advance(std::string_view(&byte, 1)));
    ASSERT_TRUE(plain.Advance(std::string_view(&byte, 1)));
  }
}

// Each token is allowed exactly if it is accepted, whichever of them come one after the other.
void ExpectMasksAreAccepted(GrammarMatcher matcher, const TokenTrie& trie, int num_steps) {
  std::mt19937 random(5);
  for (int step = 0; step < num_steps; ++step) {
    const std::vector<int32_t> allowed = Allowed(matcher);
    for (int32_t token = 0; token < trie.vocab_size(); ++token) {
      GrammarMatcher copy = matcher;
      ASSERT_EQ(copy.AdvanceToken(token), std::binary_search(allowed.begin(), allowed.end(), token))
          << "step " << step << ", token " << token;
    }
    if (allowed.empty()) {
      EXPECT_TRUE(matcher.IsAccepting());
      return;
    }
    ASSERT_TRUE(matcher.AdvanceToken(allowed[random() % allowed.size()]));
  }
}

TEST(GrammarMasks, WhatTheyAllowIsAcceptedAlsoWhereThereAreTooManyWays) {
  // 100 rules that begin with x, then each calls 60 rules that begin with y; both end differently.
  std::vector<std::string> tokens = {"x", "y", "xy"};
  Builder rules(500);
  for (uint32_t r = 0; r < 100; ++r) {
    const std::string end(1, static_cast<char>(128 + r));
    rules.Call(0, 1 + r, 499).Edge(1 + r, "x", 101 + r).Edge(201 + r, end, 499);
    tokens.push_back(end);
    for (uint32_t a = 0; a < 60; ++a) rules.Call(101 + r, 301 + a, 201 + r);
  }
  for (uint32_t a = 0; a < 60; ++a) {
    const std::string end(1, static_cast<char>('0' + a));
    rules.Edge(301 + a, "y", 361 + a).Edge(361 + a, end, 499);
    tokens.push_back(end);
    for (const int r : {0, 1, 50, 99}) {
      tokens.push_back("y" + end + static_cast<char>(128 + r));
      tokens.push_back("xy" + end + static_cast<char>(128 + r));
    }
  }
  rules.End(499);
  const auto trie = Trie(tokens);
  GrammarMatcher matcher = Matcher(rules, trie);
  ExpectMasksAreAccepted(matcher, *trie, 8);
  ASSERT_TRUE(matcher.Advance("x"));
  ExpectMasksAreAccepted(matcher, *trie, 8);
}

TEST(GrammarMasks, WhatTheyAllowIsAcceptedAlsoWhereTheWaysAreLong) {
  // Behind x, 100 rules of 100 calls one in the other.
  constexpr uint32_t kEnd = 10'201;
  Builder rules(kEnd + 1);
  std::vector<std::string> tokens = {"x", "y"};
  for (uint32_t r = 0; r < 100; ++r) {
    const uint32_t first = 101 + r * 100;
    const std::string end(1, static_cast<char>(128 + r));
    rules.Call(0, 1 + r, kEnd).Edge(1 + r, "x", first);
    for (uint32_t s = first; s < first + 98; ++s) rules.Call(s, s + 1, kEnd);
    rules.Edge(first + 98, "y", first + 99).Edge(first + 99, end, kEnd);
    tokens.push_back(end);
    tokens.push_back("y" + end);
  }
  rules.End(kEnd);
  const auto trie = Trie(tokens);
  GrammarMatcher matcher = Matcher(rules, trie);
  ASSERT_TRUE(matcher.Advance("x"));
  ExpectMasksAreAccepted(matcher, *trie, 4);
}

TEST(GrammarMasks, ManyWaysAtOnceAreBounded) {
  // "a" may leave any of 100 x 100 pairs of states behind; what is dropped is only ever refused.
  Builder wide(203);
  for (uint32_t s = 1; s <= 100; ++s) {
    wide.Call(0, s, 100 + s).Edge(s, "a", s).Edge(s, "b", 201).Edge(100 + s, "c", 202);
  }
  wide.Call(202, 0, 201).End(201).End(202);
  GrammarMatcher matcher = Matcher(wide, Trie({"a", "b", "c"}));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(matcher.Advance("aaabc"));
  EXPECT_TRUE(matcher.IsAccepting());
}

}  // namespace
}  // namespace switchyard::worker
