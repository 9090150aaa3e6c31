// Thoughts, content and the end of an answer, token by token.
#include "coordinator/text/answer_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/text/answer_testing.h"

namespace switchyard::text {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ReasoningMarks, AModelThinksWhenItsTokensAndItsTemplateSaySo) {
  const auto marks = FindReasoningMarks(AnswerTokenizer(), "x{{ '<think>' }}");
  ASSERT_TRUE(marks.has_value());
  EXPECT_EQ(marks->begin, 302);
  EXPECT_EQ(marks->end, 303);
  EXPECT_FALSE(FindReasoningMarks(AnswerTokenizer(), "a template without thoughts").has_value());
  const auto plain = MakeTokenizer(SmallTokenizerJson()).value();
  EXPECT_FALSE(FindReasoningMarks(*plain, "<think>").has_value());
}

TEST(ReasoningMarks, APromptOpensThoughtsOnlyAtItsEnd) {
  const auto at_end = [](std::string_view prompt) {
    return ThoughtsAtEnd(AnswerTokenizer(), kMarks, AnswerIds(prompt));
  };
  EXPECT_EQ(at_end("Hi<think>"), PromptThoughts::kOpened);
  EXPECT_EQ(at_end("Hi<think>\n \n"), PromptThoughts::kOpened);
  EXPECT_EQ(at_end("Hi<think>\n\n</think>\n\n"), PromptThoughts::kClosed);
  EXPECT_EQ(at_end("Think between <think> and </think>. Hi"), PromptThoughts::kNone);
  EXPECT_EQ(at_end("Write <think> first. Hi"), PromptThoughts::kNone);
  EXPECT_EQ(at_end(""), PromptThoughts::kNone);
}

TEST(ReasoningMarks, TheTemplateOrTheModelWritesTheFirst) {
  const auto left_to_model = [](std::string_view source) {
    const ModelChatTemplate chat_template = {.chat = ChatTemplate::Compile(source).value()};
    return LeavesBeginToModel(AnswerTokenizer(), kMarks, chat_template);
  };
  EXPECT_TRUE(left_to_model("Hi"));
  EXPECT_TRUE(left_to_model("{% if not enable_thinking %}<think></think>{% endif %}"));
  EXPECT_FALSE(left_to_model("{% if enable_thinking %}<think>{% endif %}"));
  EXPECT_FALSE(left_to_model("{% if thinking %}<think>\n{% else %}</think>{% endif %}"));
  EXPECT_FALSE(left_to_model("{{ raise_exception('no system message') }}"));
}

TEST(AnswerParser, StopTextsAreLookedForOnceTheAnswerHasItsLeastTokens) {
  for (int32_t min_tokens = 0; min_tokens <= 2; ++min_tokens) {
    EXPECT_EQ(Read("xy xy xy", {.stop = {"y"}, .min_tokens = min_tokens}).content, "x");
  }
  const ReadAnswer later = Read("xy xy xy", {.stop = {"y"}, .min_tokens = 3});
  EXPECT_EQ(later.content, "xy x");
  EXPECT_TRUE(later.ended);
  // One that began before counts, too, when it is whole.
  EXPECT_EQ(Read("xy xy xy", {.stop = {"xy"}, .min_tokens = 5}).content, "xy ");
  EXPECT_EQ(Read("xy xy xy", {.stop = {"xy"}, .min_tokens = 6}).content, "xy xy ");
  EXPECT_EQ(Read("xy xy xy", {.stop = {"y xy x"}, .min_tokens = 7}).content, "x");
  EXPECT_EQ(Read("xy xy xy", {.stop = {"y xy x"}, .min_tokens = 8}).content, "xy xy xy");
  // The end of one that was whole too early may be the begin of the next.
  EXPECT_EQ(Read("aaaa", {.stop = {"aaa"}, .min_tokens = 4}).content, "a");
  EXPECT_EQ(Read("xy xy", {.stop = {"xy"}, .min_tokens = 9}).content, "xy xy");
  const ReadAnswer thoughts =
      Read("<think>xy</think>xy", {.stop = {"y"}, .min_tokens = 5, .reasoning = kMarks});
  EXPECT_EQ(thoughts.reasoning, "xy");
  EXPECT_EQ(thoughts.content, "x");
}

TEST(AnswerParser, PartsThoughtsFromContent) {
  const ReadAnswer answer =
      Read("<think>\nTwo and\ntwo.\n</think>\n\nFour.\n", {.reasoning = kMarks});
  EXPECT_EQ(answer.reasoning, "Two and\ntwo.");
  EXPECT_EQ(answer.content, "Four.\n");
  EXPECT_EQ(answer.num_reasoning_tokens, 2 + int(AnswerIds("\nTwo and\ntwo.\n").size()));
}

TEST(AnswerParser, ThoughtsMayBeginInThePrompt) {
  for (const char* mark : {"", "<think>\n"}) {  // some models write it once more
    const ReadAnswer answer = Read(std::string(mark) + "Hm.\n</think>\n\nYes.",
                                   {.reasoning = kMarks, .reasoning_opened = true});
    EXPECT_EQ(answer.reasoning, "Hm.") << mark;
    EXPECT_EQ(answer.content, "Yes.") << mark;
  }
}

TEST(AnswerParser, LineBreaksInsideATokenGoToo) {
  const ReadAnswer answer = Read({302, 'a', 305, 'b', 305, 303, 'c', 305}, {.reasoning = kMarks});
  EXPECT_EQ(answer.reasoning, "a.\n\nb.");
  EXPECT_EQ(answer.content, "c.\n\n");
}

TEST(AnswerParser, AnAnswerCutInItsThoughtsHasNoContent) {
  const ReadAnswer answer = Read("<think>Two and\n", {.reasoning = kMarks});
  EXPECT_EQ(answer.reasoning, "Two and\n");
  EXPECT_EQ(answer.content, "");
}

TEST(AnswerParser, EmptyThoughtsLeaveNothing) {
  const ReadAnswer answer = Read("<think>\n\n</think>\n\nYes.", {.reasoning = kMarks});
  EXPECT_EQ(answer.reasoning, "");
  EXPECT_EQ(answer.content, "Yes.");
}

TEST(AnswerParser, MarksThatAreNotAtTheBeginningAreText) {
  EXPECT_EQ(Read(" \nA <think> b </think>", {.reasoning = kMarks}).content,
            " \nA <think> b </think>");
  EXPECT_EQ(Read("<think>a</think>b<think>c</think>", {.reasoning = kMarks}).content,
            "b<think>c</think>");
  EXPECT_EQ(Read("</think>b", {.reasoning = kMarks}).content, "</think>b");
  EXPECT_EQ(Read(" \n", {.reasoning = kMarks}).content, " \n");
}

TEST(AnswerParser, LettersThatSpellAMarkAreText) {
  std::vector<int32_t> ids = Ids(AnswerTokenizer(), "<think>a</think>b");
  EXPECT_EQ(Read(ids, {.reasoning = kMarks}).content, "<think>a</think>b");
}

TEST(AnswerParser, AModelThatDoesNotThinkIsLeftAlone) {
  const ReadAnswer answer = Read("<think>a</think>\nb", {});
  EXPECT_EQ(answer.content, "<think>a</think>\nb");
  EXPECT_EQ(answer.num_reasoning_tokens, 0);
}

TEST(AnswerParser, ACharacterBrokenByAMarkIsReplacedWhereItStood) {
  const ReadAnswer answer = Read({302, 'a', 0xe6, 303, 0x97, 'b'}, {.reasoning = kMarks});
  EXPECT_EQ(answer.reasoning, "a\ufffd");
  EXPECT_EQ(answer.content, "\ufffdb");
  EXPECT_EQ(Read({0xe6, 302, 'b'}, {.reasoning = kMarks}).content, "\ufffd<think>b");
}

TEST(AnswerParser, DropsThoughtsThatAreNotWanted) {
  const ReadAnswer answer =
      Read("<think>Hm.</think>Yes.", {.reasoning = kMarks, .include_reasoning = false});
  EXPECT_EQ(answer.reasoning, "");
  EXPECT_EQ(answer.content, "Yes.");
  EXPECT_EQ(answer.num_reasoning_tokens, 5);
}

TEST(AnswerParser, AStopTextEndsThoughtsAndContentAlike) {
  const AnswerForm form = {.stop = {"stop"}, .reasoning = kMarks};
  ReadAnswer answer = Read("<think>one stop two</think>three", form);
  EXPECT_EQ(answer.reasoning, "one ");
  EXPECT_EQ(answer.content, "");
  EXPECT_TRUE(answer.ended);
  answer = Read("<think>one sto</think>p two stop three", form);
  EXPECT_EQ(answer.reasoning, "one sto");
  EXPECT_EQ(answer.content, "p two ");
  EXPECT_TRUE(answer.ended);
  EXPECT_FALSE(Read("<think>one</think>two", form).ended);
}

TEST(AnswerParser, TheFirstCallIsTheLastWhenOnlyOneIsWanted) {
  AnswerForm form = {.tools = ToolFormat::kHermes, .tool_names = {"f"}};
  const std::string text = R"(<tool_call>{"name":"f","arguments":{"a":1}}</tool_call>)"
                           R"(<tool_call>{"name":"f","arguments":{"a":2}}</tool_call>)";
  EXPECT_THAT(Read(text, form).calls, ElementsAre(R"(f {"a":1})", R"(f {"a":2})"));
  form.parallel_tool_calls = false;
  const ReadAnswer answer = Read(text, form);
  EXPECT_THAT(answer.calls, ElementsAre(R"(f {"a":1})"));
  EXPECT_TRUE(answer.ended);
}

TEST(AnswerParser, ToolMarksThatAreSpecialTokensAreSeen) {
  const std::string text = R"(<|python_tag|>{"name":"f","parameters":{}})";
  const AnswerForm form = {.tools = ToolFormat::kLlama, .tool_names = {"f"}};
  EXPECT_THAT(Read(text, form).calls, ElementsAre("f {}"));
  EXPECT_EQ(Read("<|python_tag|>print(1)", form).content, "<|python_tag|>print(1)");
  EXPECT_EQ(Read(text, {}).content, R"({"name":"f","parameters":{}})");
}

TEST(AnswerParser, CallsComeAfterThoughtsOnly) {
  const AnswerForm form = {.reasoning = kMarks, .tools = ToolFormat::kHermes, .tool_names = {"f"}};
  const std::string call = R"(<tool_call>{"name":"f"}</tool_call>)";
  const ReadAnswer answer = Read("<think>" + call + "</think>Now: " + call, form);
  EXPECT_EQ(answer.reasoning, call);
  EXPECT_EQ(answer.content, "Now:");
  EXPECT_THAT(answer.calls, ElementsAre("f {}"));
}

TEST(AnswerParser, AStopTextBehindACallKeepsTheCall) {
  const AnswerForm form = {.stop = {"END"}, .tools = ToolFormat::kHermes, .tool_names = {"f"}};
  ReadAnswer answer = Read(R"(a <tool_call>{"name":"f"}</tool_call>END b)", form);
  EXPECT_THAT(answer.calls, ElementsAre("f {}"));
  EXPECT_EQ(answer.content, "a");
  answer = Read(R"(a <tool_call>{"name":END)", form);
  EXPECT_THAT(answer.calls, IsEmpty());
  EXPECT_EQ(answer.content, R"(a <tool_call>{"name":)");
}

TEST(AnswerParser, TheStopTextIsPartOfTheAnswerWhereThatIsWanted) {
  const AnswerForm form = {.stop = {"END"}, .include_stop = true, .reasoning = kMarks};
  ReadAnswer answer = Read("<think>a</think>b END c", form);
  EXPECT_EQ(answer.reasoning, "a");
  EXPECT_EQ(answer.content, "b END");
  EXPECT_TRUE(answer.ended);
  answer = Read("<think>a END b</think>c", form);
  EXPECT_EQ(answer.reasoning, "a END");
  EXPECT_EQ(answer.content, "");
}

TEST(AnswerParser, SpecialTokensAreTextWhereThatIsWanted) {
  EXPECT_EQ(Read("a<|python_tag|>b", {}).content, "ab");
  EXPECT_EQ(Read("a<|python_tag|>b", {.skip_special = false}).content, "a<|python_tag|>b");
}

}  // namespace
}  // namespace switchyard::text
