// What clients send back of a model's former turns, as its template sees it: the same in each
// dialect.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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

// --- Thoughts: Qwen3's template writes those behind the user's last question again
// ----------------

class FormerThoughtsTest : public FormerTurnsTest {
 protected:
  void SetUp() override {
    UseModel("tiny-qwen3-moe");
    Start();
  }
  static std::string Thinking(std::string_view text) {
    return fmt::format(R"({{"type":"thinking","thinking":"{}","signature":""}},)", text);
  }
  static std::string Reasoning(std::string_view text) {
    return fmt::format(R"({{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":null,
        "content":[{{"type":"reasoning_text","text":"{}"}}]}},)",
                       text);
  }
};

TEST_F(FormerThoughtsTest, StayBesideACallInEachDialect) {
  const std::string want = PromptOfChat(fmt::format(
      R"({{"role":"assistant","content":null,"reasoning_content":"I look.",{}}})", kChatCalls));
  EXPECT_THAT(want, HasSubstr("<think>\nI look.\n</think>\n\n<tool_call>"));
  EXPECT_EQ(PromptOfBlocks(Thinking("I look.") + kBlock), want);
  EXPECT_EQ(PromptOfItems(Reasoning("I look.") + kItem), want);
  // What has been redacted, or left out, is not thought.
  EXPECT_EQ(PromptOfBlocks(R"({"type":"redacted_thinking","data":"x"},)" + Thinking("I look.") +
                           Thinking("") + kBlock),
            want);
  EXPECT_EQ(PromptOfItems(Reasoning("I look.") + R"({"type":"reasoning","summary":[
                {"type":"summary_text","text":"x"}]},)" +
                          kItem),
            want);
  // Several are a line each.
  const std::string joined = PromptOfChat(fmt::format(
      R"({{"role":"assistant","content":null,"reasoning_content":"I\nlook.",{}}})", kChatCalls));
  EXPECT_EQ(PromptOfBlocks(Thinking("I") + Thinking("look.") + kBlock), joined);
  EXPECT_EQ(PromptOfItems(Reasoning("I") + Reasoning("look.") + kItem), joined);
}

TEST_F(FormerThoughtsTest, StayBesideATextAndItsCall) {
  const std::string want = PromptOfChat(fmt::format(
      R"({{"role":"assistant","content":"One moment.","reasoning_content":"I look.",{}}})",
      kChatCalls));
  EXPECT_THAT(want, HasSubstr("<think>\nI look.\n</think>\n\nOne moment.\n<tool_call>"));
  EXPECT_EQ(
      PromptOfBlocks(Thinking("I look.") + R"({"type":"text","text":"One moment."},)" + kBlock),
      want);
  const std::string text = R"({"role":"assistant","content":"One moment."},)";
  EXPECT_EQ(PromptOfItems(Reasoning("I look.") + text + kItem), want);
}

TEST_F(FormerThoughtsTest, StayInAResponseThatIsGoneOnFrom) {
  const int32_t end = *model_.tokenizer->TokenToId("<|im_end|>");
  model_.eos_token_ids = {end};
  std::vector<int32_t> answer = model_.tokenizer
                                    ->Encode(
                                        "<think>\nI look.\n</think>\n\n<tool_call>\n"
                                        R"({"name": "look_up", "arguments": {"key": "a"}})"
                                        "\n</tool_call>",
                                        {.parse_special = true})
                                    .value();
  answer.push_back(end);
  engine_->SetAnswer({.tokens = answer});
  const Json first = AskJson(kResponses, R"({"input":"Hi","tools":[{"type":"function",
      "name":"look_up","parameters":{"type":"object"}}]})");
  const Json& call = first["output"].back();
  ASSERT_EQ(call["type"], "function_call") << first;
  const std::string prompt =
      Prompt(kResponses, fmt::format(R"({{"previous_response_id":{},"input":[
          {{"type":"function_call_output","call_id":{},"output":"found"}}]}})",
                                     first["id"].dump(), call["call_id"].dump()));
  EXPECT_EQ(prompt, PromptOfChat(fmt::format(
                        R"({{"role":"assistant","content":null,"reasoning_content":"I look.",{}}})",
                        kChatCalls)));
}

// The template leaves them out.
TEST_F(FormerThoughtsTest, BeforeTheLastQuestionGo) {
  const auto items = [&](const std::string& thoughts) {
    return Prompt(kResponses, fmt::format(R"({{"input":[{{"role":"user","content":"Hi"}},{}
        {{"role":"assistant","content":"Hello."}},{{"role":"user","content":"And?"}}]}})",
                                          thoughts));
  };
  EXPECT_EQ(items(Reasoning("Hm.")), items(""));
  const auto blocks = [&](const std::string& thoughts) {
    return Prompt(kMessages, fmt::format(R"({{"max_tokens":5,"messages":[
        {{"role":"user","content":"Hi"}},
        {{"role":"assistant","content":[{}{{"type":"text","text":"Hello."}}]}},
        {{"role":"user","content":"And?"}}]}})",
                                         thoughts));
  };
  EXPECT_EQ(blocks(Thinking("Hm.")), blocks(""));
}

TEST_F(FormerThoughtsTest, ThatWereCutAreNotThoseOfTheNextAnswer) {
  const std::string rest = R"({"role":"user","content":"And?"},)" + std::string(kItem);
  EXPECT_EQ(PromptOfItems(Reasoning("Hm.") + rest), PromptOfItems(rest));
}

TEST_F(FormerThoughtsTest, WhatIsNoTextIsRefused) {
  const Json message = AskJson(kMessages, R"({"max_tokens":5,"messages":[
      {"role":"assistant","content":[{"type":"thinking","thinking":7}]},
      {"role":"user","content":"Hi"}]})",
                               400);
  EXPECT_THAT(message["error"]["message"].get<std::string>(),
              HasSubstr("'messages[0].content[0]'"));
  for (const char* content : {"7", R"([{"type":"input_image"}])"}) {
    const Json response = AskJson(kResponses,
                                  fmt::format(R"({{"input":[
        {{"type":"reasoning","summary":[],"content":{}}},
        {{"role":"user","content":"Hi"}}]}})",
                                              content),
                                  400);
    EXPECT_THAT(response["error"]["param"].get<std::string>(), StartsWith("input[0].content"));
  }
}

}  // namespace
}  // namespace switchyard::gateway
