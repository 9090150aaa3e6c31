// Errors name the field of the request that they are about, whoever finds them, in the words of the
// dialect that was asked; and what cannot fit is refused before it takes time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <tuple>

#include "base/field_error.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using ::testing::HasSubstr;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";
constexpr const char* kResponses = "/v1/responses";
constexpr const char* kMessages = "/v1/messages";

std::string Chat(std::string_view content = "Hi") {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"{}"}}]}})", content);
}

// Counts what it is asked to encode.
class CountingTokenizer final : public text::Tokenizer {
 public:
  explicit CountingTokenizer(const text::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  absl::StatusOr<std::vector<int32_t>> Encode(std::string_view text,
                                              const text::EncodeOptions& options) const override {
    ++num_encoded_;
    return tokenizer_.Encode(text, options);
  }
  absl::StatusOr<std::vector<int32_t>> EncodeRendered(
      const text::RenderedText& prompt) const override {
    ++num_encoded_;
    return tokenizer_.EncodeRendered(prompt);
  }
  std::string_view DecodeToken(int32_t id) const override { return tokenizer_.DecodeToken(id); }
  bool IsSpecial(int32_t id) const override { return tokenizer_.IsSpecial(id); }
  int32_t vocab_size() const override { return tokenizer_.vocab_size(); }
  std::optional<int32_t> TokenToId(std::string_view token) const override {
    return tokenizer_.TokenToId(token);
  }
  std::optional<size_t> max_token_bytes() const override { return tokenizer_.max_token_bytes(); }
  std::optional<int32_t> bos_id() const override { return tokenizer_.bos_id(); }
  std::optional<int32_t> eos_id() const override { return tokenizer_.eos_id(); }

  int num_encoded() const { return num_encoded_; }

 private:
  const text::Tokenizer& tokenizer_;
  mutable std::atomic<int> num_encoded_{0};
};

class ErrorFieldsTest : public ApiFixture {
 protected:
  void SetUp() override { StartHttp(); }

  // Whether the answer is whole or streamed.
  void ExpectParam(const char* path, std::string body, int status, const Json& param) {
    EXPECT_EQ(AskJson(path, body, status)["error"]["param"], param) << path;
    body.insert(body.size() - 1, R"(,"stream":true)");
    EXPECT_EQ(AskJson(path, body, status)["error"]["param"], param) << path;
  }

  CountingTokenizer counting_{*TinyModel().tokenizer};
};

TEST_F(ErrorFieldsTest, WhatTheEngineRefusesNamesTheFieldInTheDialectsWords) {
  const auto fail = [&](absl::Status status, const char* field) {
    engine_->SetAnswer({.ending = FakeAnswer::Ending::kFail,
                        .error = *field == 0 ? status : AboutField(status, field)});
  };
  fail(absl::InvalidArgumentError("too long"), "prompt");
  ExpectParam(kCompletions, R"({"prompt":[5]})", 400, "prompt");
  ExpectParam(kChat, Chat(), 400, "messages");
  ExpectParam(kResponses, R"({"input":"Hi"})", 400, "input");
  fail(absl::InvalidArgumentError("too much"), "max_tokens");
  ExpectParam(kChat, R"({"messages":[{"role":"user","content":"Hi"}],"max_completion_tokens":9})",
              400, "max_completion_tokens");
  ExpectParam(kChat, Chat(), 400, "max_tokens");
  ExpectParam(kResponses, R"({"input":"Hi"})", 400, "max_output_tokens");
  fail(absl::InvalidArgumentError("too much"), "logprobs");
  ExpectParam(kCompletions, R"({"prompt":[5],"logprobs":3})", 400, "logprobs");
  ExpectParam(kChat,
              R"({"messages":[{"role":"user","content":"Hi"}],"logprobs":true,"top_logprobs":3})",
              400, "top_logprobs");
  fail(absl::DeadlineExceededError("late"), "timeout");
  ExpectParam(kChat, Chat(), 504, "timeout");
  fail(absl::UnavailableError("rank 3 was lost"), "");
  ExpectParam(kChat, Chat(), 503, nullptr);
}

// Fields that have several names, or another in another dialect, are named as the request has them,
// as param and in the message.
TEST_F(ErrorFieldsTest, AFieldIsNamedAsTheRequestHasIt) {
  const auto expect = [&](const char* path, std::string_view body, std::string_view more,
                          const std::string& name) {
    const Json error =
        AskJson(path, fmt::format("{},{}}}", body.substr(0, body.size() - 1), more), 400)["error"];
    EXPECT_EQ(error["param"], name) << more;
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("'" + name + "'")) << more;
  };
  const std::string chat = Chat(), input = R"({"input":"Hi"})", prompt = R"({"prompt":"Hi"})";
  expect(kChat, chat, R"("logprobs":true,"top_logprobs":21)", "top_logprobs");
  expect(kCompletions, prompt, R"("logprobs":21)", "logprobs");
  expect(kChat, chat, R"("max_completion_tokens":0)", "max_completion_tokens");
  expect(kChat, chat, R"("max_completion_tokens":1000)", "max_completion_tokens");
  expect(kChat, chat, R"("max_tokens":0)", "max_tokens");
  expect(kChat, chat, R"("max_tokens":1000)", "max_tokens");
  expect(kChat, chat, R"("stop":[""])", "stop");
  expect(kResponses, input, R"("max_output_tokens":0)", "max_output_tokens");
  expect(kResponses, input, R"("max_output_tokens":"x")", "max_output_tokens");
  expect(kResponses, input, R"("max_output_tokens":1000)", "max_output_tokens");
  expect(kResponses, input, R"("reasoning":{"effort":"x"})", "reasoning.effort");
  const Json error = AskJson(kChat, R"({"messages":[{"role":"user","content":"Hi"}],
      "max_completion_tokens":3,"min_tokens":4})",
                             400)["error"];
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("'max_completion_tokens'"));
}

// Also of what changes nothing, and of what stands within a field.
TEST_F(ErrorFieldsTest, AWrongTypeIsNamedByItsWholePath) {
  const auto expect = [&](const char* path, std::string_view body, std::string_view more,
                          const std::string& name) {
    const std::string_view begin = body.substr(0, body.size() - 1);
    const Json answer = AskJson(path, fmt::format("{},{}}}", begin, more), 400);
    const Json error = answer.value("error", Json{{"param", ""}, {"message", ""}});
    const bool has_param = path != kMessages;
    if (has_param) {
      EXPECT_EQ(error["param"], name) << more;
    }
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("'" + name + "'")) << more;
  };
  const std::string chat = Chat(), input = R"({"input":"Hi"})", prompt = R"({"prompt":"Hi"})";
  for (const char* name : {"user", "safety_identifier", "prompt_cache_key",
                           "prompt_cache_retention", "service_tier", "metadata"}) {
    const std::string wrong = fmt::format(R"("{}":5)", name);
    expect(kChat, chat, wrong, name);
    expect(kCompletions, prompt, wrong, name);
    expect(kResponses, input, wrong, name);
  }
  expect(kChat, chat, R"("metadata":{"a":1})", "metadata");
  for (const char* name : {"include_usage", "continuous_usage_stats"}) {
    expect(kChat, chat, fmt::format(R"("stream":true,"stream_options":{{"{}":"yes"}})", name),
           fmt::format("stream_options.{}", name));
  }
  expect(kResponses, input, R"("stream_options":5)", "stream_options");
  expect(kResponses, input, R"("text":{"verbosity":5})", "text.verbosity");
  expect(kResponses, input, R"("reasoning":{"summary":5})", "reasoning.summary");
  const std::string messages = R"({"max_tokens":4,"messages":[{"role":"user","content":"Hi"}]})";
  for (const char* wrong :
       {R"("description":5)", R"("strict":"yes")", R"("parameters":"x")", R"("parameters":[])"}) {
    const std::string name = std::string(wrong).substr(1, std::string(wrong).find(':') - 2);
    expect(kChat, chat,
           fmt::format(R"("tools":[{{"type":"function","function":{{"name":"f",{}}}}}])", wrong),
           "tools[0].function." + name);
    expect(kResponses, input,
           fmt::format(R"("tools":[{{"type":"function","name":"f",{}}}])", wrong),
           "tools[0]." + name);
    if (name == "parameters") continue;
    expect(kMessages, messages,
           fmt::format(R"("tools":[{{"name":"f","input_schema":{{}},{}}}])", wrong),
           "tools[0]." + name);
  }
  expect(kMessages, messages, R"("thinking":{"type":"enabled","budget_tokens":"x"})",
         "thinking.budget_tokens");
  expect(kMessages, messages, R"("tool_choice":{"type":"auto","disable_parallel_tool_use":"x"})",
         "tool_choice.disable_parallel_tool_use");
  expect(kMessages, R"({"max_tokens":4})",
         R"("messages":[{"role":"user","content":[
             {"type":"tool_result","tool_use_id":"t","content":"a","is_error":"x"}]}])",
         "messages[0].content[0].is_error");
}

TEST_F(ErrorFieldsTest, NullIsNoWrongType) {
  AskJson(kChat, R"({"messages":[{"role":"user","content":"Hi"}],"user":null,"metadata":null,
      "service_tier":null,"stream_options":null,"tools":[{"type":"function","function":{
      "name":"f","description":null,"parameters":null,"strict":null}}]})");
  AskJson(kResponses, R"({"input":"Hi","text":{"verbosity":null},"reasoning":{"summary":null}})");
}

TEST_F(ErrorFieldsTest, APromptThatDoesNotFitIsNamedByItsField) {
  std::string words = "a";
  for (int i = 0; i < 70; ++i) words += " b";
  const auto error = [&](const char* path, const std::string& body) {
    return AskJson(path, body, 400)["error"];
  };
  for (const auto& [path, body, param] :
       {std::tuple(kCompletions, fmt::format(R"({{"prompt":"{}"}})", words), "prompt"),
        std::tuple(kChat, Chat(words), "messages"),
        std::tuple(kResponses, fmt::format(R"({{"input":"{}"}})", words), "input")}) {
    EXPECT_EQ(error(path, body)["param"], param);
    EXPECT_EQ(error(path, body)["code"], "context_length_exceeded");
  }
}

// Megabytes would keep a thread that others wait for.
TEST_F(ErrorFieldsTest, MoreBytesThanTheContextCanHoldAreNotTokenized) {
  model_.tokenizer = &counting_;
  const size_t most = counting_.max_token_bytes().value();
  const size_t num_fit = most * size_t(model_.context_length);
  const auto ask = [&](const char* path, const std::string& body) {
    const Json error = AskJson(path, body, 400)["error"];
    EXPECT_EQ(error["code"], "context_length_exceeded");
    return error["message"].get<std::string>();
  };
  const std::string blanks(num_fit + most, ' ');
  EXPECT_THAT(ask(kCompletions, fmt::format(R"({{"prompt":"{}"}})", blanks)), HasSubstr("bytes"));
  EXPECT_THAT(ask(kCompletions, fmt::format(R"({{"prompt":["a","{}"]}})", blanks)),
              HasSubstr("bytes"));
  EXPECT_EQ(counting_.num_encoded(), 1) << "the prompt before it";
  EXPECT_THAT(ask(kChat, Chat(blanks)), HasSubstr("bytes"));
  EXPECT_EQ(counting_.num_encoded(), 1);
  // One that might fit is counted in tokens.
  EXPECT_THAT(ask(kCompletions, fmt::format(R"({{"prompt":"{}"}})", std::string(num_fit, 'x'))),
              HasSubstr("tokens, and the context of"));
  EXPECT_EQ(counting_.num_encoded(), 2);
  // Those who only count have no context.
  AskJson("/tokenize", fmt::format(R"({{"prompt":"{}"}})", blanks));
  EXPECT_EQ(counting_.num_encoded(), 3);
}

}  // namespace
}  // namespace switchyard::gateway
