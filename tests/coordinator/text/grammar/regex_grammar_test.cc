// Regular expressions and lists of choices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "tests/coordinator/text/grammar/grammar_testing.h"
#include "tests/coordinator/text/grammar/grammar_walk.h"

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
      {"[[:]+[a:]", {"[:a", "[::"}, {"[", "]:"}},
      {"[[.][x.]", {"[x", ".."}, {"x."}},
      {"\\0x[\\0]", {std::string("\0x\0", 3)}, {"0x0"}},
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
      {"[[:alpha:]]{2}", "byte 1: a named class"},
      {"[^a[:space:]_]", "byte 3: a named class"},
      {"[[.hyphen.]]", "byte 1: a named class"},
      {"[a-[=e=]]", "byte 3: a named class"},
      {"\\07", "byte 1: \\0 before a digit"},
      {"[\\01]", "byte 2: \\0 before a digit"},
  };
  for (const auto& [pattern, message] : cases) {
    const auto grammar = CompileRegex(pattern);
    EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument) << pattern;
    EXPECT_THAT(std::string(Message(grammar.status())), HasSubstr(message)) << pattern;
  }
}

// Repeats that are counted, and such that have to be written out since it is not clear at each byte
// whether they go on.
TEST(RegexGrammar, LongRepeatsOfCharacters) {
  const auto a = [](int count) { return std::string(count, 'a'); };
  const Case cases[] = {
      {"[a-c]{20,40}\\.",
       {a(20) + ".", a(40) + "."},
       {a(19) + ".", a(41) + ".", a(30), a(25) + "d."}},
      {"x?[a-c]{0,30}", {"", "x", a(30), "x" + a(30)}, {a(31), "x" + a(31), "xx"}},
      {"(é|[a-c]{17}|[x-z]{18,})+",
       {a(17), "é" + a(34), "é" + std::string(20, 'x')},
       {a(16), a(18)}},
      {"[a-c]{0,30}[a-z]{0,30}",
       {"", a(60), a(29) + "z" + a(29), "z" + a(29)},
       {a(61), "z" + a(30)}},
      {"[a-c]{20,30}(ab|x)",
       {a(20) + "x", a(20) + "ab", a(30) + "ab"},
       {a(19) + "ab", a(31) + "x"}},
      {"([a-c]{0,20}-?){1,3}", {"", a(60), a(20) + "-" + a(20)}, {a(61), "----"}},
      {"[]{20}|a", {"a"}, {"", "b"}},
      {"[]{0,20}a", {"a"}, {"", "b"}},
  };
  for (const Case& one : cases) {
    const auto grammar = CompileRegex(one.pattern);
    ASSERT_TRUE(grammar.ok()) << one.pattern << ": " << grammar.status();
    for (const auto& text : one.accepted) {
      EXPECT_TRUE(Accepts(grammar, text)) << one.pattern << " refuses " << text;
    }
    for (const auto& text : one.refused) {
      EXPECT_FALSE(Accepts(grammar, text)) << one.pattern << " accepts " << text;
    }
  }
}

TEST(RegexGrammar, MasksOfCountedCharactersAreExact) {
  const std::vector<std::string> pieces = {"aa",
                                           "aaa",
                                           "a.",
                                           "aa.",
                                           "ab",
                                           "aab",
                                           "..",
                                           "a-",
                                           "-a",
                                           "é",
                                           "éé",
                                           "aé",
                                           "\xc3",
                                           "\xa9.",
                                           "\xa9"
                                           "a",
                                           "aaaaaaaa"};
  const auto trie = MakeTrie(pieces);
  const auto ending = static_cast<int32_t>(trie->vocab_size()) - 1;
  for (const char* pattern : {"[a-cé]{17,20}\\.", "[ab]{0,17}", "(é{3,18}-|a{18,})+\\.?",
                              "x?[^x.]{20,}[.]{1,30}", "[ab]{0,18}(ab|\\.)", "([aé]{1,17}-){2}"}) {
    const worker::GrammarMatcher matcher = MakeMatcher(CompileRegex(pattern), trie);
    for (uint32_t seed = 0; seed < 10; ++seed) {
      const std::string text = Walk(matcher, trie, ending, seed).Run();
      ASSERT_FALSE(text.starts_with('!')) << pattern << "\n" << text;
      EXPECT_TRUE(std::regex_match(text, std::regex(pattern)) || text.find("\xc3") != text.npos)
          << pattern << "\n"
          << text;
    }
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
