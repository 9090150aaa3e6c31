#include "coordinator/text/pretokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Pieces(const std::vector<SplitSpec>& splits, std::string_view text,
                                bool is_start = true) {
  const auto pretokenizer = Pretokenizer::Create(splits);
  EXPECT_TRUE(pretokenizer.ok()) << pretokenizer.status();
  std::vector<std::string> pieces;
  RegexScratch scratch;
  const auto read = [&](std::string_view piece) { pieces.emplace_back(piece); };
  const absl::Status status = pretokenizer->ForEachPiece(text, is_start, scratch, read);
  EXPECT_TRUE(status.ok()) << status;
  return pieces;
}

SplitSpec Split(std::string regex, SplitBehavior behavior = SplitBehavior::kIsolated,
                bool invert = false) {
  return {.pattern = {.text = std::move(regex), .is_regex = true},
          .behavior = behavior,
          .invert = invert};
}

// The expectations of the next two tests are what the reference implementation gives.
TEST(Pretokenizer, EachBehaviourPlacesTheMatchElsewhere) {
  const auto cut = [](SplitBehavior behavior) {
    return Pieces({Split("[-+]", behavior)}, "-a--b+c-");
  };
  EXPECT_THAT(cut(SplitBehavior::kIsolated), ElementsAre("-", "a", "-", "-", "b", "+", "c", "-"));
  EXPECT_THAT(cut(SplitBehavior::kRemoved), ElementsAre("a", "b", "c"));
  EXPECT_THAT(cut(SplitBehavior::kMergedWithPrevious), ElementsAre("-", "a-", "-", "b+", "c-"));
  EXPECT_THAT(cut(SplitBehavior::kMergedWithNext), ElementsAre("-a", "-", "-b", "+c", "-"));
  EXPECT_THAT(cut(SplitBehavior::kContiguous), ElementsAre("-", "a", "--", "b", "+", "c", "-"));
}

TEST(Pretokenizer, InvertSwapsMatchedAndUnmatchedText) {
  const auto cut = [](SplitBehavior behavior) {
    return Pieces({Split("[-+]", behavior, true)}, "-a--b+c-");
  };
  EXPECT_THAT(cut(SplitBehavior::kIsolated), ElementsAre("-", "a", "-", "-", "b", "+", "c", "-"));
  EXPECT_THAT(cut(SplitBehavior::kRemoved), ElementsAre("-", "-", "-", "+", "-"));
  EXPECT_THAT(cut(SplitBehavior::kMergedWithPrevious), ElementsAre("-a", "-", "-b", "+c", "-"));
  EXPECT_THAT(cut(SplitBehavior::kMergedWithNext), ElementsAre("-", "a-", "-", "b+", "c-"));
  EXPECT_THAT(cut(SplitBehavior::kContiguous), ElementsAre("-", "a", "--", "b", "+", "c", "-"));
}

TEST(Pretokenizer, AStringPatternIsNoRegex) {
  EXPECT_THAT(Pieces({{.pattern = {.text = "a.", .is_regex = false}}}, "a.aba."),
              ElementsAre("a.", "ab", "a."));
}

TEST(Pretokenizer, EachSplitSeesOnlyItsPiece) {
  // Alone, the lookahead would see the digit and give back one space.
  EXPECT_THAT(Pieces({Split(R"(\s+(?!\S)|\s+)")}, "   1"), ElementsAre("  ", " ", "1"));
  EXPECT_THAT(Pieces({Split("1"), Split(R"(\s+(?!\S)|\s+)")}, "   1"), ElementsAre("   ", "1"));
}

TEST(Pretokenizer, AnEmptyMatchNeitherLoopsNorMakesAPiece) {
  EXPECT_THAT(Pieces({Split("x*")}, "axxb"), ElementsAre("a", "xx", "b"));
  EXPECT_THAT(Pieces({Split("")}, "aé"), ElementsAre("a", "é"));
  EXPECT_THAT(Pieces({Split("x*", SplitBehavior::kMergedWithPrevious)}, "axxb"),
              ElementsAre("axx", "b"));
  EXPECT_THAT(Pieces({Split("x")}, ""), IsEmpty());
}

TEST(Pretokenizer, APrefixSpaceGoesBeforeEachPieceThatHasNone) {
  const SplitSpec prefix{.has_pattern = false, .prefix_space = PrefixSpace::kAlways};
  EXPECT_THAT(Pieces({prefix}, "ab"), ElementsAre(" ab"));
  EXPECT_THAT(Pieces({prefix}, " ab"), ElementsAre(" ab"));
  EXPECT_THAT(Pieces({Split("1"), prefix}, "a1b"), ElementsAre(" a", " 1", " b"));
}

TEST(Pretokenizer, OnlyThePieceThatTheTextBeginsWithIsTheFirst) {
  const SplitSpec first{.has_pattern = false, .prefix_space = PrefixSpace::kFirst, .space = "_"};
  EXPECT_THAT(Pieces({Split("1"), first}, "a1 b"), ElementsAre("_a", "1", "_b"));
  EXPECT_THAT(Pieces({Split(" ", SplitBehavior::kRemoved), first}, " a"), ElementsAre("a"));
  EXPECT_THAT(Pieces({first}, "a b", /*is_start=*/false), ElementsAre("a_b"));
}

TEST(Pretokenizer, NoSplitsLeaveTheTextWhole) {
  EXPECT_THAT(Pieces({}, "a b"), ElementsAre("a b"));
}

// Where Oniguruma, for which the patterns are written, and PCRE2 disagree.
TEST(OnigPatterns, ClassesMeanWhatOnigurumaMeans) {
  // U+180E is no white space, U+0085 is, U+001C is not.
  EXPECT_THAT(Pieces({Split(R"(\s)")}, "a\u180eb\u0085c\x1c"),
              ElementsAre("a\u180eb", "\u0085", "c\x1c"));
  EXPECT_THAT(Pieces({Split(R"([\s1])")}, "a\u180e1"), ElementsAre("a\u180e", "1"));
  EXPECT_THAT(Pieces({Split(R"([^\S1]+)")}, "a \u180e"), ElementsAre("a", " ", "\u180e"));
  // A combining mark is a word character, a superscript two is not, a circled letter is.
  EXPECT_THAT(Pieces({Split(R"(\w+)")}, "e\u0301²\u24b6"), ElementsAre("e\u0301", "²", "\u24b6"));
  EXPECT_THAT(Pieces({Split(R"(\h+)")}, "x1fz "), ElementsAre("x", "1f", "z "));
  EXPECT_THAT(Pieces({Split(R"(\v)")}, "a\x0b\x0c"), ElementsAre("a", "\x0b", "\x0c"));
}

TEST(OnigPatterns, DollarStandsAtEveryLinesEnd) {
  EXPECT_THAT(Pieces({Split(R"(\s+$)")}, "a  \nb  "), ElementsAre("a", "  ", "\nb", "  "));
  EXPECT_THAT(Pieces({Split(R"(^.)")}, "ab\ncd"), ElementsAre("a", "b\n", "c", "d"));
  EXPECT_THAT(Pieces({Split(R"((?m)b.c)")}, "ab\ncd"), ElementsAre("a", "b\nc", "d"));
}

TEST(OnigPatterns, IgnoringCaseKnowsTheLongS) {
  EXPECT_THAT(Pieces({Split(R"((?i:'s|'ll))")}, "a'ſ'LLs"), ElementsAre("a", "'ſ", "'LL", "s"));
}

TEST(OnigPatterns, WhatHasNoSureCounterpartIsRefusedByName) {
  for (const char* pattern : {R"(\bword)", "[a[bc]]", "[a-z&&[^b]]", R"(a{2}+)", "a{,3}",
                              R"(\g<1>)", "(?~ab)", "[]a]", R"(\R)", "(*FAIL)", R"([\W])", "a\\"}) {
    const auto made = Pretokenizer::Create({Split(pattern)});
    ASSERT_FALSE(made.ok()) << pattern;
    EXPECT_EQ(made.status().code(), absl::StatusCode::kUnimplemented) << pattern;
    EXPECT_THAT(std::string(Message(made.status())), testing::HasSubstr("at byte")) << pattern;
  }
}

TEST(OnigPatterns, ABrokenPatternSaysWhere) {
  for (const char* pattern : {"(a", "[a", R"(\p{NoSuchThing})", "a{3,1}", "*a"}) {
    const auto made = Pretokenizer::Create({Split(pattern)});
    ASSERT_FALSE(made.ok()) << pattern;
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << pattern;
  }
}

TEST(Regex, ASearchThatExplodesGivesUp) {
  const auto pretokenizer = Pretokenizer::Create({Split("(?:a|aa)+$")});
  ASSERT_TRUE(pretokenizer.ok()) << pretokenizer.status();
  RegexScratch scratch;
  const absl::Status status = pretokenizer->ForEachPiece(std::string(200, 'a') + "!", true, scratch,
                                                         [](std::string_view) {});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
}

// A run of spaces that does not end its line, under DeepSeek-V2's pattern: quadratic if each space
// is tried.
TEST(Regex, TrailingSpaceIsFoundInLinearTime) {
  const std::string text = std::string(1 << 20, ' ') + "1";
  EXPECT_EQ(Pieces({Split(R"(\s+$)")}, text).size(), 1u);
  EXPECT_THAT(Pieces({Split(R"(\s+$)")}, "  \n \n a \n"), ElementsAre("  \n ", "\n a", " \n"));
}

}  // namespace
}  // namespace switchyard::text
