// Tool calls in the forms of three families: found however the text is cut, and nothing lost where
// there is none.
#include "coordinator/text/tool_call_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/text/tool_call_json.h"
#include "tests/coordinator/text/tool_call_testing.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Parsed = ParsedCalls;

Parsed Parse(ToolFormat format, const std::string& text) { return ParseCut(format, text); }

std::string DeepSeekCall(const std::string& name, const std::string& arguments) {
  return "<｜tool▁call▁begin｜>function<｜tool▁sep｜>" + name + "\n```json\n" + arguments +
         "\n```<｜tool▁call▁end｜>";
}

TEST(DeepSeekCalls, ReadsTheFormOfR1) {
  const Parsed parsed =
      Parse(ToolFormat::kDeepSeek,
            "I look.<｜tool▁calls▁begin｜>" + DeepSeekCall("get_weather", R"({"city": "Wien"})") +
                "\n" + DeepSeekCall("add", R"({"a":1.0,"b":1e5})") + "<｜tool▁calls▁end｜>");
  EXPECT_EQ(parsed.content, "I look.");
  EXPECT_THAT(parsed.calls,
              ElementsAre(R"(get_weather {"city": "Wien"})", R"(add {"a":1.0,"b":1e5})"));
}

TEST(DeepSeekCalls, ReadsTheFormOfV31) {
  const Parsed parsed =
      Parse(ToolFormat::kDeepSeek,
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>{\n\"a\": 1\n}"
            "<｜tool▁call▁end｜><｜tool▁call▁begin｜>add<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
            "<｜tool▁calls▁end｜>");
  EXPECT_EQ(parsed.content, "");
  EXPECT_THAT(parsed.calls, ElementsAre("add {\n\"a\": 1\n}", "add {}"));
}

TEST(DeepSeekCalls, AMemberTwiceStaysAsItIsWritten) {
  EXPECT_THAT(Parse(ToolFormat::kDeepSeek, DeepSeekCall("add", R"({"a":1,"a":2})")).calls,
              ElementsAre(R"(add {"a":1,"a":2})"));
}

TEST(DeepSeekCalls, AFenceInsideAnArgumentIsText) {
  EXPECT_THAT(Parse(ToolFormat::kDeepSeek, DeepSeekCall("add", R"({"a":"```json\n1```"})")).calls,
              ElementsAre(R"(add {"a":"```json\n1```"})"));
}

TEST(DeepSeekCalls, AnEndMarkInsideAnArgumentIsText) {
  EXPECT_THAT(
      Parse(ToolFormat::kDeepSeek, DeepSeekCall("add", R"({"a":"<｜tool▁call▁end｜>"})")).calls,
      ElementsAre(R"(add {"a":"<｜tool▁call▁end｜>"})"));
}

TEST(DeepSeekCalls, WhatIsNoCallIsContentToTheByte) {
  for (const std::string& text : {
           "<｜tool▁calls▁begin｜> <｜tool▁calls▁end｜>" + std::string(),
           "<｜tool▁calls▁begin｜>" + DeepSeekCall("unknown", "{}") + "<｜tool▁calls▁end｜> ",
           "a " + DeepSeekCall("add", "[1]") + " b",
           DeepSeekCall("add", R"({"a":)"),
           std::string("<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{\"a\""),
           std::string("<｜tool▁call▁begin｜>{}<｜tool▁call▁end｜>"),
           std::string("<｜tool▁ca"),
           std::string("<｜tool▁calls▁begin｜>"),
           std::string(" plain text \n"),
       }) {
    const Parsed parsed = Parse(ToolFormat::kDeepSeek, text);
    EXPECT_EQ(parsed.content, text);
    EXPECT_THAT(parsed.calls, IsEmpty());
  }
}

TEST(DeepSeekCalls, AWrongCallBesideARightOneIsContent) {
  const Parsed parsed =
      Parse(ToolFormat::kDeepSeek, "<｜tool▁calls▁begin｜>" + DeepSeekCall("add", "{}") + "\n" +
                                       DeepSeekCall("add", "{") + "<｜tool▁calls▁end｜>");
  EXPECT_THAT(parsed.calls, ElementsAre("add {}"));
  EXPECT_EQ(parsed.content, "\n" + DeepSeekCall("add", "{") + "<｜tool▁calls▁end｜>");
  EXPECT_EQ(
      Parse(ToolFormat::kDeepSeek, DeepSeekCall("add", "{}") + "<｜tool▁calls▁begin｜>").content,
      "<｜tool▁calls▁begin｜>");
}

TEST(HermesCalls, ReadsCallsAndTheTextBeforeThem) {
  const Parsed parsed = Parse(
      ToolFormat::kHermes,
      "Let me see.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Wien\"}}\n"
      "</tool_call>\n<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": "
      "12345678901234567890}}\n"
      "</tool_call>\n");
  EXPECT_EQ(parsed.content, "Let me see.");
  EXPECT_THAT(parsed.calls,
              ElementsAre(R"(get_weather {"city": "Wien"})", R"(add {"a": 12345678901234567890})"));
}

TEST(HermesCalls, ReadsArgumentsHoweverTheyAreGiven) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"name":"add"})", "add {}"},
      {R"({"name":"add","arguments":null})", "add {}"},
      {R"({"name":"add","arguments":"{\"a\":1}"})", R"(add {"a":1})"},
      {R"({"arguments":{"arguments":{"x":"}"}},"name":"add"})", R"(add {"arguments":{"x":"}"}})"},
      {R"({"name":"add","note":"arguments","arguments" : {"a":[{"b":"\"}"}]} })",
       R"(add {"a":[{"b":"\"}"}]})"},
      {R"({"x":{"arguments":{"a":2}},"name":"add","arguments":{"a":1}})", R"(add {"a":1})"},
      {R"({"name":"add","argument\u0073":{"a":1}})", R"(add {"a":1})"},
      {R"({"id":"1","type":"function","name":"add","parameters":{"a":1}})", R"(add {"a":1})"},
      {R"({"name":"add","arguments":{"a":1,"a":2}})", R"(add {"a":1,"a":2})"},  // as it is written
      {R"({"name":"add","arguments":7,"arguments":{"a":2}})", R"(add {"a":2})"},
  };
  for (const auto& [text, call] : cases) {
    EXPECT_THAT(
        Parse(ToolFormat::kHermes, "<tool_call>" + std::string(text) + "</tool_call>").calls,
        ElementsAre(call))
        << text;
  }
}

TEST(ToolCallArguments, OfAMemberTwiceTheLastCounts) {
  EXPECT_EQ(ParseArguments(R"({"a":1,"b":2,"a":[3]})").value().dump(), R"({"a":[3],"b":2})");
  const std::string deepest = std::string(kMaxJsonDepth, '[') + std::string(kMaxJsonDepth, ']');
  EXPECT_TRUE(ParseArguments(deepest).ok());
  EXPECT_FALSE(ParseArguments("[" + deepest + "]").ok());
  for (const char* text : {"", "{", "{} x", R"({"a":})"}) EXPECT_FALSE(ParseArguments(text).ok());
}

TEST(HermesCalls, ACallThatOnlyMissesItsEndMarkCounts) {
  EXPECT_THAT(Parse(ToolFormat::kHermes, R"(<tool_call>{"name":"add"} )").calls,
              ElementsAre("add {}"));
}

TEST(HermesCalls, WhatIsNoCallIsContentToTheByte) {
  for (const std::string text :
       {"<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":", "<tool_call>{}</tool_call>\n",
        "<tool_call>{\"name\":\"unknown\"}</tool_call>", "<tool_call>{\"name\":7}</tool_call> x",
        "<tool_call>{\"name\":\"add\",\"arguments\":[]}</tool_call>",
        "<tool_call>{\"name\":\"add\",\"arguments\":\"a\"}</tool_call>",
        "<tool_call>[{\"name\":\"add\"}]</tool_call>", "</tool_call>", "<tool_call", "a < b <tool>",
        "<tool_call></tool_call>"}) {
    const Parsed parsed = Parse(ToolFormat::kHermes, text);
    EXPECT_EQ(parsed.content, text);
    EXPECT_THAT(parsed.calls, IsEmpty());
  }
}

TEST(HermesCalls, TextBehindACallIsKept) {
  const Parsed parsed =
      Parse(ToolFormat::kHermes, R"(<tool_call>{"name":"add"}</tool_call> and more)");
  EXPECT_EQ(parsed.content, " and more");
}

TEST(LlamaCalls, ReadsBareObjects) {
  for (const char* tag : {"", "<|python_tag|>", "\n<|python_tag|> "}) {
    const Parsed parsed =
        Parse(ToolFormat::kLlama,
              std::string(tag) +
                  R"({"name": "get_weather", "parameters": {"city": "{Wien"}}; {"type":"function",)"
                  R"("name":"add","parameters":{}})");
    EXPECT_EQ(parsed.content, "") << tag;
    EXPECT_THAT(parsed.calls, ElementsAre(R"(get_weather {"city": "{Wien"})", "add {}")) << tag;
  }
}

TEST(LlamaCalls, OtherAnswersAreContentToTheByte) {
  for (const std::string text :
       {"Hello {\"name\":\"add\"}", " \n text", "{\"answer\": 42} is JSON", "{\"name\":\"Bob\"}",
        "{\"name\":\"add\"", "<|python_tag|>print(1)", "<|python", "<|pyt hon|>", "", "  ",
        "; {\"name\":\"add\"}", "{]}", "[1]"}) {
    const Parsed parsed = Parse(ToolFormat::kLlama, text);
    EXPECT_EQ(parsed.content, text);
    EXPECT_THAT(parsed.calls, IsEmpty());
  }
}

TEST(LlamaCalls, WhatFollowsACallIsContent) {
  Parsed parsed = Parse(ToolFormat::kLlama, R"({"name":"add"} done)");
  EXPECT_THAT(parsed.calls, ElementsAre("add {}"));
  EXPECT_EQ(parsed.content, " done");
  parsed = Parse(ToolFormat::kLlama, R"({"name":"add"}; {"name":"nobody"})");
  EXPECT_THAT(parsed.calls, ElementsAre("add {}"));
  EXPECT_EQ(parsed.content, R"(; {"name":"nobody"})");
  EXPECT_EQ(Parse(ToolFormat::kLlama, R"({"name":"add"} <|pyth)").content, " <|pyth");
}

TEST(ToolFormats, AreToldFromTheTemplate) {
  EXPECT_EQ(FindToolFormat("'<｜tool▁call▁begin｜>' ... '```json'"), ToolFormat::kDeepSeek);
  EXPECT_EQ(FindToolFormat("'<｜tool▁call▁begin｜>' ..."), ToolFormat::kDeepSeekV31);
  EXPECT_EQ(ParseToolFormat("deepseek_v31").value(), ToolFormat::kDeepSeekV31);
  EXPECT_EQ(FindToolFormat("inside <tool_call></tool_call> tags"), ToolFormat::kHermes);
  EXPECT_EQ(FindToolFormat("Environment: ipython\n"), ToolFormat::kLlama);
  EXPECT_EQ(FindToolFormat("{{ messages }}"), std::nullopt);
  EXPECT_EQ(ParseToolFormat("hermes").value(), ToolFormat::kHermes);
  EXPECT_EQ(ParseToolFormat("mistral").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace switchyard::text
