// What clients send back of a model's former turns, as its template sees it: the same in each
// dialect.
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kMessages = "/v1/messages";
constexpr const char* kResponses = "/v1/responses";

class FormerTurnsTest : public ApiFixture {
 protected:
  void Start() {
    model_.context_length = 4096;
    StartHttp();
    SetText("x");
  }
  void StartWithTemplate(std::string_view source) {
    template_ = std::make_unique<text::ModelChatTemplate>(text::ModelChatTemplate{
        .chat = text::ChatTemplate::Compile(source).value(), .source = std::string(source)});
    model_.chat_template = template_.get();
    Start();
  }
  std::string Prompt(const char* path, const std::string& body) {
    AskJson(path, body);
    return model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  }
  // What a chat makes of an assistant's message between a question and a tool's result.
  std::string PromptOfChat(std::string_view message) {
    return Prompt(kChat, fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}},{},
        {{"role":"tool","tool_call_id":"1","content":"found"}}]}})",
                                     message));
  }
  // What Messages make of such a message's blocks.
  std::string PromptOfBlocks(std::string_view blocks) {
    return Prompt(kMessages,
                  fmt::format(R"({{"max_tokens":5,"messages":[{{"role":"user","content":"Hi"}},
        {{"role":"assistant","content":[{}]}},
        {{"role":"user","content":[
            {{"type":"tool_result","tool_use_id":"1","content":"found"}}]}}]}})",
                              blocks));
  }
  // What Responses make of such items.
  std::string PromptOfItems(std::string_view items) {
    return Prompt(kResponses, fmt::format(R"({{"input":[{{"role":"user","content":"Hi"}},{},
        {{"type":"function_call_output","call_id":"1","output":"found"}}]}})",
                                          items));
  }

 private:
  std::unique_ptr<const text::ModelChatTemplate> template_;
};

constexpr const char* kChatCalls = R"("tool_calls":[{"id":"1","type":"function",
    "function":{"name":"look_up","arguments":"{\"key\":\"a\"}"}}])";
constexpr const char* kBlock =
    R"({"type":"tool_use","id":"1","name":"look_up","input":{"key":"a"}})";
constexpr const char* kItem =
    R"({"type":"function_call","call_id":"1","name":"look_up","arguments":"{\"key\":\"a\"}"})";

// DeepSeek-R1's template writes the content or, where that is none, the calls; gpt-oss' looks into
// every content that is there.
TEST_F(FormerTurnsTest, CallsAloneHaveNoContent) {
  StartWithTemplate(
      "{% for m in messages %}{{ '<' + m['role'] + '>' }}"
      "{% if 'content' in m and '</think>' in m.content %}{{ raise_exception('!') }}{% endif %}"
      "{% if m['content'] is none %}{% for call in m['tool_calls'] %}"
      "{{ call['function']['name'] + call['function']['arguments'] }}"
      "{% endfor %}{% else %}{{ '' + m['content'] }}{% endif %}{% endfor %}");
  const std::string want = R"(<user>Hi<assistant>look_up{"key":"a"}<tool>found)";
  EXPECT_EQ(PromptOfChat(fmt::format(R"({{"role":"assistant","content":null,{}}})", kChatCalls)),
            want);
  EXPECT_EQ(PromptOfChat(fmt::format(R"({{"role":"assistant",{}}})", kChatCalls)), want);
  EXPECT_EQ(PromptOfBlocks(kBlock), want);
  EXPECT_EQ(PromptOfItems(kItem), want);
  const std::string empty = R"({"role":"assistant","content":""},)";
  EXPECT_EQ(PromptOfItems(empty + kItem), want);
}

// What the OpenAI client's own type of an answer becomes when it is sent back: what it does not
// have is null. Templates ask whether a member is there.
constexpr const char* kAbsent = R"("refusal":null,"annotations":null,"audio":null,
    "function_call":null,"reasoning_content":null,"name":null)";

TEST_F(FormerTurnsTest, MembersOfNullAndNoCallsAreAbsent) {
  StartWithTemplate(
      "{% for m in messages %}<{{ m.keys() | sort | join(' ') }}>"
      "{% if m.tool_calls is defined %}{{ m.tool_calls | length }}{% endif %}{% endfor %}");
  const std::string want = "<content role><content role><content role tool_call_id>";
  for (const char* calls : {"null", "[]"}) {
    EXPECT_EQ(PromptOfChat(fmt::format(R"({{"role":"assistant","content":"x","tool_calls":{},{}}})",
                                       calls, kAbsent)),
              want)
        << calls;
  }
  EXPECT_EQ(PromptOfChat(
                fmt::format(R"({{"role":"assistant","content":null,{},{}}})", kAbsent, kChatCalls)),
            "<content role><role tool_calls>1<content role tool_call_id>");
}

// Llama's template takes whatever has such a member for a call.
TEST_F(FormerTurnsTest, AnAnswerGoesBackAsTheClientHoldsIt) {
  UseModel("tiny-llama");
  Start();
  const auto prompt = [&](std::string_view more) {
    return Prompt(kChat, fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}},
        {{"role":"assistant","content":"Hello."{}}},{{"role":"user","content":"Go on."}}]}})",
                                     more));
  };
  const std::string want = prompt("");
  for (const char* calls : {"null", "[]"}) {
    EXPECT_EQ(prompt(fmt::format(R"(,"tool_calls":{},{})", calls, kAbsent)), want) << calls;
  }
}

TEST_F(FormerTurnsTest, WhatIsNoListOfCallsIsRefused) {
  Start();
  for (const char* calls : {"{}", "0", "\"\"", "false"}) {
    const Json error = AskJson(kChat,
                               fmt::format(R"({{"messages":[
        {{"role":"assistant","content":"x","tool_calls":{}}}]}})",
                                           calls),
                               400);
    EXPECT_EQ(error["error"]["param"], "messages[0].tool_calls") << calls;
  }
}

}  // namespace
}  // namespace switchyard::gateway
