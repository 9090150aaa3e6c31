// Grammars in GBNF and in Lark's form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/text/grammar/grammar_testing.h"

namespace switchyard::text::grammar {
namespace {

using ::testing::HasSubstr;

void Check(std::string_view source, std::initializer_list<const char*> accepted,
           std::initializer_list<const char*> refused) {
  const auto grammar = CompileEbnf(source);
  ASSERT_TRUE(grammar.ok()) << source << ": " << grammar.status();
  for (const char* text : accepted) EXPECT_TRUE(Accepts(grammar, text)) << source << text;
  for (const char* text : refused) EXPECT_FALSE(Accepts(grammar, text)) << source << text;
}

TEST(EbnfGrammar, GbnfRulesCallEachOther) {
  Check(R"x(# sums
root ::= sum "\n"
sum  ::= term (("+" | "-") term)*   # blanks mean nothing
term ::= [0-9]{1,3}
       | "(" sum ")"
)x",
        {"1\n", "12+(3-456)\n", "((((7))))\n"}, {"1", "1234\n", "(1\n", "+1\n", "1+\n"});
  Check("root ::= \"a\" . [^b-d\\n]? \"é\\x41\\u65e5\"+", {"aXéA日", "abaéA日éA日"},
        {"aéA日", "aXbéA日"});
  Check("root ::= a{2,} a-b\na ::= \"x\"\na-b ::=\n  \"y\" | ()", {"xx", "xxxy"}, {"x", "xxyy"});
}

TEST(EbnfGrammar, RecursionWithoutEndOfDepth) {
  const auto grammar = CompileEbnf("root ::= \"[\" root \"]\" | \"\"");
  const std::string open(5000, '[');
  const std::string close(5000, ']');
  EXPECT_TRUE(Accepts(grammar, open + close));
  EXPECT_FALSE(Accepts(grammar, open + close + "]"));
  EXPECT_FALSE(Accepts(grammar, open + close.substr(1)));
}

TEST(EbnfGrammar, AmbiguousGrammarsFollowAllWays) {
  Check("root ::= a | b\na ::= \"x\" a | \"y\"\nb ::= \"x\" b | \"z\"", {"y", "xxxxz", "xxxxy"},
        {"xxx", "xyz"});
  // Two ways stand in the same state, and return to different ones.
  Check("root ::= p | q\np ::= item \"x\"\nq ::= item \"y\"\nitem ::= [a-z]+ \".\"",
        {"abc.x", "abc.y"}, {"abc.", "abc.z"});
  // Palindromes: where the middle is, is known at the end only.
  Check("root ::= \"a\" root \"a\" | \"b\" root \"b\" | \"\"", {"", "abba", "aabbaa", "abaaba"},
        {"ab", "aba"});
}

TEST(EbnfGrammar, AnAlternativeMayBeEmptyAlsoTheFirst) {
  Check("root ::= \"a\" ws \"b\"\nws ::= | \" \" | \"\\n\" [ \\t]{0,20}", {"ab", "a b", "a\n  b"},
        {"a  b", " ab"});
  Check("root ::= \"a\" tail\ntail ::= | \"b\" tail", {"a", "abbb"}, {"", "ba"});
  Check("root ::= \"a\" ( | \"b\" | ) \"c\"", {"ac", "abc"}, {"abbc"});
  Check("root ::=\n  | \"a\"\n  | \"b\"", {"", "a", "b"}, {"ab"});
  Check("start: \"a\" tail\ntail: | \"b\" tail", {"a", "abb"}, {"b"});
}

TEST(EbnfGrammar, TheFirstRuleSaysWhichFormItIs) {
  Check("# \"root\": a word\n\n  # more\nroot-a ::= \"a\"\nroot ::= root-a", {"a"}, {"b"});
  Check("// a ::= b\nstart: /x::=y/", {"x::=y"}, {"x"});
  Check("start: \"a\" | mark\nmark: /::=/", {"a", "::="}, {"b"});
}

TEST(EbnfGrammar, WhatMayBeEmptyIsRepeatedLikeAnythingElse) {
  Check("root ::= ws* \"a\"\nws ::= \" \"*", {"a", "  a"}, {"", " ", "aa"});
  Check("root ::= (ws | item)* \"!\"\nws ::= \" \"*\nitem ::= [a-c]", {"!", " a  b!", "   !"},
        {"", "d!", "a! "});
  Check("root ::= \"<\" (ws item?)* \">\"\nws ::= [ ]{0,3}\nitem ::= [a-c]",
        {"<>", "< >", "<a   b      c>"}, {"<", "< d>"});
  Check("root ::= a+ \"x\"?\na ::= b b\nb ::= \"\" | c\nc ::= \"y\"{0,2}",
        {"", "x", "yyyyyyy", "yyyyyx"}, {"xx", "xy"});
  // Nothing but the empty text.
  Check("root ::= none* \"a\" none\nnone ::= \"\"", {"a"}, {"", "aa"});
  Check("root ::= none+\nnone ::= \"\" | ()", {""}, {"a"});
  // The whole text may be empty, and calls itself.
  Check("root ::= (\"(\" root* \")\")*", {"", "()", "(())()"}, {"(", ")"});
}

TEST(EbnfGrammar, LarkRulesTerminalsAndRepetition) {
  Check(R"x(// a query
?start: select ("where" condition)? ";" -> query
select: "select " NAME ("," NAME)* " "
condition: " " NAME OP (SIGNED_NUMBER | ESCAPED_STRING)
    | " not" condition
OP.2: "=" | "<>"
NAME: /[a-z_]+/i
%import common.SIGNED_NUMBER
%import common.ESCAPED_STRING
)x",
        {"select A,b_c ;", "select a where x=-1.5e3;", "select a where not not y<>\"q\\\"\";"},
        {"select ;", "select a where x=;", "select a"});
  Check("start: \"ab\"i ~ 2 \"0\"..\"7\" ~ 1..3 [\"x\" /./s]", {"abAB0", "aBAb777x\n"},
        {"ab0", "abab8", "abab0x"});
}

TEST(EbnfGrammar, ARuleThatBeginsWithItselfIsRewrittenWhereItCan) {
  Check("start: start \"+\" INT | start \"-\" INT | INT\n%import common.INT", {"1", "1+2-33+4"},
        {"+1", "1+"});
  const auto circle = CompileEbnf("root ::= a \"x\"\na ::= b \"y\" | \"q\"\nb ::= \"\" a \"z\"");
  EXPECT_THAT(std::string(Message(circle.status())), HasSubstr("begins with itself"));
}

TEST(EbnfGrammar, WhatIsWrongIsNamedWithItsLine) {
  const std::pair<std::string, std::string> cases[] = {
      {"root ::= x", "line 1: there is no rule x"},
      {"a ::= \"x\"", "there is no rule root"},
      {"rule: \"x\"", "there is no rule start"},
      {"root ::= \"x\"\nroot ::= \"y\"", "rule root again"},
      {"root ::= \"x", "a string has no end"},
      {"root ::= (\"x\"", "a group without its )"},
      {"root ::= \"x\" )", "')' is not expected"},
      {"root ::= [a", "a [ without a ]"},
      {"root ::= \"\\q\"", "escape \\q"},
      {"root ::= \"a\"{3,1}", "counts down"},
      {"root ::= \"a\"**", "needs a group"},
      {"root ::= \"a\"{999999999}", "counts too far"},
      {"start: \"x\"\n%ignore WS", "line 2: %ignore is not supported"},
      {"start: \"x\" X\n%import common.X", "this %import"},
      {"start: /a(?=b)/", "look-around"},
      {"root ::= \"a\" root", "no text satisfies rule root"},
      {"root ::= $", "'$' means nothing"},
      {"", "there is no rule start"},
  };
  for (const auto& [source, message] : cases) {
    const auto grammar = CompileEbnf(source);
    EXPECT_EQ(grammar.status().code(), absl::StatusCode::kInvalidArgument) << source;
    EXPECT_THAT(std::string(Message(grammar.status())), HasSubstr(message)) << source;
  }
}

}  // namespace
}  // namespace switchyard::text::grammar
