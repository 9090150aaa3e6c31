// Grammars that would take more than is granted: refused, by work counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/text/grammar/grammar_testing.h"

namespace switchyard::text::grammar {
namespace {

using ::testing::HasSubstr;

void ExpectTooLarge(const absl::StatusOr<v1::Grammar>& grammar) {
  EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument) << grammar.status();
  EXPECT_THAT(std::string(Message(grammar.status())), HasSubstr("too large"));
}

std::string Repeat(const std::string& text, int count) {
  std::string repeated;
  for (int i = 0; i < count; ++i) repeated += text;
  return repeated;
}

TEST(GrammarLimits, NestedCountsAreRefused) {
  ExpectTooLarge(CompileRegex("(((a{1000}b){1000}c){1000}d){1000}"));
  ExpectTooLarge(CompileRegex("a{100000000}"));
  ExpectTooLarge(Schema(R"({"type": "string", "pattern": "^((a{1,999}b){1,999}c){1,999}$"})"));
  ExpectTooLarge(Schema(R"({"type": "string", "pattern": "a", "minLength": 1000000000})"));
}

TEST(GrammarLimits, ADeterministicAutomatonThatExplodesIsRefused) {
  ExpectTooLarge(CompileRegex("(a|b)*a(a|b){24}"));
}

TEST(GrammarLimits, ChoicesThatMultiplyAreRefused) {
  const std::string choice =
      R"({"anyOf": [{"minLength": 1}, {"maxLength": 9}, {"minLength": 2}, {"maxLength": 7}]})";
  std::string all = choice;
  for (int i = 0; i < 30; ++i) all += "," + choice;
  ExpectTooLarge(Schema(R"({"type": "string", "allOf": [)" + all + "]}"));
}

TEST(GrammarLimits, CountsOfItemsAndCharactersCostNothing) {
  const auto grammar = Schema(R"({
    "type": "array", "minItems": 100000, "maxItems": 2000000000,
    "items": {"type": "string", "minLength": 3000000, "maxLength": 4294967294}})");
  ASSERT_TRUE(grammar.ok()) << grammar.status();
  EXPECT_LT(grammar->may_end().size(), 100u);
}

TEST(GrammarLimits, DeepAndLongInputsEnd) {
  EXPECT_FALSE(CompileRegex(Repeat("(", 100'000)).ok());
  EXPECT_FALSE(CompileRegex(Repeat("(", 300) + Repeat(")", 300)).ok());
  EXPECT_FALSE(CompileRegex(Repeat("a", 2'000'000)).ok());
  // A chain of references, each schema in the next.
  std::string definitions = R"("d0": {"type": "null"})";
  for (int i = 1; i < 1'000; ++i) {
    definitions += fmt::format(R"(, "d{}": {{"$ref": "#/$defs/d{}"}})", i, i - 1);
  }
  const auto chain = Schema(R"({"$ref": "#/$defs/d999", "$defs": {)" + definitions + "}}");
  ASSERT_TRUE(chain.ok()) << chain.status();
  EXPECT_TRUE(Accepts(chain, "null"));
}

TEST(GrammarLimits, AConstantIsNotFollowedDownALongChain) {
  std::string definitions = R"("d0": {"type": "null"})";
  for (int i = 1; i < 20'000; ++i) {
    definitions += fmt::format(R"(, "d{}": {{"$ref": "#/$defs/d{}"}})", i, i - 1);
  }
  ExpectTooLarge(
      Schema(R"({"enum": [[null], [1]], "items": {"$ref": "#/$defs/d19999"}, "$defs": {)" +
             definitions + "}}"));
}

TEST(GrammarLimits, TheLimitsAreTheCallers) {
  EXPECT_TRUE(CompileRegex("[a-z]{1,50}").ok());
  EXPECT_FALSE(CompileRegex("[a-z]{1,50}", {.states_max = 20}).ok());
  EXPECT_FALSE(CompileRegex("[a-z]{1,50}", {.work_max = 100}).ok());
  EXPECT_FALSE(CompileRegex("[a-z]{1,50}", {.source_bytes_max = 5}).ok());
}

}  // namespace
}  // namespace switchyard::text::grammar
