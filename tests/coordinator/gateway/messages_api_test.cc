// Anthropic's Messages API over scripted answers: shapes, event order, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using switchyard::testing::HttpAnswer;
using switchyard::testing::Post;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kMessages = "/v1/messages";
constexpr const char* kCount = "/v1/messages/count_tokens";
constexpr const char* kTools = R"("tools":[{"name":"look_up","input_schema":{"type":"object"}}])";
constexpr const char* kCall =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n"
    "{\"key\": \"a\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

std::string Body(std::string_view more) {
  return fmt::format(
      R"({{"model":"tiny-r1","max_tokens":50,"messages":[{{"role":"user","content":"Hi"}}]{}}})",
      more);
}

class MessagesApiTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.context_length = 4096;
    StartHttp();
  }
  std::string Prompt() {
    return model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  }
  // The events of a stream; each says its name twice.
  std::vector<Json> Stream(std::string_view body) {
    const HttpAnswer answer = Ask(Post(kMessages, body));
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::vector<Json> events;
    std::istringstream lines(answer.body);
    std::string event, data, blank;
    while (std::getline(lines, event) && std::getline(lines, data) && std::getline(lines, blank)) {
      EXPECT_EQ(data.substr(0, 6), "data: ");
      events.push_back(ParseJson(data.substr(6)).value());
      EXPECT_EQ(event, "event: " + events.back()["type"].get<std::string>());
      EXPECT_EQ(blank, "");
    }
    EXPECT_FALSE(events.empty());
    if (events.empty()) events.emplace_back();
    return events;
  }
};

TEST_F(MessagesApiTest, AnswersWithBlocks) {
  SetText("<think>\nHm.\n</think>\n\nHello." + std::string(kCall));
  const Json message = AskJson(kMessages, Body(std::string(",") + kTools));
  EXPECT_THAT(message["id"].get<std::string>(), ::testing::StartsWith("msg_"));
  EXPECT_EQ(message["type"], "message");
  EXPECT_EQ(message["role"], "assistant");
  const Json& content = message["content"];
  ASSERT_EQ(content.size(), 3u);
  EXPECT_EQ(content[0].dump(), R"({"type":"thinking","thinking":"Hm.","signature":""})");
  EXPECT_EQ(content[1].dump(), R"({"type":"text","text":"Hello."})");
  EXPECT_EQ(content[2]["type"], "tool_use");
  EXPECT_EQ(content[2]["name"], "look_up");
  EXPECT_EQ(content[2]["input"].dump(), R"({"key":"a"})");
  EXPECT_EQ(message["stop_reason"], "tool_use");
  EXPECT_TRUE(message["stop_sequence"].is_null());
  EXPECT_GT(message["usage"]["input_tokens"], 4);
  EXPECT_GT(message["usage"]["output_tokens"], 4);
}

// Grammars do not rule such calls out.
TEST_F(MessagesApiTest, ACallMayNameAMemberTwice) {
  std::string call = kCall;
  call.replace(call.find(R"("a")"), 3, R"("a", "key": "b")");
  SetText(call);
  const Json message = AskJson(kMessages, Body(std::string(",") + kTools));
  ASSERT_EQ(message["content"].size(), 1u) << message;
  EXPECT_EQ(message["content"][0]["input"].dump(), R"({"key":"b"})");
}

TEST_F(MessagesApiTest, SaysWhyItStopped) {
  SetText("one two three");
  EXPECT_EQ(AskJson(kMessages, Body(""))["stop_reason"], "end_turn");
  const Json stopped = AskJson(kMessages, Body(R"(,"stop_sequences":["two"])"));
  EXPECT_EQ(stopped["stop_reason"], "stop_sequence");
  EXPECT_EQ(stopped["stop_sequence"], "two");
  EXPECT_EQ(stopped["content"][0]["text"], "one ");
  const Json cut =
      AskJson(kMessages, R"({"max_tokens":1,"messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_EQ(cut["stop_reason"], "max_tokens");
}

TEST_F(MessagesApiTest, StreamsItsEventsInOrder) {
  SetText("<think>Hm.</think>Hello." + std::string(kCall));
  std::vector<std::string> names;
  std::string thinking, text, input;
  for (const Json& event : Stream(Body(R"(,"stream":true,)" + std::string(kTools)))) {
    const std::string name = event["type"];
    if (name != "content_block_delta") {
      const bool has_index = event.contains("index");
      names.push_back(has_index ? fmt::format("{} {}", name, event["index"].get<int>()) : name);
      continue;
    }
    const Json& delta = event["delta"];
    if (delta["type"] == "thinking_delta") thinking += delta["thinking"].get<std::string>();
    if (delta["type"] == "text_delta") text += delta["text"].get<std::string>();
    if (delta["type"] == "input_json_delta") input += delta["partial_json"].get<std::string>();
  }
  EXPECT_THAT(names,
              ElementsAre("message_start", "content_block_start 0", "content_block_stop 0",
                          "content_block_start 1", "content_block_stop 1", "content_block_start 2",
                          "content_block_stop 2", "message_delta", "message_stop"));
  EXPECT_EQ(thinking, "Hm.");
  EXPECT_EQ(text, "Hello.");
  EXPECT_EQ(input, R"({"key": "a"})");
}

// Else a client would run it without arguments.
TEST_F(MessagesApiTest, ACallThatIsCutBeforeItsArgumentsIsNone) {
  SetText(kCall);
  const auto body = [](const char* stop, const char* more) {
    return Body(fmt::format(R"(,{},"tool_choice":{{"type":"any"}},"stop_sequences":[{}]{})", kTools,
                            stop, more));
  };
  const Json whole = AskJson(kMessages, body(R"("{")", ""));
  EXPECT_EQ(whole["content"].size(), 0u) << whole;
  EXPECT_EQ(whole["stop_reason"], "stop_sequence");
  const std::vector<Json> events = Stream(body(R"("{")", R"(,"stream":true)"));
  ASSERT_EQ(events.size(), 3u) << events[1];
  EXPECT_EQ(events[1]["delta"]["stop_reason"], "stop_sequence");
  EXPECT_EQ(AskJson(kMessages, body(R"("\"")", ""))["content"].size(), 0u);
  EXPECT_EQ(Stream(body(R"("\"")", R"(,"stream":true)"))[2]["delta"]["partial_json"], "{")
      << "what was sent stays";
}

TEST_F(MessagesApiTest, SaysWhatTheCacheHadOfThePrompt) {
  engine_->SetAnswer({.tokens = TokensThenEos("Hello."), .num_cached_tokens = 3});
  const Json usage = AskJson(kMessages, Body(""))["usage"];
  const int num_prompt_tokens = static_cast<int>(engine_->last_request().prompt_tokens.size());
  EXPECT_EQ(usage["cache_read_input_tokens"], 3);
  EXPECT_EQ(usage["input_tokens"], num_prompt_tokens - 3);
  const std::vector<Json> events = Stream(Body(R"(,"stream":true)"));
  EXPECT_EQ(events.front()["message"]["usage"]["cache_read_input_tokens"], 3);
  EXPECT_EQ(events.front()["message"]["usage"]["input_tokens"], num_prompt_tokens - 3);
}

// As chat requests have it, in this API's words.
TEST_F(MessagesApiTest, DemandedCallsAndBudgetsReachTheEngine) {
  SetText(kCall);
  for (const char* choice : {R"({"type":"any"})", R"({"type":"tool","name":"look_up"})"}) {
    const Json message = AskJson(
        kMessages, Body(fmt::format(R"(,{},"tool_choice":{},"priority":-2)", kTools, choice)));
    EXPECT_NE(engine_->last_request().grammar, nullptr);
    EXPECT_EQ(engine_->last_request().priority, -2);
    EXPECT_EQ(message["content"][0]["input"]["key"], "a");
    EXPECT_EQ(message["stop_reason"], "tool_use");
  }
  SetText("Hm.</think>Hello.");
  AskJson(kMessages, Body(R"(,"thinking":{"type":"enabled","budget_tokens":5})"));
  EXPECT_EQ(engine_->last_request().sampling.max_thought_tokens(), 5);
}

TEST_F(MessagesApiTest, AFormReachesTheEngineAsAGrammar) {
  SetText("{}");
  AskJson(kMessages, Body(""));
  EXPECT_EQ(engine_->last_request().grammar, nullptr);
  constexpr const char* kFormat = R"({"type":"json_schema","schema":{"type":"object"}})";
  for (const std::string& more :
       {fmt::format(R"(,"output_config":{{"format":{}}})", kFormat),
        fmt::format(R"(,"output_format":{})", kFormat),
        fmt::format(R"(,"output_format":{0},"output_config":{{"format":{0}}})", kFormat)}) {
    const HttpAnswer answer = Ask(Post(kMessages, Body(more)));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.count("x-switchyard-warning"), 0u) << more;
    EXPECT_NE(engine_->last_request().grammar, nullptr) << more;
  }
  const std::pair<const char*, const char*> wrong[] = {
      {R"(,"output_config":7)", "'output_config'"},
      {R"(,"output_config":{"size":3})", "'output_config.size'"},
      {R"(,"output_config":{"format":{"type":"json_object"}})", "'output_config.format'"},
      {R"(,"output_format":{"type":"json_schema"})", "'output_format'"},
      {R"(,"output_config":{"format":{"type":"json_schema","schema":7}})", "output_config.format"},
      {R"(,"output_config":{"format":{"type":"json_schema","schema":{},"strict":1}})",
       "'output_config.format.strict' must be true or false"},
      {R"(,"output_format":{"type":"json_schema","schema":{},"name":1})",
       "'output_format.name' must be a string"},
      {R"(,"output_format":{"type":"json_schema","schema":{}},
          "output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}})",
       "'output_format'"}};
  for (const auto& [more, word] : wrong) {
    const Json error = AskJson(kMessages, Body(more), 400);
    EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr(word)) << more;
  }
}

TEST_F(MessagesApiTest, WhoAsksIsReadAndChangesNothing) {
  SetText("Hello.");
  for (const char* user : {"\"someone\"", "null"}) {
    const std::string more =
        fmt::format(R"(,"metadata":{{"user_id":{}}},"service_tier":"auto")", user);
    const HttpAnswer answer = Ask(Post(kMessages, Body(more)));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.count("x-switchyard-warning"), 0u) << more;
  }
  const std::pair<const char*, const char*> wrong[] = {
      {R"(,"metadata":5)", "'metadata'"},
      {R"(,"metadata":{"user_id":5})", "'metadata.user_id'"},
      {R"(,"service_tier":7)", "'service_tier'"}};
  for (const auto& [more, word] : wrong) {
    const Json error = AskJson(kMessages, Body(more), 400);
    EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr(word)) << more;
  }
}

TEST_F(MessagesApiTest, AnEmptyAnswerStreamsNoBlock) {
  SetText("");
  const std::vector<Json> events = Stream(Body(R"(,"stream":true)"));
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0]["message"]["usage"]["input_tokens"], 5);
  EXPECT_EQ(events[1]["delta"]["stop_reason"], "end_turn");
}

TEST_F(MessagesApiTest, ErrorsHaveTheApisShape) {
  Json error = AskJson(kMessages, R"({"messages":[{"role":"user","content":"Hi"}]})", 400);
  EXPECT_EQ(error["type"], "error");
  EXPECT_EQ(error["error"]["type"], "invalid_request_error");
  EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr("max_tokens"));
  error =
      AskJson(kMessages,
              R"({"model":"x","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]})", 404);
  EXPECT_EQ(error["error"]["type"], "not_found_error");
  engine_->SetSubmitStatus(absl::UnavailableError("loading"));
  EXPECT_EQ(AskJson(kMessages, Body(""), 503)["error"]["type"], "overloaded_error");
}

TEST_F(MessagesApiTest, AnErrorInMidStreamIsAnEvent) {
  engine_->SetAnswer({.tokens = Tokens("Half an answer"),
                      .ending = FakeAnswer::Ending::kFail,
                      .error = absl::UnavailableError("rank 3 was lost")});
  const Json last = Stream(Body(R"(,"stream":true)")).back();
  EXPECT_EQ(last["type"], "error");
  EXPECT_EQ(last["error"]["message"], "rank 3 was lost");
}

TEST_F(MessagesApiTest, BlocksReachTheModelAsItKnowsThem) {
  SetText("x");
  AskJson(
      kMessages,
      R"({"max_tokens":5,"system":[{"type":"text","text":"Be "},{"type":"text","text":"brief."}],
              "messages":[
                {"role":"user","content":[{"type":"text","text":"Hi"}]},
                {"role":"assistant","content":[{"type":"thinking","thinking":"no","signature":""},
                  {"type":"text","text":"I look."},
                  {"type":"tool_use","id":"t1","name":"look_up","input":{"key":"a"}}]},
                {"role":"user","content":[
                  {"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"found"}]},
                  {"type":"text","text":"And?"}]}]})");
  EXPECT_EQ(Prompt(),
            "<｜begin▁of▁sentence｜>Be brief.<｜User｜>Hi<｜Assistant｜>I look."
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n"
            "{\"key\":\"a\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>"
            "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>found<｜tool▁output▁end｜>"
            "<｜tool▁outputs▁end｜><｜User｜>And?<｜Assistant｜>");
}

TEST_F(MessagesApiTest, TheModelLearnsThatAToolFailed) {
  SetText("x");
  const auto output = [&](const char* more) {
    AskJson(kMessages, fmt::format(R"({{"max_tokens":5,"messages":[{{"role":"user","content":"Hi"}},
        {{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"f","input":{{}}}}]}},
        {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t",{}}}]}}]}})",
                                   more));
    const std::string prompt = Prompt();
    constexpr std::string_view kBegin = "<｜tool▁output▁begin｜>";
    const size_t begin = prompt.find(kBegin) + kBegin.size();
    return prompt.substr(begin, prompt.find("<｜tool▁output▁end｜>") - begin);
  };
  EXPECT_EQ(output(R"("content":"no such file","is_error":true)"), "Error: no such file");
  EXPECT_EQ(output(R"("is_error":true)"), "Error");
  EXPECT_EQ(output(R"("content":"found","is_error":false)"), "found");
}

TEST_F(MessagesApiTest, ThinkingIsSwitchedInTheTemplate) {
  SetText("Hm.</think>Yes.");
  const Json message =
      AskJson(kMessages, Body(R"(,"thinking":{"type":"enabled","budget_tokens":1024})"));
  EXPECT_THAT(Prompt(), ::testing::EndsWith("<think>\n"));
  EXPECT_EQ(message["content"][0]["thinking"], "Hm.");
  AskJson(kMessages, Body(R"(,"thinking":{"type":"disabled"})"));
  EXPECT_THAT(Prompt(), ::testing::EndsWith("<｜Assistant｜>"));
}

TEST_F(MessagesApiTest, NamesWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"(,"stop_sequences":"a")", "stop_sequences"},
      {R"(,"stop_sequences":[1])", "'stop_sequences'"},
      {R"(,"stop_sequences":[""])", "stop_sequences"},
      {R"(,"thinking":{"type":"maybe"})", "thinking"},
      {R"(,"tools":[{"name":"f"}])", "tools[0]"},
      {R"(,"tools":[{"type":"web_search_20250305","name":"web_search"}])", "tools[0]"},
      {R"(,"tool_choice":{"type":"any"})", "tool_choice"},
      {R"(,"tool_choice":{"type":"tool"})", "tool_choice"},
      {R"(,"system":7)", "system"},
      {R"(,"temperature":3)", "temperature"},
  };
  for (const auto& [more, word] : cases) {
    const Json error = AskJson(kMessages, Body(more), 400);
    EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr(word)) << more;
  }
  const char* contents[] = {R"([{"type":"image","source":{}}])", R"([{"text":"a"}])", "7",
                            R"([{"type":"tool_result"}])", R"(["a"])"};
  for (const char* role : {"user", "assistant"}) {
    const Json error = AskJson(kMessages,
                               fmt::format(R"({{"max_tokens":1,"messages":[{{"role":"{}",
        "content":[{{"type":"text","text":"a"}},{{"type":"image","source":{{}}}}]}}]}})",
                                           role),
                               400);
    EXPECT_THAT(error["error"]["message"].get<std::string>(),
                HasSubstr("'messages[0].content[1]'"));
  }
  for (const char* content : contents) {
    const Json error = AskJson(
        kMessages,
        fmt::format(R"({{"max_tokens":1,"messages":[{{"role":"user","content":{}}}]}})", content),
        400);
    EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr("messages[0].content"))
        << content;
  }
}

TEST_F(MessagesApiTest, DraftsCanBeSwitchedOff) {
  SetText("x");
  AskJson(kMessages, Body(""));
  EXPECT_TRUE(engine_->last_request().drafts);
  AskJson(kMessages, Body(R"(,"drafts":false)"));
  EXPECT_FALSE(engine_->last_request().drafts);
}

TEST_F(MessagesApiTest, CountsThePromptsTokens) {
  EXPECT_EQ(AskJson(kCount, R"({"messages":[{"role":"user","content":"Hi"}]})").dump(),
            R"({"input_tokens":5})");
  EXPECT_EQ(engine_->num_submitted(), 0);
}

TEST_F(MessagesApiTest, AClientThatGoesAwayIsCancelled) {
  engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kHang});
  switchyard::testing::HttpClient client(http_->port());
  ASSERT_TRUE(client.Send(Post(kMessages, Body(R"(,"stream":true)"))));
  ASSERT_TRUE(engine_->WaitForSubmissions(1));
  client.Close();
  EXPECT_TRUE(engine_->WaitForCancels(1));
}

}  // namespace
}  // namespace switchyard::gateway
