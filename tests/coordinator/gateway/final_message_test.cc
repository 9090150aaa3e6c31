// Chats that end with a message which the answer goes on with, and prompts without the beginning of
// an answer, in each dialect that has them.
#include "coordinator/gateway/final_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kMessages = "/v1/messages";

std::string Messages(std::string_view last) {
  return fmt::format(R"("messages":[{{"role":"user","content":"What is the capital?"}},{}])", last);
}
std::string Prefill(std::string_view text) {
  return Messages(fmt::format(R"({{"role":"assistant","content":"{}"}})", text));
}

class FinalMessageTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.context_length = 4096;
    StartHttp();
    SetText(" Cairo.");
  }
  std::string Prompt() {
    return model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  }
  std::string MessageOf(const char* path, const std::string& body) {
    return AskJson(path, body, 400)["error"]["message"];
  }
};

TEST_F(FinalMessageTest, AChatGoesOnWithIt) {
  const std::string body = "{" + Prefill("The capital is") + R"(,"continue_final_message":true)";
  for (const char* more : {"}", R"(,"add_generation_prompt":false})"}) {
    const Json answer = AskJson(kChat, body + more);
    EXPECT_EQ(answer["choices"][0]["message"]["content"], " Cairo.");
    EXPECT_THAT(Prompt(), EndsWith("<｜Assistant｜>The capital is"));
  }
  EXPECT_THAT(MessageOf(kChat, body + R"(,"add_generation_prompt":true})"),
              HasSubstr("contradict"));
  AskJson(kChat, "{" + Prefill("The capital is") + "}");
  EXPECT_THAT(Prompt(), EndsWith("The capital is<｜end▁of▁sentence｜><｜Assistant｜>"));
  AskJson(kChat, "{" + Prefill("The capital is") + R"(,"add_generation_prompt":false})");
  EXPECT_THAT(Prompt(), EndsWith("The capital is<｜end▁of▁sentence｜>"));
}

// The template's own text behind the message, or the same text before it, is not taken for it.
TEST_F(FinalMessageTest, IsCutBehindItsOwnText) {
  for (const char* text : {"e", "capital", "｜", "a b ", "<｜end▁of▁sentence｜>"}) {
    AskJson(kChat, "{" + Prefill(text) + R"(,"continue_final_message":true})");
    EXPECT_THAT(Prompt(), EndsWith(fmt::format("<｜Assistant｜>{}", text)));
  }
}

TEST_F(FinalMessageTest, WhatCannotBeContinuedIsRefused) {
  const std::string calls = Messages(
      R"({"role":"assistant","content":"x","tool_calls":[{"id":"1","type":"function",
          "function":{"name":"f","arguments":"{}"}}]})");
  // This model's template leaves thoughts of former turns out.
  for (const std::string& last : {Prefill(""), Prefill(" "), calls, Prefill("a</think>b")}) {
    EXPECT_THAT(MessageOf(kChat, "{" + last + R"(,"continue_final_message":true})"),
                HasSubstr("the last message cannot be continued"))
        << last;
  }
  EXPECT_EQ(
      AskJson(kChat, "{" + Prefill("a") + R"(,"continue_final_message":1})", 400)["error"]["param"],
      "continue_final_message");
}

TEST_F(FinalMessageTest, AWhiteSpaceThatTheTemplateLeavesOutIsNoneOfIt) {
  const Json messages = Json::parse(R"([{"role":"assistant","content":"\n Hello. \n"}])");
  text::RenderedText rendered;
  rendered.Append("<a>", false);
  rendered.Append("Hello.", true);
  rendered.Append("</a>", false);
  ASSERT_TRUE(CutBehindFinalMessage(messages, &rendered).ok());
  EXPECT_EQ(rendered.Text(), "<a>Hello.");
}

TEST_F(FinalMessageTest, AnthropicsPrefillIsContinued) {
  const auto body = [](const std::string& messages) {
    return R"({"max_tokens":50,)" + messages + "}";
  };
  const Json answer = AskJson(kMessages, body(Prefill("The capital is")));
  EXPECT_EQ(answer["content"][0]["text"], " Cairo.");
  EXPECT_THAT(Prompt(), EndsWith("<｜Assistant｜>The capital is"));
  const int num_counted =
      AskJson("/v1/messages/count_tokens", body(Prefill("The capital is")))["input_tokens"];
  EXPECT_EQ(num_counted, int(engine_->last_request().prompt_tokens.size()));
  AskJson(kMessages, body(Messages(R"({"role":"assistant","content":[
      {"type":"text","text":"The capital"},{"type":"text","text":" is"}]})")));
  EXPECT_THAT(Prompt(), EndsWith("<｜Assistant｜>The capital is"));
  AskJson(kMessages, body(Prefill("")));
  EXPECT_THAT(Prompt(), EndsWith("What is the capital?<｜Assistant｜>"));
  EXPECT_THAT(MessageOf(kMessages, body(Prefill("The capital is "))),
              HasSubstr("'messages[1].content' begins the answer, and must not end with white"));
}

// Joined with what the message has begun, the answer would not be of the form.
TEST_F(FinalMessageTest, AnthropicsPrefillAndAFormExcludeEachOther) {
  constexpr const char* kFormat = R"({"type":"json_schema","schema":{"type":"object"}})";
  const std::string older = fmt::format(R"(,"max_tokens":9,"output_format":{}}})", kFormat);
  const std::string newer =
      fmt::format(R"(,"max_tokens":9,"output_config":{{"format":{}}}}})", kFormat);
  const std::string begun = "{" + Prefill(R"({\"a\":)");
  EXPECT_THAT(MessageOf(kMessages, begun + older), HasSubstr("'output_format' is the form of a"));
  EXPECT_THAT(MessageOf(kMessages, begun + newer),
              HasSubstr("'output_config.format' is the form of a"));
  AskJson(kMessages, "{" + Prefill("") + newer);
  AskJson(kMessages, begun + R"(,"max_tokens":9,"output_config":{"format":null}})");
}

TEST_F(FinalMessageTest, TokenizeRendersAsAChatDoes) {
  const auto prompt = [&](const std::string& more) {
    const Json tokens =
        AskJson("/tokenize", "{" + Prefill("The capital is") + more + "}")["tokens"];
    return model_.tokenizer->Decode(tokens.get<std::vector<int32_t>>(), false);
  };
  EXPECT_THAT(prompt(""), EndsWith("<｜end▁of▁sentence｜><｜Assistant｜>"));
  EXPECT_THAT(prompt(R"(,"add_generation_prompt":false)"),
              EndsWith("The capital is<｜end▁of▁sentence｜>"));
  EXPECT_THAT(prompt(R"(,"continue_final_message":true)"),
              EndsWith("<｜Assistant｜>The capital is"));
  const std::string bos = "<｜begin▁of▁sentence｜>";
  EXPECT_EQ(prompt(R"(,"add_special_tokens":true)"),
            bos + prompt(R"(,"add_special_tokens":false)"));
  EXPECT_EQ(prompt(R"(,"add_special_tokens":false)"), prompt(""));
  const auto param = [&](const std::string& body) {
    return AskJson("/tokenize", body, 400)["error"]["param"];
  };
  EXPECT_EQ(param("{" + Prefill("a") + R"(,"prompt":"a"})"), "prompt");
  EXPECT_EQ(param("{" + Prefill("a") + R"(,"chat_template":"{{ messages }}"})"), "chat_template");
  EXPECT_EQ(param("{" + Prefill("a") + R"(,"add_special_tokens":3})"), "add_special_tokens");
}

}  // namespace
}  // namespace switchyard::gateway
