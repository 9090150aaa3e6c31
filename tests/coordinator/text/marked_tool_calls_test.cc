// Calls between marks: marks within strings, strings that are left open, and what it costs to read
// whatever a model may write.
#include "coordinator/text/marked_tool_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <sstream>

#include "tests/coordinator/text/tool_call_testing.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Around what stands between the marks.
std::string Hermes(const std::string& body) { return "<tool_call>" + body + "</tool_call>"; }
std::string DeepSeek(const std::string& body) {
  return "<｜tool▁call▁begin｜>" + body + "<｜tool▁call▁end｜>";
}
std::string V31(const std::string& arguments) { return DeepSeek("add<｜tool▁sep｜>" + arguments); }
std::string R1(const std::string& arguments) {
  return DeepSeek("function<｜tool▁sep｜>add\n```json\n" + arguments + "\n```");
}

const char* const kGoodHermes = R"(<tool_call>{"name":"add","arguments":{"a":1}}</tool_call>)";

TEST(MarkedCalls, AnEndMarkWithinAStringIsText) {
  const auto call = [](const std::string& value) {
    return R"(<tool_call>{"name":"add","arguments":{"a":")" + value + R"("}}</tool_call>)";
  };
  const std::string mark = "</tool_call>";
  for (const std::string& value :
       std::vector<std::string>{mark, mark + mark, "x" + mark + "y", R"(\")" + mark, R"(\\)",
                                "<tool_call>" + mark + "</tool_cal", "}" + mark + "{"}) {
    const ParsedCalls parsed = ParseCut(ToolFormat::kHermes, "a" + call(value) + call("2") + "b");
    EXPECT_EQ(parsed.content, "ab") << value;
    EXPECT_THAT(parsed.calls, ElementsAre(R"(add {"a":")" + value + R"("})", R"(add {"a":"2"})"));
  }
  // The answer's end cuts the mark off, and a string has one.
  std::string cut = call(mark);
  cut.resize(cut.size() - mark.size());
  EXPECT_THAT(ParseCut(ToolFormat::kHermes, cut).calls, ElementsAre(R"(add {"a":"</tool_call>"})"));
}

// Each of `opens` leaves a string open, before `good`, whose arguments are {"a":1}.
void ExpectOpenStringsCostNoOtherCall(ToolFormat format, const std::vector<std::string>& opens,
                                      const std::string& good) {
  for (const std::string& open : opens) {
    EXPECT_EQ(ParseCut(format, open), ParsedCalls({.content = open, .calls = {}}));
    for (const std::string between : {"", "\nx", " x", R"( 5" wide)", R"( "a", "b")",
                                      R"(", "b": ")", R"(",)", "}}", R"("{)", "</tool_call>"}) {
      SCOPED_TRACE(open + between);
      const std::string text = open + between + good;
      EXPECT_EQ(ParseCut(format, text),
                ParsedCalls({.content = open + between, .calls = {R"(add {"a":1})"}}));
      // It comes when it is whole, not when the answer is.
      const auto parser = MakeToolCallParser(format, OfferedTools());
      EXPECT_EQ(parser->Push(text).calls.size(), 1u);
      // And those between several that are none.
      const ParsedCalls mixed = ParseCut(format, good + open + good + between + open + good);
      EXPECT_EQ(mixed.content, open + between + open);
      EXPECT_EQ(mixed.calls, std::vector<std::string>(3, R"(add {"a":1})"));
    }
  }
}

TEST(MarkedCalls, AnOpenStringOfHermesCostsNoOtherCall) {
  ExpectOpenStringsCostNoOtherCall(
      ToolFormat::kHermes,
      {Hermes(R"({"name":"add","arguments":{"a":"}})"),
       Hermes("{\"name\":\"add\",\"arguments\":{\"a\":\"}}\n"), Hermes(R"({\"name":"add"})"),
       Hermes(R"({")"), Hermes(R"({"a"": "})"), Hermes(R"("{")"),
       Hermes(R"({"name":"add","arguments":{"path":"C:\"}})"),
       Hermes(R"({"name":"add","arguments":{"p":"5" wide"}})"),
       Hermes(R"({"name":"add","arguments":{"p":7" high"}})")},
      kGoodHermes);
}

TEST(MarkedCalls, AnOpenStringOfDeepSeekCostsNoOtherCall) {
  const std::vector<std::string> arguments = {
      R"({"a":"})",        R"({"p":"C:\"})", R"({"p":"5" wide"})",
      R"({"p":7" high"})", R"({")",          R"({"a":"}
)"};
  std::vector<std::string> opens = {DeepSeek(R"("add"<｜tool▁sep｜>{")")};
  for (const std::string& text : arguments) {
    opens.push_back(V31(text));
    opens.push_back(R1(text));
  }
  for (const std::string& good : {V31(R"({"a":1})"), R1(R"({"a":1})")}) {
    ExpectOpenStringsCostNoOtherCall(ToolFormat::kDeepSeek, opens, good);
  }
}

// Without a quote in it nothing shows, until the answer's end, that no string of the first call
// goes on.
TEST(MarkedCalls, ACallWithoutQuotesIsFoundBehindAnOpenString) {
  const std::string open = V31(R"({"p":"C:\"})");
  for (const std::string rest : {"", " \"", "\"]", "\" "}) {
    const ParsedCalls parsed = ParseCut(ToolFormat::kDeepSeek, open + V31("{}") + rest + V31("{}"));
    EXPECT_EQ(parsed.content, open + rest.substr(0, rest.find_last_not_of(' ') + 1));
    EXPECT_THAT(parsed.calls, ElementsAre("add {}", "add {}")) << rest;
  }
}

// A string that the next call's first quote closes may make an object of what comes before.
TEST(MarkedCalls, WhatFollowsAnObjectShowsThatItIsNone) {
  const std::string open = V31(R"({"p":"C:\"})");
  EXPECT_EQ(ParseCut(ToolFormat::kDeepSeek, open + V31(R"({"}":1})")),
            ParsedCalls({.content = open, .calls = {R"(add {"}":1})"}}));
}

// It is one string of one call, of a tool that was not offered.
TEST(MarkedCalls, AWholeCallWithinAStringIsText) {
  const std::string text =
      DeepSeek(R"(write<｜tool▁sep｜>{"text":")" + V31("{}") + R"(","b":[1.5e-3,true,null,{}]})");
  EXPECT_EQ(ParseCut(ToolFormat::kDeepSeek, text), ParsedCalls({.content = text, .calls = {}}));
}

TEST(MarkedCalls, ABeginMarkEndsWhatCameBefore) {
  const std::string good = kGoodHermes;
  EXPECT_EQ(ParseCut(ToolFormat::kHermes, R"(<tool_call>{"name":"add"})" + good),
            ParsedCalls({.content = "", .calls = {"add {}", R"(add {"a":1})"}}));
  for (const std::string text : {"<tool_call>", "I write <tool_call>, then a call:", "<tool_call>{",
                                 R"(<tool_call>{"name":)", "</tool_call>"}) {
    EXPECT_EQ(ParseCut(ToolFormat::kHermes, text + good),
              ParsedCalls({.content = text, .calls = {R"(add {"a":1})"}}));
  }
}

// What is no call comes out as soon as that is known.
TEST(MarkedCalls, ContentDoesNotWaitForTheAnswersEnd) {
  const auto parser = MakeToolCallParser(ToolFormat::kHermes, OfferedTools());
  EXPECT_EQ(parser->Push(R"(<tool_call>{"a")").content, "");
  EXPECT_EQ(parser->Push("b").content, R"(<tool_call>{"a"b)");
  EXPECT_EQ(parser->Push("c <tool_call> ").content, "c");
  EXPECT_EQ(parser->Push("d").content, " <tool_call> d");
}

// The rule, said without a scanner: a call ends at the first mark before which it is well-formed.
bool IsWellFormed(const std::string& body) {
  const size_t begin = body.find('{');
  const size_t end = body.rfind('}');
  if (begin == body.npos || end == body.npos || end < begin) return false;
  return body.find_first_not_of(' ') == begin &&
         body.find_first_not_of(" `", end + 1) == body.npos &&
         Json::accept(body.substr(begin, end + 1 - begin));
}

ParsedCalls ParseByRule(const std::string& text) {
  const std::string begin_mark = "<tool_call>", end_mark = "</tool_call>";
  ParsedCalls parsed;
  for (size_t at = 0; at < text.size();) {
    const std::string rest = text.substr(at);
    size_t size = 0;  // of a call without its end mark
    for (size_t i = begin_mark.size(); rest.starts_with(begin_mark) && i <= rest.size(); ++i) {
      const std::string behind = rest.substr(i);
      const bool is_mark = behind.starts_with(begin_mark) || behind.starts_with(end_mark);
      if (!is_mark && !behind.empty()) continue;
      if (!IsWellFormed(rest.substr(begin_mark.size(), i - begin_mark.size()))) continue;
      size = i;
      break;
    }
    if (size == 0) {
      parsed.content += text[at++];
      continue;
    }
    const auto call =
        ParseJsonCall(rest.substr(begin_mark.size(), size - begin_mark.size()), OfferedTools());
    if (rest.substr(size).starts_with(end_mark)) size += end_mark.size();
    if (call) {
      parsed.calls.push_back(call->name + " " + call->arguments);
    } else {
      parsed.content += rest.substr(0, size);
    }
    at += size;
  }
  return parsed;
}

TEST(MarkedCalls, AreFoundByTheRuleInAnyText) {
  std::istringstream words(R"X(<tool_call> <tool_call> </tool_call> {"name":"add"}
      <tool_call>{"name":"add","arguments":{"a":" "}} "}}</tool_call>
      { } [ ] " " \" : , 1 x ` <)X");
  const std::vector<std::string> parts(std::istream_iterator<std::string>(words), {});
  std::mt19937 random(7);
  size_t num_calls = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (size_t n = 1 + random() % 24; n > 0; --n) text += parts[random() % parts.size()];
    const ParsedCalls parsed = ParseCut(ToolFormat::kHermes, text, /*num_random=*/1);
    ASSERT_EQ(parsed, ParseByRule(text)) << text;
    num_calls += parsed.calls.size();
  }
  EXPECT_GT(num_calls, 500u);
}

// Each of these took minutes when calls were read again from each that was none.
void ExpectLinearTime(ToolFormat format, const std::string& first, const std::string& repeated) {
  std::string text = first;
  while (text.size() < 1'000'000) text += repeated;
  const ParsedCalls whole = ParsePieces(format, {text});
  EXPECT_EQ(ParsePieces(format, CutEvery(text, 8)), whole) << repeated;
  if (repeated == kGoodHermes) {
    EXPECT_EQ(whole.calls.size(), text.size() / repeated.size());
  } else {
    EXPECT_EQ(whole, ParsedCalls({.content = text, .calls = {}})) << repeated;
  }
}

TEST(MarkedCalls, TakeLinearTimeWhateverTheTextIs) {
  for (const std::string repeated :
       {R"(<tool_call>"{"</tool_call>)", R"(<tool_call>{"</tool_call>")",
        R"(<tool_call>{"a":"</tool_call>)", R"(<tool_call>{"a":")", "<tool_call>",
        "<tool_call>{}</tool_call>", kGoodHermes}) {
    ExpectLinearTime(ToolFormat::kHermes, "", repeated);
  }
  ExpectLinearTime(ToolFormat::kHermes, "<tool_call>", R"({"a":)");
  ExpectLinearTime(ToolFormat::kHermes, "<tool_call>{\"a\":", "1");
  // One object of all to the answer's end, and a call in each of its strings.
  ExpectLinearTime(ToolFormat::kHermes, R"(<tool_call>{")", R"(<tool_call>{":"</tool_call>",")");
  ExpectLinearTime(ToolFormat::kDeepSeek, R"(<｜tool▁call▁begin｜>{")", DeepSeek(R"(":{")"));
}

TEST(JsonObjectScanner, SeesWhereAnObjectEndsAndWhereItIsNone) {
  for (const std::string good :
       {R"({})", R"({ "a" : [ 1 , -2.5e+3, "x\"}\\" ] , "b":{"c":null,"":{}}, "d" : [[],[{}]] })",
        R"({"a":true,"a":false})"}) {
    JsonObjectScanner scanner;
    for (size_t i = 0; i < good.size(); ++i) {
      EXPECT_EQ(scanner.Push(good[i]), i + 1 == good.size()) << good.substr(0, i);
      EXPECT_FALSE(scanner.is_broken()) << good.substr(0, i + 1);
    }
  }
  // The last byte shows it, and none before.
  for (const std::string bad :
       {R"({1)",        R"({x)",        R"({,)",         R"({])",         R"({"a"x)",
        R"({"a"")",     R"({"a",)",     R"({"a"})",      R"({"a":})",     R"({"a":,)",
        R"({"a"::)",    R"({"a":1")",   R"({"a":1 2)",   R"({"a":1,})",   R"({"a":1,2)",
        R"({"a":[1})",  R"({"a":[1,])", R"({"a":["b":)", R"({"a":"b" c)", R"({"a":"b":)",
        R"({"a":tru,)", R"({"a":1.e )", R"({"a":<)",     R"({\)",         "{\"a\n",
        R"({"a":"b"")", R"({"a":[]")",  R"({"a":{}[)"}) {
    JsonObjectScanner scanner;
    for (size_t i = 0; i < bad.size(); ++i) {
      EXPECT_FALSE(scanner.is_broken()) << bad;
      scanner.Push(bad[i]);
    }
    EXPECT_TRUE(scanner.is_broken()) << bad;
  }
}

}  // namespace
}  // namespace switchyard::text
