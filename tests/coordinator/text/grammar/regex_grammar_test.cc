// Regular expressions and lists of choices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/text/grammar/grammar_testing.h"

namespace switchyard::text::grammar {
namespace {

using ::testing::HasSubstr;

struct Case {
  std::string pattern;
  std::vector<std::string> accepted;
  std::vector<std::string> refused;
};

TEST(RegexGrammar, AcceptsWhatThePatternMatchesFromBeginningToEnd) {
  const Case cases[] = {
      {"abc", {"abc"}, {"", "ab", "abcd"}},
      {"a|bc|", {"a", "bc", ""}, {"b", "abc"}},
      {"(ab)*c+d?", {"c", "ababccd"}, {"ab", "abad", "cdd"}},
      {"[a-c]{2,3}", {"ab", "ccc"}, {"a", "abca", "ad"}},
      {"[^a-c]", {"d", "é", "日", "\n", "😀"}, {"a", "dd", "\xe9", "\xf0\x9f\x98"}},
      {"a{3}", {"aaa"}, {"aa", "aaaa"}},
      {"a{2,}", {"aa", "aaaaaaaa"}, {"a"}},
      {".", {"x", "é"}, {"\n", "\r", "xx", ""}},
      {"^ab$", {"ab"}, {"^ab$", "abb"}},
      {"^(a|b)$|^c", {"a", "c"}, {"ac"}},
      {"\\d+\\.\\d*", {"1.", "12.50"}, {".5", "1"}},
      {"\\w\\W\\s\\S", {"a- b", "_é\u00a0."}, {"--  ", "a- \t"}},
      {"[\\d\\-x]+", {"1-x"}, {"a"}},
      {"[]a]", {}, {"]a", "a", "]"}},
      {"\\u00e9\\x41\\u{1F600}\\ud83d\\ude00", {"éA😀😀"}, {"eA😀😀"}},
      {"[é-ü]", {"é", "ü", "ê"}, {"è", "ý"}},
      {"[\\u0800-\\uffff]", {"\u0800", "日", "\uffff"}, {"\u07ff", "😀", "\xed\xa0\x80"}},
      {"(?:a)(?<name>b)(?P<n>c)", {"abc"}, {"ab"}},
      {"a*?b+?", {"b", "aab"}, {"a"}},
      {"(a*)*b", {"b", "aaab"}, {"a"}},
      {"\\/\\.\\$\\^\\{\\}\\[\\]\\|\\(\\)\\*\\+\\?\\\\", {"/.$^{}[]|()*+?\\"}, {"/"}},
  };
  for (const Case& one : cases) {
    const auto grammar = CompileRegex(one.pattern);
    if (one.accepted.empty()) {
      EXPECT_FALSE(grammar.ok()) << one.pattern << " has a text";
      continue;
    }
    ASSERT_TRUE(grammar.ok()) << one.pattern << ": " << grammar.status();
    for (const auto& text : one.accepted) {
      EXPECT_TRUE(Accepts(grammar, text)) << one.pattern << " refuses " << text;
    }
    for (const auto& text : one.refused) {
      EXPECT_FALSE(Accepts(grammar, text)) << one.pattern << " accepts " << text;
    }
  }
}

TEST(RegexGrammar, SaysWhatItDoesNotSupportAndWhere) {
  const std::pair<std::string, std::string> cases[] = {
      {"a(?=b)", "look-around"},
      {"(?i)a", "(? groups"},
      {"(a)\\1", "byte 4: \\1"},
      {"\\bword", "\\b is not"},
      {"\\p{L}", "\\p is not"},
      {"a(b", "( without a )"},
      {"a)b", ") without a ("},
      {"[ab", "[ without a ]"},
      {"[b-a]", "goes down"},
      {"*a", "nothing to repeat"},
      {"a**", "needs a group"},
      {"a{3,2}", "counts down"},
      {"a{x}", "needs a number"},
      {"a\\", "\\ at the end"},
      {"a^b", "beginning and the end"},
      {"\\ud800", "surrogate"},
      {"\\u{110000}", "no character"},
      {"\xff", "not UTF-8"},
      {"a{999999999999}", "counts too far"},
      {"[\\d-z]", "between classes"},
  };
  for (const auto& [pattern, message] : cases) {
    const auto grammar = CompileRegex(pattern);
    EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument) << pattern;
    EXPECT_THAT(std::string(Message(grammar.status())), HasSubstr(message)) << pattern;
  }
}

TEST(ChoiceGrammar, AcceptsTheChoicesAndNothingElse) {
  const auto grammar = CompileChoice({"yes", "no", "yes, but", "日"});
  for (const char* text : {"yes", "no", "yes, but", "日"}) EXPECT_TRUE(Accepts(grammar, text));
  for (const char* text : {"", "y", "yes,", "nono", "\xe6"}) EXPECT_FALSE(Accepts(grammar, text));
  EXPECT_FALSE(CompileChoice({}).ok());
  EXPECT_FALSE(CompileChoice({"a", ""}).ok());
  EXPECT_FALSE(CompileChoice({"\xff"}).ok());
}

}  // namespace
}  // namespace switchyard::text::grammar
