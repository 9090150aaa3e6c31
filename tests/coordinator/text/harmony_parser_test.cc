// Answers in channels, through the tokenizer of the bundled gpt-oss.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/text/answer_parser.h"
#include "coordinator/text/chat_template_file.h"
#include "tests/coordinator/text/answer_testing.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;

constexpr char kFolder[] = SWITCHYARD_SOURCE_DIR "/models/tiny-gpt-oss";

const Tokenizer& GptOss() {
  static const Tokenizer* const kTokenizer = Tokenizer::FromFiles(kFolder).value().release();
  return *kTokenizer;
}

HarmonyMarks Marks() {
  return FindHarmonyMarks(GptOss(), LoadChatTemplate(kFolder)->source).value();
}

AnswerForm Form(std::vector<std::string> tools = {}) {
  AnswerForm form{.harmony = Marks()};
  if (!tools.empty()) form.tools = ToolFormat::kHarmony;
  form.tool_names = std::move(tools);
  return form;
}

// The answer as the tokenizer cuts it, and with every character a token of its own or several.
ReadAnswer ReadText(std::string_view text, const AnswerForm& form) {
  const ReadAnswer answer = Read(GptOss(), Ids(GptOss(), text, {.parse_special = true}), form);
  std::vector<int32_t> fine;
  while (!text.empty()) {
    size_t size = text.starts_with("<|") ? text.find("|>") + 2 : 1;
    while (size < text.size() && (text[size] & 0xc0) == 0x80) ++size;
    for (const int32_t id : Ids(GptOss(), text.substr(0, size), {.parse_special = true})) {
      fine.push_back(id);
    }
    text.remove_prefix(size);
  }
  const ReadAnswer again = Read(GptOss(), fine, form);
  EXPECT_EQ(again.reasoning, answer.reasoning);
  EXPECT_EQ(again.content, answer.content);
  EXPECT_EQ(again.calls, answer.calls);
  return answer;
}

TEST(Harmony, ThoughtsAndContentComeByTheirChannels) {
  const ReadAnswer answer = ReadText(
      "<|channel|>analysis<|message|>Two and two: é.<|end|>"
      "<|start|>assistant<|channel|>final<|message|>It is 4.\n<|return|>",
      Form());
  EXPECT_EQ(answer.reasoning, "Two and two: é.");
  EXPECT_EQ(answer.content, "It is 4.\n");
  EXPECT_FALSE(answer.ended);
  const auto thoughts = Ids(GptOss(), "<|channel|>analysis<|message|>Two and two: é.<|end|>",
                            {.parse_special = true});
  EXPECT_EQ(Read(GptOss(), thoughts, Form()).num_reasoning_tokens, std::ssize(thoughts));
  EXPECT_EQ(ReadText("<|channel|>analysis<|message|>cut off", Form()).reasoning, "cut off");
}

TEST(Harmony, MessagesOfOneKindAreJoinedByALineBreak) {
  const ReadAnswer answer = ReadText(
      "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>"
      "I will look.<|end|><|start|>assistant<|channel|>analysis<|message|>b<|end|>"
      "<|start|>assistant<|channel|>final<|message|>Done.<|return|>",
      Form());
  EXPECT_EQ(answer.reasoning, "a\nb");
  EXPECT_EQ(answer.content, "I will look.\nDone.") << "commentary for nobody is content";
}

TEST(Harmony, ACallIsAMessageToAFunction) {
  const char* const kHeads[] = {
      "<|channel|>commentary to=functions.look_up <|constrain|>json<|message|>",
      " to=functions.look_up<|channel|>commentary json<|message|>",
      "<|channel|>analysis to=functions.look_up code<|message|>",
  };
  for (const char* head : kHeads) {
    for (const char* end : {"<|call|>", "", "<|end|><|start|>assistant"}) {
      const std::string text = std::string(
                                   "<|channel|>analysis<|message|>hm<|end|>"
                                   "<|start|>assistant") +
                               head + "{\"city\": \"Ber\\u006cin\"}" + end;
      const ReadAnswer answer = ReadText(text, Form({"look_up"}));
      EXPECT_THAT(answer.calls, ElementsAre("look_up {\"city\": \"Ber\\u006cin\"}")) << text;
      EXPECT_EQ(answer.reasoning, "hm") << text;
      EXPECT_EQ(answer.content, "") << text;
    }
  }
}

TEST(Harmony, WhatIsNoCallIsContent) {
  const std::string head = "<|channel|>commentary to=functions.look_up json<|message|>";
  for (const auto& [body, tools] : {std::pair{"{\"city\": 1}", std::vector<std::string>{"other"}},
                                    {"{\"city\": 1}", {}},
                                    {"{\"city\": ", {"look_up"}},
                                    {"[1]", {"look_up"}}}) {
    const ReadAnswer answer = ReadText(head + body + "<|call|>", Form(tools));
    EXPECT_EQ(answer.content, body);
    EXPECT_THAT(answer.calls, ElementsAre());
  }
}

TEST(Harmony, NothingThatComesWithoutAMessageIsLost) {
  EXPECT_EQ(ReadText("plain text", Form()).content, "plain text");
  EXPECT_EQ(ReadText("", Form()).content, "");
  const std::string longer(300, 'x');
  EXPECT_EQ(ReadText(longer + "<|channel|>final<|message|>y", Form()).content, longer + "\ny");
  EXPECT_EQ(ReadText("<|channel|>final<|message|>a<|end|>b<|end|>c", Form()).content, "a\nb\nc");
  EXPECT_EQ(
      ReadText("<|channel|>final<|message|>a<|channel|>analysis<|message|>b", Form()).reasoning,
      "b");
}

TEST(Harmony, StopTextsHoldWithinAMessage) {
  AnswerForm form = Form({"f"});
  form.stop = {"STOP"};
  const ReadAnswer answer = ReadText(
      "<|channel|>final<|message|>one STO<|end|><|start|>assistant<|channel|>final<|message|>"
      "two STOP three",
      form);
  EXPECT_EQ(answer.content, "one STO\ntwo ");
  EXPECT_TRUE(answer.ended);
  AnswerForm one = Form({"f"});
  one.parallel_tool_calls = false;
  const std::string call = "<|channel|>commentary to=functions.f<|message|>{}<|end|>";
  EXPECT_TRUE(ReadText(call + "<|start|>assistant" + call, one).ended);
  EXPECT_THAT(ReadText(call + "<|start|>assistant" + call, one).calls, ElementsAre("f {}"));
  EXPECT_THAT(ReadText(call + "<|start|>assistant" + call, Form({"f"})).calls,
              ElementsAre("f {}", "f {}"));
}

TEST(Harmony, MarksAreSpecialTokensOfATemplateThatSpeaksOfThem) {
  EXPECT_FALSE(FindHarmonyMarks(GptOss(), "no channels").has_value());
  EXPECT_FALSE(FindHarmonyMarks(AnswerTokenizer(), "<|channel|>").has_value());
  const auto head = ChannelHead(GptOss(), Marks(), kFinalChannel);
  ASSERT_TRUE(head.ok()) << head.status();
  EXPECT_EQ(GptOss().Decode(*head, false), "<|channel|>final<|message|>");
  EXPECT_EQ(FindToolFormat(LoadChatTemplate(kFolder)->source), ToolFormat::kHarmony);
}

TEST(Harmony, APromptMayEndWithinThoughts) {
  const std::vector<int32_t> head = ChannelHead(GptOss(), Marks(), kThoughtsChannel).value();
  const auto ends_within = [&](std::string_view prompt) {
    return EndsWithinMessage(Ids(GptOss(), prompt, {.parse_special = true}), Marks(), head);
  };
  const std::string before = "<|start|>user<|message|>Hi<|end|><|start|>assistant";
  EXPECT_FALSE(ends_within(before));
  EXPECT_FALSE(ends_within(before + "<|channel|>analysis"));
  EXPECT_TRUE(ends_within(before + "<|channel|>analysis<|message|>"));
  EXPECT_TRUE(ends_within(before + "<|channel|>analysis<|message|>Well, analysis"));
  EXPECT_FALSE(ends_within(before + "<|channel|>analysis<|message|>Well.<|end|>"));
  EXPECT_FALSE(ends_within(before + "<|channel|>final<|message|>Well"));
}

}  // namespace
}  // namespace switchyard::text
