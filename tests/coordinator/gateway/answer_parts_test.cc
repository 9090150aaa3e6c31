// Thoughts and tool calls as clients see them: the bundled model's tokens and template, scripted
// answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using switchyard::testing::HttpAnswer;
using switchyard::testing::Post;
using switchyard::testing::SseData;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kTools =
    R"("tools":[{"type":"function","function":{"name":"look_up","parameters":{}}}])";
constexpr const char* kCall =
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n"
    "{\"key\": \"a\"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n"
    "```json\n{\"key\": \"b\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

std::string Body(std::string_view more) {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}],{}}})", more);
}

class AnswerPartsTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.context_length = 4096;
    StartHttp();
  }

  // A streamed chat, put together as OpenAI's clients do it: strings of deltas are joined, calls
  // are found by their index.
  Json Assemble(std::string_view body) {
    const HttpAnswer answer = Ask(Post(kChat, body));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return Join(answer.body);
  }

  // The same of whole events.
  static Json Join(std::string_view stream) {
    Json whole = {{"content", ""}, {"reasoning_content", ""}, {"tool_calls", Json::array()}};
    for (const std::string& event : SseData(stream)) {
      if (event == "[DONE]") break;
      const Json chunk = ParseJson(event).value();
      if (chunk["choices"].empty()) continue;
      const Json& choice = chunk["choices"][0];
      if (!choice["finish_reason"].is_null()) whole["finish_reason"] = choice["finish_reason"];
      for (const char* key : {"content", "reasoning_content"}) {
        if (choice["delta"].contains(key)) Join(whole[key], choice["delta"][key]);
      }
      if (choice["delta"].contains("tool_calls")) AddCalls(choice["delta"]["tool_calls"], whole);
    }
    return whole;
  }

 private:
  static void Join(Json& text, const Json& more) {
    text = text.get<std::string>() + more.get<std::string>();
  }
  static void AddCalls(const Json& deltas, Json& whole) {
    for (const Json& delta : deltas) {
      const size_t index = delta["index"].get<size_t>();
      ASSERT_LE(index, whole["tool_calls"].size());
      if (index == whole["tool_calls"].size()) {
        whole["tool_calls"].push_back(
            {{"id", delta["id"]}, {"name", delta["function"]["name"]}, {"arguments", ""}});
      }
      Join(whole["tool_calls"][index]["arguments"], delta["function"]["arguments"]);
    }
  }
};

TEST_F(AnswerPartsTest, ThoughtsStandBesideTheContent) {
  SetText("<think>\nTwo and two.\n</think>\n\nFour.");
  const Json answer = AskJson(kChat, Body(R"("seed":1)"));
  const Json& message = answer["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], "Two and two.");
  EXPECT_EQ(message["content"], "Four.");
  const int num_thoughts = answer["usage"]["completion_tokens_details"]["reasoning_tokens"];
  EXPECT_GT(num_thoughts, 3);
  EXPECT_LT(num_thoughts, answer["usage"]["completion_tokens"].get<int>());

  const Json streamed = Assemble(Body(R"("stream":true)"));
  EXPECT_EQ(streamed["reasoning_content"], "Two and two.");
  EXPECT_EQ(streamed["content"], "Four.");
  EXPECT_EQ(streamed["finish_reason"], "stop");
}

TEST_F(AnswerPartsTest, ThoughtsThatTheTemplateOpenedNeedNoMark) {
  SetText("Two and two.\n</think>\n\nFour.");
  const Json answer = AskJson(kChat, Body(R"("chat_template_kwargs":{"enable_thinking":true})"));
  EXPECT_EQ(answer["choices"][0]["message"]["reasoning_content"], "Two and two.");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Four.");
}

TEST_F(AnswerPartsTest, AnAnswerCutInItsThoughtsHasEmptyContent) {
  SetText("<think>Two and two.</think>Four.");
  const Json answer = AskJson(kChat, Body(R"("max_tokens":3)"));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
}

TEST_F(AnswerPartsTest, ThoughtsCanBeLeftOut) {
  SetText("<think>Two and two.</think>Four.");
  const Json message =
      AskJson(kChat, Body(R"("include_reasoning":false)"))["choices"][0]["message"];
  EXPECT_FALSE(message.contains("reasoning_content")) << message;
  EXPECT_EQ(message["content"], "Four.");
  const std::string streaming = Body(R"("include_reasoning":false,"stream":true)");
  EXPECT_THAT(Ask(Post(kChat, streaming)).body, Not(HasSubstr("reasoning_content")));
  EXPECT_EQ(Assemble(streaming)["content"], "Four.");
}

TEST_F(AnswerPartsTest, TextCompletionsAreNotParted) {
  SetText("<think>a</think>b");
  EXPECT_EQ(AskJson("/v1/completions", R"({"prompt":"Hi"})")["choices"][0]["text"],
            "<think>a</think>b");
}

TEST_F(AnswerPartsTest, ToolCallsAreGivenAsCalls) {
  SetText(kCall);
  const Json choice = AskJson(kChat, Body(kTools))["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_TRUE(choice["message"]["content"].is_null());
  const Json& calls = choice["message"]["tool_calls"];
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0]["type"], "function");
  EXPECT_EQ(calls[0]["function"].dump(), R"({"name":"look_up","arguments":"{\"key\": \"a\"}"})");
  EXPECT_EQ(calls[1]["function"]["arguments"], R"({"key": "b"})");
  EXPECT_NE(calls[0]["id"], calls[1]["id"]);
}

TEST_F(AnswerPartsTest, StreamedCallsAssemble) {
  SetText("<think>I look.</think>One moment. " + std::string(kCall));
  const Json whole = Assemble(Body(std::string(kTools) + R"(,"stream":true)"));
  EXPECT_EQ(whole["reasoning_content"], "I look.");
  EXPECT_EQ(whole["content"], "One moment.");
  EXPECT_EQ(whole["finish_reason"], "tool_calls");
  ASSERT_EQ(whole["tool_calls"].size(), 2u);
  EXPECT_EQ(whole["tool_calls"][0]["name"], "look_up");
  EXPECT_EQ(whole["tool_calls"][0]["arguments"], R"({"key": "a"})");
  EXPECT_EQ(whole["tool_calls"][1]["arguments"], R"({"key": "b"})");
}

TEST_F(AnswerPartsTest, WithoutParallelCallsTheFirstEndsTheAnswer) {
  SetText(kCall);
  const Json answer = AskJson(kChat, Body(std::string(kTools) + R"(,"parallel_tool_calls":false)"));
  EXPECT_EQ(answer["choices"][0]["message"]["tool_calls"].size(), 1u);
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "tool_calls");
}

TEST_F(AnswerPartsTest, WhatIsNoCallIsContent) {
  const std::string text =
      "<｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n{\"key\": "
      "\n```<｜tool▁call▁end｜>";
  SetText(text);
  const Json choice = AskJson(kChat, Body(kTools))["choices"][0];
  EXPECT_EQ(choice["message"]["content"], text);
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
}

TEST_F(AnswerPartsTest, ToolsThatShallNotBeCalledAreNotLookedFor) {
  SetText(kCall);
  const Json choice =
      AskJson(kChat, Body(std::string(kTools) + R"(,"tool_choice":"none")"))["choices"][0];
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
  const std::string prompt = model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  EXPECT_THAT(prompt, Not(HasSubstr("look_up")));
}

TEST_F(AnswerPartsTest, CallsAndResultsOfFormerTurnsReachTheModelAsItWroteThem) {
  SetText("It is a.");
  AskJson(kChat, fmt::format(R"({{"messages":[
      {{"role":"user","content":"Hi"}},
      {{"role":"assistant","content":null,"tool_calls":[
        {{"id":"1","type":"function","function":{{"name":"look_up","arguments":"{{\"key\": \"a\"}}"}}}}]}},
      {{"role":"tool","tool_call_id":"1","content":"found"}}],{}}})",
                             kTools));
  const std::string prompt = model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  EXPECT_THAT(prompt, HasSubstr("<｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n"
                                "{\"key\": \"a\"}\n```<｜tool▁call▁end｜>"));
  EXPECT_THAT(prompt, HasSubstr("<｜tool▁output▁begin｜>found<｜tool▁output▁end｜>"));
}

TEST_F(AnswerPartsTest, NoArgumentsAreAnEmptyObjectWhereTheyAreWrittenAsText) {
  SetText("x");
  for (const char* arguments : {"", R"(,"arguments":"")", R"(,"arguments":null)"}) {
    AskJson(kChat, fmt::format(R"({{"messages":[{{"role":"assistant","content":null,"tool_calls":[
        {{"id":"1","type":"function","function":{{"name":"look_up"{}}}}}]}}]}})",
                               arguments));
    EXPECT_THAT(model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false),
                HasSubstr("look_up\n```json\n{}\n```"))
        << arguments;
  }
}

TEST_F(AnswerPartsTest, FormsThatTakeValuesGetValues) {
  model_.tool_format = text::ToolFormat::kHermes;
  text::ModelChatTemplate hermes = *model_.chat_template;
  hermes.chat = text::ChatTemplate::Compile(
                    "{% for m in messages %}{% for c in m.tool_calls %}<tool_call>"
                    "{{ c.function.arguments | tojson }}</tool_call>{% endfor %}{% endfor %}")
                    .value();
  model_.chat_template = &hermes;
  SetText("x");
  const char* messages = R"({{"messages":[{{"role":"assistant","content":"","tool_calls":[
      {{"id":"1","type":"function","function":{{"name":"f","arguments":"{}"}}}}]}}]}})";
  AskJson(kChat, fmt::format(fmt::runtime(messages), R"({\"a\":1})"));
  EXPECT_EQ(model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false),
            R"(<tool_call>{"a": 1}</tool_call>)");
  const Json error = AskJson(kChat, fmt::format(fmt::runtime(messages), "{"), 400)["error"];
  EXPECT_EQ(error["param"], "messages[0].tool_calls");
}

// The engine gets a grammar, and what it writes is read by that grammar's layout: arguments come as
// they are written, and marks in them are text.
TEST_F(AnswerPartsTest, CallsThatAreDemandedAreHeldByAGrammarAndStreamed) {
  const std::string arguments = R"({"key":"</tool> ｜tool▁call▁end"})";
  SetText("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n" +
          arguments + "\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>");
  for (const char* choice :
       {R"("required")", R"({"type":"function","function":{"name":"look_up"}})"}) {
    const std::string body = Body(fmt::format(R"({},"tool_choice":{})", kTools, choice));
    const Json whole = AskJson(kChat, body)["choices"][0];
    ASSERT_NE(engine_->last_request().grammar, nullptr);
    EXPECT_EQ(engine_->last_request().sampling.ending_tokens().size(), 1);
    EXPECT_EQ(whole["finish_reason"], "tool_calls");
    EXPECT_TRUE(whole["message"]["content"].is_null());
    EXPECT_EQ(whole["message"]["tool_calls"][0]["function"]["arguments"], arguments);

    const Json streamed = Assemble(body.substr(0, body.size() - 1) + R"(,"stream":true})");
    EXPECT_EQ(streamed["tool_calls"].size(), 1u);
    EXPECT_EQ(streamed["tool_calls"][0]["name"], "look_up");
    EXPECT_EQ(streamed["tool_calls"][0]["arguments"], arguments);
    EXPECT_EQ(streamed["finish_reason"], "tool_calls");
  }
}

TEST_F(AnswerPartsTest, ArgumentsStreamWhileTheModelWritesThem) {
  const std::string begin =
      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look_up\n```json\n{"
      "\"key\":";
  engine_->SetAnswer({.tokens = model_.tokenizer->Encode(begin, {.parse_special = true}).value(),
                      .ending = FakeAnswer::Ending::kHang});
  switchyard::testing::HttpClient client(http_->port());
  client.Send(
      Post(kChat, Body(std::string(kTools) + R"(,"tool_choice":"required","stream":true)")));
  ASSERT_TRUE(client.ReadHead().has_value());
  // How many tokens a piece has depends on when the engine's come.
  std::string seen, arguments;
  while (arguments != R"({"key":)") {
    const auto chunk = client.ReadChunk();
    ASSERT_TRUE(chunk.has_value()) << seen;
    seen += *chunk;
    const Json whole = Join(seen);
    if (!whole["tool_calls"].empty()) arguments = whole["tool_calls"][0]["arguments"];
  }
  EXPECT_THAT(seen, HasSubstr("look_up"));
}

// A client would take what is left of its arguments for the whole.
TEST_F(AnswerPartsTest, ACallThatAStopTextCutsIsNoReasonToEnd) {
  SetText(kCall);
  const Json choice = AskJson(
      kChat, Body(kTools + std::string(R"(,"tool_choice":"required","stop":"key")")))["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "stop");
}

TEST_F(AnswerPartsTest, AStrictToolHoldsAnAnswerThatMayCallIt) {
  const std::string strict = R"("tools":[{"type":"function","function":{"name":"look_up",
      "strict":true,"parameters":{"type":"object","properties":{"key":{"type":"string"}}}}}])";
  SetText("One moment.\n" + std::string(kCall));
  const Json choice = AskJson(kChat, Body(strict))["choices"][0];
  ASSERT_NE(engine_->last_request().grammar, nullptr);
  EXPECT_EQ(choice["message"]["content"], "One moment.");
  EXPECT_EQ(choice["message"]["tool_calls"].size(), 2u);
  SetText("No need.");
  EXPECT_EQ(AskJson(kChat, Body(strict))["choices"][0]["finish_reason"], "stop");
  AskJson(kChat, Body(strict + R"(,"tool_choice":"none")"));
  EXPECT_EQ(engine_->last_request().grammar, nullptr);
  AskJson(kChat, Body(kTools));
  EXPECT_EQ(engine_->last_request().grammar, nullptr);
}

TEST_F(AnswerPartsTest, AnAnswerOfAFormMayCallInstead) {
  const std::string form = R"(,"response_format":{"type":"json_object"})";
  const auto num_states = [&](const std::string& more) {
    SetText(kCall);
    AskJson(kChat, Body(more));
    return engine_->last_request().grammar->may_end().size();
  };
  const size_t form_alone = num_states(R"("seed":1)" + form);
  const size_t calls_alone = num_states(kTools + std::string(R"(,"tool_choice":"required")"));
  EXPECT_EQ(num_states(kTools + form), form_alone + calls_alone + 2);
  EXPECT_EQ(num_states(kTools + form + R"(,"tool_choice":"required")"), calls_alone);
  EXPECT_EQ(num_states(kTools + form + R"(,"tool_choice":"none")"), form_alone);
  SetText(kCall);
  const Json called = AskJson(kChat, Body(kTools + form))["choices"][0];
  EXPECT_EQ(called["message"]["tool_calls"].size(), 2u);
  SetText(R"({"a":1})");
  EXPECT_EQ(AskJson(kChat, Body(kTools + form))["choices"][0]["message"]["content"], R"({"a":1})");
}

// Models have rows that no token of the tokenizer stands for: no grammar knows of them.
TEST_F(AnswerPartsTest, OnlyTokensOfTheTokenizerEndAForm) {
  model_.vocab_size = 5000;
  SetText("yes");
  AskJson("/v1/completions", R"({"prompt":"Hi","guided_choice":["yes"],"stop_token_ids":[4500]})");
  EXPECT_THAT(engine_->last_request().sampling.ending_tokens(), ElementsAre(kEos));
  EXPECT_THAT(engine_->last_request().stop_token_ids, ElementsAre(4500, kEos));
}

TEST_F(AnswerPartsTest, SpecialTokensAndStopTextsAreShownWhereThatIsWanted) {
  SetText("a<｜tool▁sep｜>b c");
  const std::string stop = R"("stop":" c","include_stop_str_in_output":true)";
  const std::string special = R"("skip_special_tokens":false)";
  const auto chat = [&](const std::string& more) {
    return AskJson(kChat, Body(more))["choices"][0]["message"]["content"];
  };
  EXPECT_EQ(chat(R"("stop":" c")"), "ab");
  EXPECT_EQ(chat(stop), "ab c");
  EXPECT_EQ(chat(special), "a<｜tool▁sep｜>b c");  // and never the token that ends it
  const std::string body = fmt::format(R"({{"prompt":"Hi",{},{}}})", stop, special);
  EXPECT_EQ(AskJson("/v1/completions", body)["choices"][0]["text"], "a<｜tool▁sep｜>b c");
  EXPECT_EQ(AskJson(kChat, Body(R"("skip_special_tokens":1)"), 400)["error"]["param"],
            "skip_special_tokens");
}

TEST_F(AnswerPartsTest, NamesWhatIsWrongWithToolsAndTheirChoice) {
  const auto param = [&](const std::string& more) {
    return AskJson(kChat, Body(more), 400)["error"]["param"];
  };
  for (const char* choice : {R"({"type":"function","function":{"name":"other"}})", "7"}) {
    EXPECT_EQ(param(fmt::format(R"({},"tool_choice":{})", kTools, choice)), "tool_choice");
  }
  EXPECT_EQ(param(R"("tool_choice":"required")"), "tool_choice");
  const auto tool = [](const char* more) {
    return fmt::format(R"("tools":[{{"type":"function","function":{{{}}}}}])", more);
  };
  EXPECT_EQ(param(tool(R"("name":"two words")")), "tools[0]");
  EXPECT_EQ(param(tool(R"("name":"f","strict":1)")), "tools[0].function.strict");
  EXPECT_EQ(param(tool(R"("name":"f","strict":true,"parameters":{"type":"array"})")), "tools");
  EXPECT_EQ(param(tool(R"("name":"f","strict":true,"parameters":{"not":{}})")), "tools");
}

TEST_F(AnswerPartsTest, AModelWhoseCallsCannotBeReadTakesNoTools) {
  model_.tool_format = std::nullopt;
  const Json error = AskJson(kChat, Body(kTools), 422)["error"];
  EXPECT_EQ(error["param"], "tools");
  SetText("x");
  AskJson(kChat, Body(std::string(kTools) + R"(,"tool_choice":"none")"));
}

}  // namespace
}  // namespace switchyard::gateway
