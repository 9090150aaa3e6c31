#include "worker/sample/token_constraint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "coordinator/text/grammar/compile.h"
#include "worker/sample/sampling_state.h"

namespace switchyard::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int32_t kVocab = 100;  // the model's: more than the table's
constexpr int32_t kThoughtsBegin = 69;
constexpr int32_t kThoughtsEnd = 70;
constexpr int32_t kEnd = 71;

// Tokens 0 to 25 are letters, 26 is "ab", 70 and 71 are special.
v1::TokenTable Table() {
  v1::TokenTable table;
  const auto add = [&](const std::string& bytes) {
    table.mutable_bytes()->append(bytes);
    table.add_lengths(static_cast<uint32_t>(bytes.size()));
  };
  for (char letter = 'a'; letter <= 'z'; ++letter) add(std::string(1, letter));
  add("ab");
  while (table.lengths_size() < 72) add("");
  return table;
}

GrammarMatcher Matcher(std::string_view regex) {
  auto automaton = GrammarAutomaton::Create(*text::grammar::CompileRegex(regex));
  auto trie = TokenTrie::Create(Table());
  SY_CHECK(automaton.ok() && trie.ok());
  return GrammarMatcher(std::make_shared<GrammarMasks>(*automaton, *trie));
}

v1::SamplingParams Params() {
  v1::SamplingParams params;
  params.add_ending_tokens(kEnd);
  return params;
}

// The tokens of a range that may come next.
std::set<int32_t> Allowed(TokenConstraint& constraint, const TokenRange& range = {0, kVocab}) {
  std::set<int32_t> tokens;
  const std::vector<uint32_t> mask = constraint.Allowed(range);
  for (int64_t i = 0; i < range.count; ++i) {
    if ((mask[i / 32] >> (i % 32) & 1u) != 0) tokens.insert(static_cast<int32_t>(range.first + i));
  }
  return tokens;
}

TEST(TokenConstraint, FollowsTheGrammarAndEndsWhereItMay) {
  TokenConstraint constraint(Params(), kVocab, Matcher("ab?c"));
  ASSERT_TRUE(constraint.binds());
  EXPECT_THAT(Allowed(constraint), ElementsAre(0, 26));
  constraint.See(0);
  EXPECT_THAT(Allowed(constraint), ElementsAre(1, 2));
  constraint.See(2);
  EXPECT_THAT(Allowed(constraint), ElementsAre(kEnd));
}

TEST(TokenConstraint, EveryRankSeesItsOwnPart) {
  TokenConstraint constraint(Params(), kVocab, Matcher("[a-z]+"));
  constraint.See(3);
  const std::set<int32_t> whole = Allowed(constraint);
  EXPECT_EQ(whole.size(), 28u);
  for (const int ranks : {2, 3, 7}) {
    std::set<int32_t> joined;
    for (int rank = 0; rank < ranks; ++rank) {
      const int64_t begin = kVocab * rank / ranks, end = kVocab * (rank + 1) / ranks;
      const std::set<int32_t> part = Allowed(constraint, {begin, end - begin});
      joined.insert(part.begin(), part.end());
    }
    EXPECT_EQ(joined, whole) << ranks;
  }
}

TEST(TokenConstraint, BindsAfterThoughtsAndEndsLongOnes) {
  v1::SamplingParams params = Params();
  params.set_thoughts_opened(true);
  params.add_thoughts_end_tokens(kThoughtsEnd);
  params.set_max_thought_tokens(2);
  TokenConstraint constraint(params, kVocab, Matcher("x"));
  EXPECT_FALSE(constraint.binds());
  constraint.See(0);
  EXPECT_FALSE(constraint.binds());
  constraint.See(5);
  ASSERT_TRUE(constraint.binds());
  EXPECT_THAT(Allowed(constraint), ElementsAre(kThoughtsEnd));
  EXPECT_THAT(Allowed(constraint, {0, 64}), IsEmpty());
  constraint.See(kThoughtsEnd);
  EXPECT_THAT(Allowed(constraint), ElementsAre('x' - 'a'));

  TokenConstraint thoughts_alone(params, kVocab, std::nullopt);
  for (const int32_t token : {0, 0, kThoughtsEnd}) thoughts_alone.See(token);
  EXPECT_FALSE(thoughts_alone.binds());
}

// A model that writes the begin mark itself: it may think first, or begin the text.
TEST(TokenConstraint, ThoughtsMayBeginWithTheAnswer) {
  v1::SamplingParams params = Params();
  params.add_thoughts_begin_tokens(kThoughtsBegin);
  params.add_thoughts_end_tokens(kThoughtsEnd);
  params.set_max_thought_tokens(2);
  TokenConstraint thinks(params, kVocab, Matcher("xy"));
  ASSERT_TRUE(thinks.binds());
  EXPECT_THAT(Allowed(thinks), ElementsAre('x' - 'a', kThoughtsBegin));
  EXPECT_THAT(thinks.Forced(5), IsEmpty());  // there is a choice
  thinks.See(kThoughtsBegin);
  EXPECT_FALSE(thinks.binds());
  for (const int32_t token : {3, 4}) thinks.See(token);
  EXPECT_THAT(Allowed(thinks), ElementsAre(kThoughtsEnd));
  thinks.See(kThoughtsEnd);
  EXPECT_THAT(Allowed(thinks), ElementsAre('x' - 'a'));

  TokenConstraint answers(params, kVocab, Matcher("xy"));
  answers.See('x' - 'a');
  EXPECT_THAT(Allowed(answers), ElementsAre('y' - 'a'));

  TokenConstraint late(params, kVocab, std::nullopt);  // white space first, as GLM writes
  late.See(0);
  EXPECT_FALSE(late.binds());
  for (const int32_t token : {kThoughtsBegin, 3, 4}) late.See(token);
  ASSERT_TRUE(late.binds());
  EXPECT_THAT(Allowed(late), ElementsAre(kThoughtsEnd));
}

// Thoughts that begin with several tokens, end with one of several, and come again, as messages of
// a channel do.
class RecurringThoughts : public ::testing::Test {
 protected:
  static constexpr int32_t kStart = 60, kChannel = 61, kMessage = 62, kThoughts = 7;

  RecurringThoughts() {
    for (const int32_t token : {kChannel, kThoughts, kMessage}) {
      params_.add_thoughts_begin_tokens(token);
    }
    for (const int32_t token : {kThoughtsEnd, kStart, kChannel}) {
      params_.add_thoughts_end_tokens(token);
    }
    params_.set_thoughts_recur(true);
    params_.set_max_thought_tokens(3);
  }
  // Behind the tokens: those that may come, none where all may.
  std::set<int32_t> Behind(std::vector<int32_t> tokens) {
    TokenConstraint constraint(params_, kVocab, std::nullopt);
    for (const int32_t token : tokens) constraint.See(token);
    return constraint.binds() ? Allowed(constraint) : std::set<int32_t>{};
  }

  v1::SamplingParams params_ = Params();
};

TEST_F(RecurringThoughts, CountTogether) {
  EXPECT_THAT(Behind({kChannel, kThoughts, kMessage, 1, 2}), IsEmpty());
  EXPECT_THAT(Behind({kChannel, kThoughts, kMessage, 1, 2, 3}), ElementsAre(kThoughtsEnd));
  const std::vector<int32_t> two = {kChannel, kThoughts, kMessage, 1, 2, kThoughtsEnd, kStart, 5};
  EXPECT_THAT(Behind(two), IsEmpty());
  std::vector<int32_t> again = two;
  for (const int32_t token : {kChannel, kThoughts, kMessage}) again.push_back(token);
  EXPECT_THAT(Behind(again), IsEmpty());
  again.push_back(4);
  EXPECT_THAT(Behind(again), ElementsAre(kThoughtsEnd));
}

TEST_F(RecurringThoughts, BeginNoMoreOnceTheyHaveHadTheirTokens) {
  std::vector<int32_t> tokens = {kChannel, kThoughts, kMessage, 1, 2, 3, kThoughtsEnd};
  EXPECT_THAT(Behind(tokens), IsEmpty());
  for (const int32_t token : {kStart, 5, kChannel}) tokens.push_back(token);
  const std::set<int32_t> allowed = Behind(tokens);
  EXPECT_EQ(allowed.size(), static_cast<size_t>(kVocab - 1));
  EXPECT_FALSE(allowed.contains(kThoughts));
  for (const int32_t token : {8, kMessage, 1, kThoughts, 2}) {  // another channel's
    tokens.push_back(token);
    EXPECT_THAT(Behind(tokens), IsEmpty());
  }
}

// What ends a message may be what begins the next one.
TEST_F(RecurringThoughts, EndWithEachOfTheirTokens) {
  EXPECT_THAT(Behind({kChannel, kThoughts, kMessage, 1, kStart, 5, 6, 7}), IsEmpty());
  EXPECT_THAT(Behind({kChannel, kThoughts, kMessage, 1, kChannel, 8, kMessage, 2, 3}), IsEmpty());
  EXPECT_THAT(Behind({kChannel, kThoughts, kMessage, 1, kChannel, kThoughts, kMessage, 2, 3}),
              ElementsAre(kThoughtsEnd));
}

TEST_F(RecurringThoughts, BeginWithAllOfTheirTokens) {
  EXPECT_THAT(Behind({kChannel, 8, kThoughts, kMessage, 1, 2, 3}), IsEmpty());
  EXPECT_THAT(Behind({kThoughts, kMessage, 1, 2, 3}), IsEmpty());
  EXPECT_THAT(Behind({kChannel, kChannel, kThoughts, kMessage, 1, 2, 3}),
              ElementsAre(kThoughtsEnd));
}

// Those that the prompt has opened are the first of them.
TEST_F(RecurringThoughts, CountTogetherWithThoseOfThePrompt) {
  params_.set_thoughts_opened(true);
  EXPECT_THAT(Behind({1, 2}), IsEmpty());
  EXPECT_THAT(Behind({1, 2, 3}), ElementsAre(kThoughtsEnd));
  EXPECT_THAT(Behind({1, kThoughtsEnd, kStart, 5, kChannel, kThoughts, kMessage, 2}), IsEmpty());
  EXPECT_THAT(Behind({1, kThoughtsEnd, kStart, 5, kChannel, kThoughts, kMessage, 2, 3}),
              ElementsAre(kThoughtsEnd));
  const std::set<int32_t> allowed = Behind({1, 2, 3, kThoughtsEnd, kStart, 5, kChannel});
  EXPECT_EQ(allowed.size(), static_cast<size_t>(kVocab - 1));
  EXPECT_FALSE(allowed.contains(kThoughts));
}

// Whatever a plan says.
TEST_F(RecurringThoughts, ThatNothingBeginsDoNotRecur) {
  params_.clear_thoughts_begin_tokens();
  params_.set_thoughts_opened(true);
  EXPECT_THAT(Behind({1, 2, 3}), ElementsAre(kThoughtsEnd));
  EXPECT_THAT(Behind({1, kThoughtsEnd, kChannel, 2, 3, 4, 5}), IsEmpty());
}

// A grammar's text cannot begin like thoughts.
TEST_F(RecurringThoughts, ThatHaveBegunAreBegunWholeBeforeAGrammar) {
  params_.set_thoughts_recur(false);
  TokenConstraint constraint(params_, kVocab, Matcher("xy"));
  EXPECT_THAT(Allowed(constraint), ElementsAre('x' - 'a', kChannel));
  constraint.See(kChannel);
  EXPECT_THAT(Allowed(constraint), ElementsAre(kThoughts));
  constraint.See(kThoughts);
  constraint.See(kMessage);
  EXPECT_FALSE(constraint.binds());
  for (const int32_t token : {1, 2, 3}) constraint.See(token);
  EXPECT_THAT(Allowed(constraint), ElementsAre(kThoughtsEnd));
  constraint.See(kThoughtsEnd);
  EXPECT_THAT(Allowed(constraint), ElementsAre('x' - 'a'));
}

TEST(TokenConstraint, EndsWhereTheVocabularyHasNoWayOn) {
  TokenConstraint constraint(Params(), kVocab, Matcher("a#"));
  constraint.See(0);
  EXPECT_THAT(Allowed(constraint), ElementsAre(kEnd));
}

TEST(TokenConstraint, SaysWhetherAnythingIsLeft) {
  TokenConstraint constraint(Params(), kVocab, Matcher("a(b|c)"));
  EXPECT_TRUE(constraint.AllowsOtherThan({}));
  EXPECT_TRUE(constraint.AllowsOtherThan(std::vector<int32_t>{0}));  // "ab" begins with it, too
  EXPECT_FALSE(constraint.AllowsOtherThan(std::vector<int32_t>{0, 26}));
  constraint.See(26);
  EXPECT_FALSE(constraint.AllowsOtherThan(std::vector<int32_t>{kEnd}));
}

TEST(TokenConstraint, SomethingMayComeWhereNoTokenEndsAnAnswer) {
  TokenConstraint constraint({}, kVocab, Matcher("a"));
  constraint.See(0);
  EXPECT_EQ(Allowed(constraint).size(), static_cast<size_t>(kVocab));
}

// An answer of a form is not over before the form has begun.
TEST(SamplingState, ThoughtsBeforeAFormDoNotEndTheAnswer) {
  const auto may_end_in_thoughts = [](std::optional<GrammarMatcher> grammar) {
    v1::SamplingParams params = Params();
    params.set_thoughts_opened(true);
    params.add_thoughts_end_tokens(kThoughtsEnd);
    auto state = SamplingState::Create(params, /*prompt_length=*/1, kVocab);
    SY_CHECK(state.ok());
    state->Bind(TokenConstraint(params, kVocab, std::move(grammar)));
    state->See(0, std::vector<int32_t>{50, 3});
    const auto changes = state->Changes();
    return std::none_of(changes.begin(), changes.end(), [](const auto& change) {
      return change.token == kEnd && std::isinf(change.bias);
    });
  };
  EXPECT_FALSE(may_end_in_thoughts(Matcher("ab")));
  EXPECT_TRUE(may_end_in_thoughts(std::nullopt));
}

// Least lengths and bad words give way to a form that leaves nothing else.
TEST(SamplingState, TheFormGoesFirst) {
  v1::SamplingParams params = Params();
  params.set_min_tokens(5);
  params.add_bad_words()->add_tokens(1);
  auto state = SamplingState::Create(params, /*prompt_length=*/1, kVocab);
  ASSERT_TRUE(state.ok()) << state.status();
  state->Bind(TokenConstraint(params, kVocab, Matcher("a(b|c)b")));
  const auto forbidden = [&] {
    std::set<int32_t> tokens;
    for (const SamplingState::Change& change : state->Changes()) {
      if (std::isinf(change.bias)) tokens.insert(change.token);
    }
    return tokens;
  };
  const auto see = [&](int32_t token, int32_t position) {
    state->See(position, std::vector<int32_t>{token});
  };
  see(50, 0);  // the prompt
  EXPECT_THAT(forbidden(), ElementsAre(1, kEnd));
  see(0, 1);
  EXPECT_THAT(forbidden(), ElementsAre(1, kEnd));  // "c" is left
  see(2, 2);
  EXPECT_THAT(forbidden(), IsEmpty());  // "b" must come
  see(1, 3);
  EXPECT_THAT(forbidden(), IsEmpty());  // and then the end
}

}  // namespace
}  // namespace switchyard::worker
