// Grammars that would take more than is granted: refused, by work counted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/text/grammar/regex_parser.h"
#include "coordinator/text/utf8.h"
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
  ExpectTooLarge(CompileRegex("(ab){100000000}"));
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
  // Also in patterns, of single characters.
  for (const auto& counted :
       {CompileRegex(".{800,1200}"), CompileRegex("x[a-z]{1,100000000}-[0-9]{500}"),
        CompileEbnf("root ::= \"'\" [^'\\n]{0,5000} \"'\""),
        Schema(R"({"type": "string", "pattern": "^\\S+$", "maxLength": 2000})"),
        Schema(R"({"type": "string", "pattern": "^[a-z ]+$", "maxLength": 5000})"),
        Schema(R"({"type": "string", "pattern": "^[A-Z]{2}-[a-z ]*$", "minLength": 100})")}) {
    ASSERT_TRUE(counted.ok()) << counted.status();
    EXPECT_LT(counted->may_end().size(), 100u);
  }
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

TEST(GrammarLimits, AlternativesThatSayNothingAreRefusedAtOnce) {
  const auto grammar = Schema(R"({"oneOf": [{})" + Repeat(",{}", 19'999) + "]}");
  EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(grammar.status())),
              HasSubstr("schema #: oneOf: a value may fit both alternative 0 and 1"));
  // Each pair is paid for.
  std::string constants = R"({"const": 0})";
  for (int i = 1; i < 20'000; ++i) constants += fmt::format(R"(,{{"const": {}}})", i);
  ExpectTooLarge(Schema(R"({"oneOf": [)" + constants + "]}"));
}

TEST(GrammarLimits, SetsOfManyCharactersAreSortedOnce) {
  std::string set = "[";
  for (int i = 0; i < 10'000; ++i) AppendUtf8(0x4e00 + 2 * i, set);
  set += "]";
  Budget enough({.work_max = 21'000});
  EXPECT_TRUE(ParseRegex(set, enough).ok());
  Budget less({.work_max = 19'000});
  EXPECT_FALSE(ParseRegex(set, less).ok());
  // So many that work of the square of it would not end.
  std::vector<CodePoints::Range> ranges;
  for (uint32_t c = CodePoints::kMax - 1; c > 0x20000; c -= 2) ranges.push_back({c, c});
  const CodePoints many = CodePoints::Of(ranges);
  EXPECT_EQ(many.ranges().size(), ranges.size());
  EXPECT_EQ(many.Complement().Intersection(many).ranges().size(), 0u);
  EXPECT_EQ(many.Complement().Complement().Intersection(many).ranges().size(), ranges.size());
}

TEST(GrammarLimits, MembersAreFoundByTheirNames) {
  Json schema = {{"type", "object"}, {"additionalProperties", false}};
  for (int i = 0; i < 1'900; ++i) {
    schema["properties"][fmt::format("m{:04}", i)] = {{"type", "null"}};
    schema["required"].push_back(fmt::format("m{:04}", i));
  }
  EXPECT_TRUE(CompileJsonSchema(schema, JsonSpacing::kCompact, {.work_max = 2'000'000}).ok());
}

TEST(GrammarLimits, ChoicesOfBothKindsMultiply) {
  std::string any = "{}";
  for (int i = 1; i < 100'000; ++i) any += ",{}";
  std::string one = "0";
  for (int i = 1; i < 100; ++i) one += fmt::format(R"(}},{{"const":{})", i);
  ExpectTooLarge(Schema(R"({"anyOf":[)" + any + R"(],"oneOf":[{"const":)" + one + "}]}"));
}

TEST(GrammarLimits, ALongNameStandsNotInThePlacesOfAllBelowIt) {
  const auto grammar = Schema(R"({"properties": {")" + Repeat("\u00e9", 100'000) +
                              R"(": {"properties": {"a": {"typo": 1}}}}})");
  EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(grammar.status())), HasSubstr("the word 'typo'"));
  EXPECT_LT(Message(grammar.status()).size(), 1'000u);
  EXPECT_TRUE(IsValidUtf8(Message(grammar.status())));
}

TEST(GrammarLimits, ALongChainOfRulesIsFollowedOrRefused) {
  const auto chain = [](int length) {
    std::string source = "root ::= \"<\" r0 \">\"\n";
    for (int i = 0; i < length; ++i) source += fmt::format("r{} ::= r{} | \"b\"\n", i, i + 1);
    return CompileEbnf(source + fmt::format("r{} ::= \"a\"", length));
  };
  EXPECT_TRUE(Accepts(chain(990), "<a>"));
  EXPECT_TRUE(Accepts(chain(990), "<b>"));
  const auto grammar = chain(8'300);
  EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Message(grammar.status())), HasSubstr("more than 1000 one in the other"));
}

TEST(GrammarLimits, TheLimitsAreTheCallers) {
  EXPECT_TRUE(CompileRegex("([a-z]){1,50}").ok());
  EXPECT_FALSE(CompileRegex("([a-z]x){1,50}", {.states_max = 20}).ok());
  EXPECT_FALSE(CompileRegex("([a-z]x){1,50}", {.work_max = 100}).ok());
  EXPECT_FALSE(CompileRegex("([a-z]x){1,50}", {.source_bytes_max = 5}).ok());
}

}  // namespace
}  // namespace switchyard::text::grammar
