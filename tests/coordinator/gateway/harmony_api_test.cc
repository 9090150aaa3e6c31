// Answers in channels as clients see them: tokens and template of the bundled gpt-oss, scripted
// answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::Post;
using ::testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kResponses = "/v1/responses";
constexpr const char* kTools =
    R"("tools":[{"type":"function","function":{"name":"look_up","description":"Finds.",
       "parameters":{"type":"object","properties":{"key":{"type":"string"}},
                     "required":["key"]}}}])";

std::string Body(std::string_view more) {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}],{}}})", more);
}

class HarmonyApiTest : public ApiFixture {
 protected:
  void SetUp() override {
    UseModel("tiny-gpt-oss");
    model_.vocab_size = 1088;
    model_.eos_token_ids = {*model_.tokenizer->TokenToId("<|return|>"),
                            *model_.tokenizer->TokenToId("<|call|>")};
    StartHttp();
  }

  // What the model answers, up to the mark that ends it.
  void Script(std::string_view text) {
    engine_->SetAnswer({.tokens = model_.tokenizer->Encode(text, {.parse_special = true}).value()});
  }
  std::string Prompt() const {
    return model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  }
  std::string PromptEnd() const {
    const std::string text = Prompt();
    return text.substr(text.rfind("<|start|>"));
  }
};

TEST_F(HarmonyApiTest, ThoughtsStandBesideTheContent) {
  Script(
      "<|channel|>analysis<|message|>Two and two.<|end|><|start|>assistant"
      "<|channel|>final<|message|>Four.<|return|>");
  const Json answer = AskJson(kChat, Body(R"("seed":1)"));
  const Json& message = answer["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], "Two and two.");
  EXPECT_EQ(message["content"], "Four.");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_GT(answer["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
  EXPECT_EQ(PromptEnd(), "<|start|>assistant");
  std::string thoughts, content;
  for (const Json& chunk : Stream(kChat, Body(R"("stream":true)"))) {
    if (chunk["choices"].empty()) continue;
    const Json& delta = chunk["choices"][0]["delta"];
    if (delta.contains("reasoning_content")) thoughts += delta["reasoning_content"];
    if (delta.contains("content")) content += delta["content"];
  }
  EXPECT_EQ(thoughts, "Two and two.");
  EXPECT_EQ(content, "Four.");
}

TEST_F(HarmonyApiTest, ACallIsReadAndMayBeDemanded) {
  Script(
      "<|channel|>analysis<|message|>I look.<|end|><|start|>assistant"
      "<|channel|>commentary to=functions.look_up <|constrain|>json<|message|>"
      "{\"key\": \"a\"}<|call|>");
  Json choice = AskJson(kChat, Body(kTools))["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["name"], "look_up");
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["arguments"], "{\"key\": \"a\"}");
  EXPECT_EQ(choice["message"]["reasoning_content"], "I look.");
  EXPECT_EQ(engine_->last_request().grammar, nullptr);

  Script(" to=functions.look_up<|channel|>commentary json<|message|>{\"key\": \"b\"}<|call|>");
  choice = AskJson(kChat, Body(std::string(kTools) + R"(,"tool_choice":"required")"))["choices"][0];
  EXPECT_NE(engine_->last_request().grammar, nullptr);
  EXPECT_EQ(choice["finish_reason"], "tool_calls");
  EXPECT_EQ(choice["message"]["tool_calls"][0]["function"]["arguments"], "{\"key\": \"b\"}");
  EXPECT_EQ(PromptEnd(), "<|start|>assistant");
}

TEST_F(HarmonyApiTest, ADemandedCallThatIsCutInItsHeadLeavesNothing) {
  for (const char* cut : {" to=fun", " to=functions.look"}) {
    Script(cut);
    const Json choice =
        AskJson(kChat, Body(std::string(kTools) + R"(,"tool_choice":"required")"))["choices"][0];
    EXPECT_TRUE(choice["message"]["content"].is_null() || choice["message"]["content"] == "")
        << choice["message"];
    EXPECT_FALSE(choice["message"].contains("tool_calls"));
  }
}

TEST_F(HarmonyApiTest, AFormIsThatOfTheFinalMessage) {
  Script("{\"a\": 1}<|return|>");
  const std::string form = R"("response_format":{"type":"json_object"})";
  const Json choice = AskJson(kChat, Body(form))["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "{\"a\": 1}");
  EXPECT_EQ(PromptEnd(), "<|start|>assistant<|channel|>final<|message|>");
  const Json fault = AskJson(kChat, Body(form + "," + kTools), 400);
  EXPECT_THAT(fault["error"]["message"].get<std::string>(), HasSubstr("leave one of both out"));
}

// Where the answer goes on with a message, that is one of the final channel.
TEST_F(HarmonyApiTest, ALastMessageIsContinued) {
  const auto body = [](const char* more) {
    return fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}},
        {{"role":"assistant","content":"It is"}}],"continue_final_message":true,{}{}}})",
                       kTools, more);
  };
  Script(" four.<|return|>");
  const Json answer = AskJson(kChat, body(""));
  EXPECT_EQ(PromptEnd(), "<|start|>assistant<|channel|>final<|message|>It is");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], " four.");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(AskJson(kChat, body(R"(,"tool_choice":"required")"), 400)["error"]["param"],
            "tool_choice");
}

TEST_F(HarmonyApiTest, AnEffortIsToldToTheModelWhoeverAsks) {
  Script("<|channel|>final<|message|>Four.<|return|>");
  const auto expect = [&](const char* path, const std::string& body, const char* word) {
    const auto answer = Ask(Post(path, body));
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.count("x-switchyard-warning"), 0u) << path << body;
    EXPECT_THAT(Prompt(), HasSubstr(fmt::format("Reasoning: {}\n", word))) << path << body;
  };
  expect(kChat, Body(R"("seed":1)"), "medium");
  expect(kChat, Body(R"("reasoning_effort":"high")"), "high");
  expect(kChat,
         Body(R"("reasoning_effort":"high","chat_template_kwargs":{"reasoning_effort":"low"})"),
         "low");
  expect(kResponses, R"({"input":"Hi","reasoning":{"effort":"high"}})", "high");
  expect("/v1/messages", Body(R"("max_tokens":9,"output_config":{"effort":"high"})"), "high");
  const auto refused = [&](const char* path, const std::string& body) {
    return AskJson(path, body, 400)["error"];
  };
  EXPECT_EQ(refused(kChat, Body(R"("reasoning_effort":"some")"))["param"], "reasoning_effort");
  EXPECT_EQ(refused(kChat, Body(R"("reasoning_effort":3)"))["param"], "reasoning_effort");
  EXPECT_EQ(refused(kResponses, R"({"input":"Hi","reasoning":{"effort":"some"}})")["param"],
            "reasoning.effort");
  EXPECT_THAT(refused("/v1/messages",
                      Body(R"("max_tokens":9,"output_config":{"effort":"some"})"))["message"]
                  .get<std::string>(),
              HasSubstr("'output_config.effort'"));
}

// Its template has no switch.
TEST_F(HarmonyApiTest, ThoughtsThatCannotBeSwitchedOffAreSaidToStay) {
  Script("<|channel|>final<|message|>Four.<|return|>");
  const auto expect = [&](const char* path, const std::string& body, const char* field) {
    const auto answer = Ask(Post(path, body));
    EXPECT_EQ(answer.status, 200) << answer.body;
    ASSERT_EQ(answer.headers.count("x-switchyard-warning"), 1u) << path << body;
    EXPECT_EQ(answer.headers.at("x-switchyard-warning"),
              fmt::format(R"(field "{}" ignored)", field));
    EXPECT_THAT(Prompt(), HasSubstr("Reasoning: medium\n")) << path << body;
  };
  expect(kChat, Body(R"("reasoning_effort":"none")"), "reasoning_effort");
  expect(kResponses, R"({"input":"Hi","reasoning":{"effort":"none"}})", "reasoning.effort");
  const auto messages = [](const char* more) {
    return Body(R"("max_tokens":9,)" + std::string(more));
  };
  expect("/v1/messages", messages(R"("thinking":{"type":"disabled"})"), "thinking");
  expect("/v1/messages", messages(R"("output_config":{"effort":"none"})"), "output_config.effort");
}

TEST_F(HarmonyApiTest, ThoughtsMayBeLimited) {
  Script("<|channel|>final<|message|>Four.<|return|>");
  const auto sampling = [&](const char* path, std::string_view body) {
    AskJson(path, body);
    return engine_->last_request().sampling;
  };
  const auto text = [&](const auto& tokens) {
    return model_.tokenizer->Decode(std::vector<int32_t>(tokens.begin(), tokens.end()), false);
  };
  constexpr const char* kEnds = "<|end|><|start|><|channel|><|message|><|call|><|return|>";
  const v1::SamplingParams chat = sampling(kChat, Body(R"("max_thinking_tokens":9)"));
  EXPECT_EQ(text(chat.thoughts_begin_tokens()), "<|channel|>analysis<|message|>");
  EXPECT_EQ(text(chat.thoughts_end_tokens()), kEnds);
  EXPECT_EQ(chat.max_thought_tokens(), 9);
  EXPECT_TRUE(chat.thoughts_recur());
  EXPECT_FALSE(chat.thoughts_opened());
  const v1::SamplingParams messages = sampling(
      "/v1/messages", Body(R"("max_tokens":99,"thinking":{"type":"enabled","budget_tokens":8})"));
  EXPECT_EQ(text(messages.thoughts_begin_tokens()), "<|channel|>analysis<|message|>");
  EXPECT_EQ(messages.max_thought_tokens(), 8);
  const v1::SamplingParams opened =
      sampling("/v1/completions",
               R"({"prompt":"<|start|>assistant<|channel|>analysis<|message|>Hm",
                   "max_thinking_tokens":7})");
  EXPECT_TRUE(opened.thoughts_opened());
  EXPECT_EQ(text(opened.thoughts_begin_tokens()), "<|channel|>analysis<|message|>");
  EXPECT_EQ(text(opened.thoughts_end_tokens()), kEnds);
  EXPECT_EQ(opened.max_thought_tokens(), 7);
  EXPECT_TRUE(opened.thoughts_recur());
  // A form has none before it, and what is no chat begins none by itself.
  EXPECT_EQ(text(sampling(kChat, Body(R"("max_thinking_tokens":9,"guided_choice":["a","b"])"))
                     .thoughts_end_tokens()),
            "");
  EXPECT_EQ(text(sampling("/v1/completions", R"({"prompt":"Hi","max_thinking_tokens":9})")
                     .thoughts_end_tokens()),
            "");
  EXPECT_EQ(text(sampling(kChat, Body(R"("seed":1)")).thoughts_end_tokens()), "");
}

// The head of the message that has the form is part of the prompt.
TEST_F(HarmonyApiTest, CountsThePromptOfAForm) {
  const std::string fields = R"("messages":[{"role":"user","content":"Hi"}],
      "output_format":{"type":"json_schema","schema":{"type":"object"}})";
  Script("{}<|return|>");
  AskJson("/v1/messages", fmt::format(R"({{"max_tokens":4,{}}})", fields));
  EXPECT_EQ(AskJson("/v1/messages/count_tokens", fmt::format("{{{}}}", fields))["input_tokens"],
            engine_->last_request().prompt_tokens.size());
}

TEST_F(HarmonyApiTest, AToolNeedsNoDescription) {
  Script("<|channel|>final<|message|>Four.<|return|>");
  for (const char* more : {"", R"("description":null,)"}) {
    AskJson(kChat, Body(fmt::format(R"("tools":[{{"type":"function","function":{{{}
        "name":"look_up"}}}}])",
                                    more)));
    EXPECT_THAT(Prompt(), HasSubstr("// \ntype look_up = () => any;"));
  }
}

std::string History(std::string_view arguments) {
  return fmt::format(
      R"({{"messages":[{{"role":"user","content":"Hi"}},{{"role":"assistant","content":null,
          "tool_calls":[{{"id":"1","type":"function","function":{{"name":"look_up"{}}}}}]}}]}})",
      arguments);
}

TEST_F(HarmonyApiTest, NoArgumentsAreAnEmptyObject) {
  Script("<|channel|>final<|message|>Four.<|return|>");
  for (const char* arguments : {"", R"(,"arguments":"")", R"(,"arguments":null)"}) {
    AskJson(kChat, History(arguments));
    EXPECT_THAT(Prompt(), HasSubstr("commentary json<|message|>{}<|call|>")) << arguments;
  }
  for (const char* arguments : {"", R"(,"arguments":"")", R"(,"arguments":null)"}) {
    AskJson(kResponses, fmt::format(R"({{"input":[{{"role":"user","content":"Hi"}},
        {{"type":"function_call","call_id":"1","name":"look_up"{}}}]}})",
                                    arguments));
    EXPECT_THAT(Prompt(), HasSubstr("commentary json<|message|>{}<|call|>")) << arguments;
  }
}

// This template takes values: what was cut is none, and the item that has it is named.
TEST_F(HarmonyApiTest, CutArgumentsAreNamed) {
  EXPECT_EQ(AskJson(kChat, History(R"(,"arguments":"{\"a\":")"), 400)["error"]["param"],
            "messages[1].tool_calls");
  EXPECT_EQ(AskJson(kResponses, R"({"input":[{"role":"user","content":"Hi"},
      {"type":"function_call","call_id":"1","name":"f","arguments":"{}"},
      {"type":"function_call","call_id":"2","name":"f","arguments":"{\"a\":"}]})",
                    400)["error"]["param"],
            "input[2].arguments");
  Script(" to=functions.look_up<|channel|>commentary json<|message|>{\"key\": \"b");
  const Json cut = AskJson(kResponses, R"({"input":"Hi","tool_choice":"required","tools":[
      {"type":"function","name":"look_up","parameters":{"type":"object"}}]})");
  ASSERT_EQ(cut["output"][0]["type"], "function_call");
  EXPECT_EQ(
      AskJson(kResponses,
              fmt::format(R"({{"input":"Go on","previous_response_id":{}}})", cut["id"].dump()),
              400)["error"]["param"],
      "previous_response_id");
}

}  // namespace
}  // namespace switchyard::gateway
