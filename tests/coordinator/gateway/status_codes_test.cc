// Each status where its meaning fits, over real sockets, in the shape of the dialect that was
// asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using switchyard::testing::Get;
using switchyard::testing::HttpAnswer;
using switchyard::testing::HttpClient;
using switchyard::testing::Post;
using ::testing::HasSubstr;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kMessages[] = "/v1/messages";
constexpr char kTools[] = R"(,"tools":[{"type":"function","function":{"name":"f"}}])";
constexpr char kMessagesTools[] = R"(,"tools":[{"name":"f","input_schema":{}}])";

// A request that is right, and takes both dialects' fields.
std::string Body(std::string_view more = "") {
  return fmt::format(R"({{"max_tokens":4,"messages":[{{"role":"user","content":"Hi"}}]{}}})", more);
}

class StatusCodesTest : public ApiFixture {
 protected:
  void SetUp() override {
    model_.tool_format.reset();
    StartHttp({.limits = {.max_body_bytes = 1000}, .read_timeout = std::chrono::milliseconds(50)});
    engine_->SetAnswer({.tokens = TokensThenEos("x")});
  }

  // The answer to `bytes`, which is to be an error with this status; its head.
  HttpAnswer ExpectOpenAi(const std::string& bytes, int status, std::string_view type,
                          const Json& code) {
    const HttpAnswer answer = Ask(bytes);
    EXPECT_EQ(answer.status, status) << bytes;
    EXPECT_EQ(answer.headers.at("content-type"), "application/json");
    const Json body = ParseJson(answer.body).value();
    EXPECT_EQ(body["error"]["type"], type) << answer.body;
    EXPECT_EQ(body["error"]["code"], code) << answer.body;
    EXPECT_FALSE(body["error"]["message"].get<std::string>().empty());
    return answer;
  }
  HttpAnswer ExpectAnthropic(const std::string& bytes, int status, std::string_view type) {
    const HttpAnswer answer = Ask(bytes);
    EXPECT_EQ(answer.status, status) << bytes;
    const Json body = ParseJson(answer.body).value();
    EXPECT_EQ(body["type"], "error") << answer.body;
    EXPECT_EQ(body["error"]["type"], type) << answer.body;
    return answer;
  }
};

std::string PostText(std::string_view path) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: t\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{{}}",
      path);
}
std::string PostEncoded(std::string_view path, std::string_view headers) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n{}Content-Length: "
      "{}\r\n\r\n{}",
      path, headers, Body().size(), Body());
}
std::string Half(std::string_view path) {
  return fmt::format("POST {} HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nhalf", path);
}
std::string Oversized(std::string_view path) { return Post(path, std::string(1001, ' ')); }
std::string ManyFields(std::string_view path) {
  std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: t\r\n", path);
  for (int i = 0; i < 100; ++i) request += fmt::format("X-{}: y\r\n", i);
  return request + "\r\n";
}

TEST_F(StatusCodesTest, OfOpenAisDialect) {
  constexpr char kInvalid[] = "invalid_request_error";
  ExpectOpenAi(Post(kChat, "{"), 400, kInvalid, nullptr);
  ExpectOpenAi(Post(kChat, Body(R"(,"temperature":"hot")")), 400, kInvalid, nullptr);
  ExpectOpenAi(Post(kChat, Body(R"(,"model":"other")")), 404, kInvalid, "model_not_found");
  ExpectOpenAi(Get("/v1/models/other"), 404, kInvalid, "model_not_found");
  ExpectOpenAi(Get("/nothing"), 404, kInvalid, "not_found");
  const HttpAnswer method = ExpectOpenAi(Get(kChat), 405, kInvalid, nullptr);
  EXPECT_EQ(method.headers.at("allow"), "POST, OPTIONS");
  ExpectOpenAi(Half(kChat), 408, kInvalid, nullptr);
  ExpectOpenAi(Oversized(kChat), 413, kInvalid, nullptr);
  ExpectOpenAi(PostText(kChat), 415, kInvalid, nullptr);
  ExpectOpenAi(PostEncoded(kChat, "Content-Encoding: gzip\r\n"), 415, kInvalid, nullptr);
  ExpectOpenAi(Post(kChat, Body(kTools)), 422, kInvalid, "unsupported_parameter");
  ExpectOpenAi(ManyFields(kChat), 431, kInvalid, nullptr);
  engine_->SetSubmitStatus(absl::ResourceExhaustedError("the queue is full"));
  const HttpAnswer full =
      ExpectOpenAi(Post(kChat, Body()), 429, "rate_limit_error", "rate_limit_exceeded");
  EXPECT_EQ(full.headers.at("retry-after"), "1");
  engine_->SetSubmitStatus(absl::UnavailableError("the cluster is loading"));
  const HttpAnswer loading =
      ExpectOpenAi(Post(kChat, Body()), 503, "server_error", "service_unavailable");
  EXPECT_EQ(loading.headers.at("retry-after"), "1");
}

TEST_F(StatusCodesTest, OfAnthropicsDialect) {
  constexpr char kInvalid[] = "invalid_request_error";
  ExpectAnthropic(Post(kMessages, "{"), 400, kInvalid);
  ExpectAnthropic(Post(kMessages, Body(R"(,"model":"other")")), 404, "not_found_error");
  const HttpAnswer method = ExpectAnthropic(Get(kMessages), 405, kInvalid);
  EXPECT_EQ(method.headers.at("allow"), "POST, OPTIONS");
  ExpectAnthropic(Half(kMessages), 408, kInvalid);
  ExpectAnthropic(Oversized(kMessages), 413, "request_too_large");
  ExpectAnthropic(PostText(kMessages), 415, kInvalid);
  ExpectAnthropic(PostEncoded(kMessages, "Content-Encoding: br\r\n"), 415, kInvalid);
  ExpectAnthropic(Post(kMessages, Body(kMessagesTools)), 422, kInvalid);
  ExpectAnthropic(ManyFields(kMessages), 431, kInvalid);
  engine_->SetSubmitStatus(absl::ResourceExhaustedError("the queue is full"));
  EXPECT_EQ(
      ExpectAnthropic(Post(kMessages, Body()), 429, "rate_limit_error").headers.at("retry-after"),
      "1");
  engine_->SetSubmitStatus(absl::UnavailableError("the cluster is loading"));
  EXPECT_EQ(
      ExpectAnthropic(Post(kMessages, Body()), 503, "overloaded_error").headers.at("retry-after"),
      "1");
}

// A body that no coding has changed is taken; one that another field says is coded is not.
TEST_F(StatusCodesTest, ABodyIsTakenAsItIsOrRefused) {
  const auto status = [&](std::string_view headers) {
    return Ask(PostEncoded(kChat, headers)).status;
  };
  EXPECT_EQ(status(""), 200);
  EXPECT_EQ(status("Content-Encoding: identity\r\n"), 200);
  EXPECT_EQ(status("Content-Encoding: Identity , \r\n"), 200);
  EXPECT_EQ(status("Content-Encoding: x-unheard-of\r\n"), 415);
  EXPECT_EQ(status("Content-Encoding: identity, GZIP\r\n"), 415);
  EXPECT_EQ(status("Content-Encoding: identity\r\nContent-Encoding: gzip\r\n"), 415);
  const HttpAnswer refused = Ask(PostEncoded(kChat, "Content-Encoding: gzip\r\n"));
  EXPECT_EQ(refused.headers.at("accept-encoding"), "identity");
  EXPECT_THAT(refused.body, HasSubstr("Content-Encoding"));
}

class SlowReaderTest : public ApiFixture {};

TEST_F(SlowReaderTest, IsCutOffItsRequestEndedAndOthersGoOn) {
  StartHttp({.max_write_queue_bytes = 64 << 10});
  model_.context_length = 1 << 30;
  engine_->SetAnswer(
      {.tokens = Tokens(std::string(2000, 'x')), .ending = FakeAnswer::Ending::kRepeat});
  HttpClient slow(http_->port(), /*receive_buffer_bytes=*/4096);
  ASSERT_TRUE(
      slow.Send(Post(kChat, R"({"stream":true,"messages":[{"role":"user","content":"Hi"}]})")));
  ASSERT_TRUE(engine_->WaitForSubmissions(1));
  for (int i = 0; i < 20; ++i) {
    const HttpAnswer answer = Ask(Post(kChat, Body()));
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.body, HasSubstr("xxx"));
  }
  EXPECT_TRUE(engine_->WaitForCancels(1)) << "what it held is free again";
  EXPECT_TRUE(slow.WaitForClose());
}

}  // namespace
}  // namespace switchyard::gateway
