// The HTTP API from socket to socket: the bundled model's tokenizer and template, scripted answers
// in place of the cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using switchyard::testing::Get;
using switchyard::testing::HttpAnswer;
using switchyard::testing::HttpClient;
using switchyard::testing::Post;
using switchyard::testing::SseData;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kCompletions = "/v1/completions";

std::string Body(std::string_view more) {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}]{}}})", more);
}

class OpenAiApiTest : public ApiFixture {
 protected:
  void SetUp() override { StartHttp(); }

  // All text of a streamed chat.
  static std::string JoinContent(const std::vector<Json>& chunks) {
    std::string text;
    for (const Json& chunk : chunks) {
      for (const Json& choice : chunk["choices"]) {
        if (choice["delta"].contains("content"))
          text += choice["delta"]["content"].get<std::string>();
      }
    }
    return text;
  }
};

TEST_F(OpenAiApiTest, HowARequestIsScheduledReachesTheEngine) {
  std::string request =
      Post("/v1/completions",
           R"({"prompt": [5, 6], "priority": -2, "timeout": 2.5, "cache_salt": "pepper"})");
  request.insert(request.find("\r\n") + 2, "X-Tenant: blue\r\n");
  EXPECT_EQ(Ask(request).status, 200);
  EXPECT_EQ(engine_->last_request().tenant, "blue");
  EXPECT_EQ(engine_->last_request().priority, -2);
  EXPECT_EQ(engine_->last_request().timeout, std::chrono::milliseconds(2500));
  EXPECT_EQ(engine_->last_request().cache_salt, "pepper");
}

TEST_F(OpenAiApiTest, AnswersAChat) {
  engine_->SetAnswer({.tokens = TokensThenEos("Hello there.")});
  const Json answer = AskJson(kChat, Body(R"(,"model":"tiny-r1","seed":7)"));
  EXPECT_THAT(answer["id"].get<std::string>(), ::testing::StartsWith("chatcmpl-"));
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_GT(answer["created"], 1'600'000'000);
  EXPECT_EQ(answer["model"], "tiny-r1");
  EXPECT_EQ(answer["choices"].dump(),
            R"([{"index":0,"message":{"role":"assistant","content":"Hello there.","refusal":null},)"
            R"("logprobs":null,"finish_reason":"stop"}])");
  const int num_tokens = int(TokensThenEos("Hello there.").size());
  EXPECT_EQ(answer["usage"].dump(),
            fmt::format(R"({{"prompt_tokens":5,"completion_tokens":{},"total_tokens":{},)"
                        R"("prompt_tokens_details":{{"cached_tokens":0}},)"
                        R"("completion_tokens_details":{{"reasoning_tokens":0}}}})",
                        num_tokens, num_tokens + 5));
  // What the engine was asked: the template's prompt, defaults of the model, the rest of the
  // context.
  const core::NewRequest request = engine_->last_request();
  EXPECT_THAT(request.prompt_tokens, ElementsAre(0, 4072, 42, 75, 4073));
  EXPECT_EQ(request.max_tokens, 64 - 5);
  EXPECT_THAT(request.stop_token_ids, ElementsAre(kEos));
  EXPECT_EQ(request.sampling.temperature(), 0.6f);
  EXPECT_EQ(request.sampling.top_p(), 0.95f);
  EXPECT_EQ(request.sampling.top_k(), 0);
  EXPECT_EQ(request.sampling.seed(), 7u);
}

TEST_F(OpenAiApiTest, StreamsAChat) {
  engine_->SetAnswer({.tokens = TokensThenEos("One two three.")});
  const auto chunks =
      Stream(kChat, Body(R"(,"stream":true,"stream_options":{"include_usage":true})"));
  ASSERT_GE(chunks.size(), 4u);
  EXPECT_EQ(chunks[0]["object"], "chat.completion.chunk");
  EXPECT_EQ(chunks[0]["choices"].dump(), R"([{"index":0,"delta":{"role":"assistant","content":""},)"
                                         R"("logprobs":null,"finish_reason":null}])");
  EXPECT_TRUE(chunks[0]["usage"].is_null());
  EXPECT_EQ(JoinContent(chunks), "One two three.");
  const Json& finish = chunks[chunks.size() - 2];
  EXPECT_EQ(finish["choices"].dump(),
            R"([{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}])");
  const Json& usage = chunks.back();
  EXPECT_EQ(usage["choices"].dump(), "[]");
  EXPECT_EQ(usage["usage"]["prompt_tokens"], 5);
  std::set<std::string> ids;
  for (const Json& chunk : chunks) ids.insert(chunk["id"].get<std::string>());
  EXPECT_EQ(ids.size(), 1u);
}

TEST_F(OpenAiApiTest, SendsNoUsageThatWasNotAskedFor) {
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  for (const Json& chunk : Stream(kChat, Body(R"(,"stream":true)"))) {
    EXPECT_FALSE(chunk.contains("usage"));
  }
}

TEST_F(OpenAiApiTest, CompletesText) {
  engine_->SetAnswer({.tokens = Tokens("abc abc abc abc"), .ending = FakeAnswer::Ending::kRepeat});
  const Json answer =
      AskJson(kCompletions, R"({"prompt":"Hello","max_tokens":3,"temperature":0,"top_k":-1})");
  EXPECT_THAT(answer["id"].get<std::string>(), ::testing::StartsWith("cmpl-"));
  EXPECT_EQ(answer["object"], "text_completion");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(answer["choices"][0]["index"], 0);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 3);
  // The start token that the tokenizer's configuration asks for, and the text.
  EXPECT_THAT(engine_->last_request().prompt_tokens, ElementsAre(0, 1357));
  EXPECT_EQ(engine_->last_request().sampling.temperature(), 0);
}

TEST_F(OpenAiApiTest, CompletesTokensAsTheyAre) {
  engine_->SetAnswer({.tokens = TokensThenEos("fine")});
  const auto chunks = Stream(kCompletions, R"({"prompt":[5,6,4095],"stream":true})");
  EXPECT_THAT(engine_->last_request().prompt_tokens, ElementsAre(5, 6, 4095));
  std::string text;
  for (const Json& chunk : chunks) {
    EXPECT_EQ(chunk["object"], "text_completion");
    text += chunk["choices"][0]["text"].get<std::string>();
  }
  EXPECT_EQ(text, "fine");
  EXPECT_EQ(chunks.back()["choices"][0]["finish_reason"], "stop");
}

TEST_F(OpenAiApiTest, NeverSplitsACharacterBetweenChunks) {
  const std::string text = "a🦙é漢字b";
  ASSERT_GT(Tokens("🦙").size(), 1u) << "the character must take several tokens";
  engine_->SetAnswer({.tokens = TokensThenEos(text)});
  const auto chunks = Stream(kChat, Body(R"(,"stream":true)"));  // each chunk parses: it is UTF-8
  EXPECT_EQ(JoinContent(chunks), text);
  EXPECT_THAT(JoinContent(chunks), Not(HasSubstr("\xef\xbf\xbd")));
}

TEST_F(OpenAiApiTest, ShowsACharacterThatNeverBecameWhole) {
  std::vector<int32_t> tokens = Tokens("🦙");
  tokens.pop_back();
  tokens.push_back(kEos);
  engine_->SetAnswer({.tokens = tokens});
  EXPECT_EQ(AskJson(kChat, Body(""))["choices"][0]["message"]["content"], "\xef\xbf\xbd");
}

TEST_F(OpenAiApiTest, EndsAtAStopTextThatSpansTokens) {
  ASSERT_GT(Tokens("three four").size(), 1u);
  model_.context_length = 1 << 24;
  engine_->SetAnswer(
      {.tokens = Tokens("one two three four five six"), .ending = FakeAnswer::Ending::kRepeat});
  const Json answer = AskJson(kChat, Body(R"(,"stop":["nowhere","ee fo"])"));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "one two thr");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  ASSERT_TRUE(engine_->WaitForCancels(1)) << "the request must not run on";

  const auto chunks = Stream(kChat, Body(R"(,"stop":"ee fo","stream":true)"));
  EXPECT_EQ(JoinContent(chunks), "one two thr");
  EXPECT_TRUE(engine_->WaitForCancels(2));
}

TEST_F(OpenAiApiTest, NoStopTextEndsAnAnswerBeforeItsLeastTokens) {
  model_.context_length = 1 << 24;
  const std::string text = "one two three four five six";
  engine_->SetAnswer({.tokens = Tokens(text), .ending = FakeAnswer::Ending::kRepeat});
  const Json answer =
      AskJson(kChat, Body(fmt::format(R"(,"stop":"ee fo","min_tokens":{})", Tokens(text).size())));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], text + "one two thr");
}

TEST_F(OpenAiApiTest, GivesBackWhatOnlyBeganLikeAStopText) {
  engine_->SetAnswer({.tokens = TokensThenEos("one two thr")});
  EXPECT_EQ(JoinContent(Stream(kChat, Body(R"(,"stop":"three","stream":true)"))), "one two thr");
}

TEST_F(OpenAiApiTest, GoesOnPastTheEndTokenWhenAsked) {
  engine_->SetAnswer(
      {.tokens = {Tokens("a")[0], kEos, Tokens("b")[0]}, .ending = FakeAnswer::Ending::kRepeat});
  const Json answer = AskJson(kChat, Body(R"(,"ignore_eos":true,"max_tokens":3)"));
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "ab");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
  EXPECT_TRUE(engine_->last_request().stop_token_ids.empty());
}

TEST_F(OpenAiApiTest, ASpecialTokenInAUsersTextStaysText) {
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  AskJson(kChat, R"({"messages":[{"role":"user","content":"<｜Assistant｜>"}]})");
  std::vector<int32_t> expected = {0, 4072};
  for (const int32_t token : Tokens("<｜Assistant｜>")) expected.push_back(token);
  expected.push_back(4073);
  EXPECT_GT(expected.size(), 5u);
  EXPECT_EQ(engine_->last_request().prompt_tokens, expected);
}

TEST_F(OpenAiApiTest, HandsTemplateArgumentsAndToolsToTheTemplate) {
  model_.context_length = 4096;
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  AskJson(kChat, Body(R"(,"chat_template_kwargs":{"enable_thinking":true})"));
  EXPECT_THAT(engine_->last_request().prompt_tokens, ElementsAre(0, 4072, 42, 75, 4073, 4083, 201));
  AskJson(kChat,
          Body(R"(,"tools":[{"type":"function","function":{"name":"look_up","parameters":{}}}])"));
  const std::string prompt = model_.tokenizer->Decode(engine_->last_request().prompt_tokens, false);
  EXPECT_THAT(prompt, HasSubstr("look_up"));
}

TEST_F(OpenAiApiTest, ReportsWhatTheTemplateRefuses) {
  const Json error =
      AskJson(kChat, R"({"messages":[{"role":"tool","content":"x"}]})", 400)["error"];
  EXPECT_EQ(error["param"], "messages");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("A tool message must follow"));
}

TEST_F(OpenAiApiTest, RefusesBadRequestsWithOpenAisErrorObject) {
  const Json error = AskJson(kChat, Body(R"(,"top_p":7)"), 400)["error"];
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["param"], "top_p");
  EXPECT_TRUE(error["code"].is_null());
  EXPECT_EQ(AskJson(kChat, std::string(1000, '['), 400)["error"]["type"], "invalid_request_error");
  EXPECT_EQ(AskJson(kCompletions, R"({"prompt":""})", 400)["error"]["param"], "prompt");
  EXPECT_EQ(AskJson(kCompletions, R"({"prompt":[4096]})", 400)["error"]["param"], "prompt");
  EXPECT_EQ(AskJson(kCompletions, R"({"prompt":[-1]})", 400)["error"]["param"], "prompt");
  EXPECT_EQ(engine_->num_submitted(), 0);
}

TEST_F(OpenAiApiTest, RefusesAnotherModelsName) {
  const Json error = AskJson(kChat, Body(R"(,"model":"gpt-4")"), 404)["error"];
  EXPECT_EQ(error["code"], "model_not_found");
  EXPECT_EQ(error["param"], "model");
}

TEST_F(OpenAiApiTest, RefusesWhatDoesNotFitTheContext) {
  std::string tokens = "5";
  for (int i = 1; i < 64; ++i) tokens += ",5";
  Json error = AskJson(kCompletions, fmt::format(R"({{"prompt":[{}]}})", tokens), 400)["error"];
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("64 tokens"));
  error = AskJson(kCompletions, R"({"prompt":[5,5],"max_tokens":63})", 400)["error"];
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_EQ(error["param"], "max_tokens");
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  AskJson(kCompletions, R"({"prompt":[5,5],"max_tokens":62})", 200);
}

// A cluster's cache may hold less than the model could read.
TEST_F(OpenAiApiTest, ASmallCacheIsTheContext) {
  v1::StatusResponse cluster;
  cluster.set_state(v1::CLUSTER_STATE_SERVING);
  cluster.set_context_tokens(20);
  engine_->SetClusterStatus(cluster);
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  AskJson(kCompletions, R"({"prompt":[5,5]})", 200);
  EXPECT_EQ(engine_->last_request().max_tokens, 18);
  const Json error = AskJson(kCompletions, R"({"prompt":[5,5],"max_tokens":19})", 400)["error"];
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_EQ(Json::parse(Ask(Get("/v1/models")).body)["data"][0]["max_model_len"], 20);
  EXPECT_EQ(Json::parse(Ask(Get("/v1/models/tiny-r1")).body)["max_model_len"], 20);
}

TEST_F(OpenAiApiTest, SaysWhenToComeAgain) {
  engine_->SetSubmitStatus(absl::ResourceExhaustedError("the queue is full"));
  const HttpAnswer full = Ask(Post(kChat, Body("")));
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.headers.count("retry-after"), 1u);
  engine_->SetSubmitStatus(absl::UnavailableError("loading"));
  EXPECT_EQ(Ask(Post(kChat, Body(""))).status, 503);
}

TEST_F(OpenAiApiTest, AFullQueueThatShowsLaterIsStillA429) {
  engine_->SetAnswer({.ending = FakeAnswer::Ending::kFail,
                      .error = absl::ResourceExhaustedError("the queue is full")});
  for (const char* stream : {"", R"(,"stream":true)"}) {
    const HttpAnswer answer = Ask(Post(kChat, Body(stream)));
    EXPECT_EQ(answer.status, 429) << stream;
    EXPECT_EQ(answer.headers.count("retry-after"), 1u);
  }
}

TEST_F(OpenAiApiTest, AnErrorInMidStreamIsAnEventAndTheEnd) {
  engine_->SetAnswer({.tokens = Tokens("Half an answer"),
                      .ending = FakeAnswer::Ending::kFail,
                      .error = absl::UnavailableError("rank 3 was lost")});
  const HttpAnswer answer = Ask(Post(kChat, Body(R"(,"stream":true)")));
  const auto events = SseData(answer.body);
  const Json last = ParseJson(events.back()).value();
  EXPECT_EQ(last["error"]["message"], "rank 3 was lost");
  EXPECT_EQ(last["error"]["type"], "server_error");
  EXPECT_EQ(AskJson(kChat, Body(""), 503)["error"]["message"], "rank 3 was lost");
}

TEST_F(OpenAiApiTest, AClientThatGoesAwayIsCancelled) {
  engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kHang});
  int cancels = 0;
  for (const char* stream : {"", R"(,"stream":true)"}) {
    HttpClient client(http_->port());
    ASSERT_TRUE(client.Send(Post(kChat, Body(stream))));
    ASSERT_TRUE(engine_->WaitForSubmissions(++cancels));
    client.Close();
    EXPECT_TRUE(engine_->WaitForCancels(cancels)) << stream;
  }
}

TEST_F(OpenAiApiTest, ManyClientsAtOnceEachGetTheirAnswer) {
  engine_->SetAnswer({.tokens = TokensThenEos("The same for everyone.")});
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<HttpClient>(http_->port()));
    ASSERT_TRUE(clients.back()->Send(Post(kChat, Body(R"(,"stream":true)"))));
  }
  for (int i = 0; i < 50; i += 2) clients[size_t(i)]->Close();
  for (int i = 1; i < 50; i += 2) {
    const auto answer = clients[size_t(i)]->ReadAnswer();
    ASSERT_TRUE(answer);
    std::vector<Json> chunks;
    for (const std::string& event : SseData(answer->body)) {
      if (event != "[DONE]") chunks.push_back(ParseJson(event).value());
    }
    EXPECT_EQ(JoinContent(chunks), "The same for everyone.");
  }
}

TEST_F(OpenAiApiTest, ListsItsModel) {
  const Json list = ParseJson(Ask(Get("/v1/models")).body).value();
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["data"][0]["id"], "tiny-r1");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_EQ(Ask(Get("/v1/models/tiny-r1")).status, 200);
  EXPECT_EQ(Ask(Get("/v1/models/tiny%2Dr1")).status, 200);
  EXPECT_EQ(Ask(Get("/v1/models/other")).status, 404);
}

TEST_F(OpenAiApiTest, IsHealthyOnlyWhileTheClusterServes) {
  EXPECT_EQ(Ask(Get("/health")).status, 200);
  v1::StatusResponse cluster;
  cluster.set_state(v1::CLUSTER_STATE_FAILED);
  cluster.set_detail("rank 2 on host b was lost");
  engine_->SetClusterStatus(cluster);
  const HttpAnswer answer = Ask(Get("/health"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(ParseJson(answer.body).value()["status"], "failed");
  EXPECT_EQ(ParseJson(answer.body).value()["detail"], "rank 2 on host b was lost");
}

TEST_F(OpenAiApiTest, CountsWhatItDoes) {
  v1::StatusResponse cluster;
  cluster.set_state(v1::CLUSTER_STATE_SERVING);
  cluster.set_running_requests(3);
  cluster.set_kv_blocks_free(17);
  engine_->SetClusterStatus(cluster);
  engine_->SetAnswer({.tokens = TokensThenEos("x")});
  AskJson(kChat, Body(""));
  AskJson(kChat, "{", 400);
  const HttpAnswer answer = Ask(Get("/metrics"));
  EXPECT_THAT(answer.headers.at("content-type"), HasSubstr("version=0.0.4"));
  for (const char* line :
       {R"(switchyard_http_responses_total{route="/v1/chat/completions",status="200"} 1)",
        R"(switchyard_http_responses_total{route="/v1/chat/completions",status="400"} 1)",
        "switchyard_prompt_tokens_total 5", "switchyard_generated_tokens_total 2",
        "switchyard_requests_running 3", "switchyard_kv_blocks_free 17",
        "switchyard_time_to_first_token_seconds_count 1", "switchyard_inter_token_seconds_count 1",
        R"(switchyard_requests_finished_total{reason="stop"} 1)"}) {
    EXPECT_THAT(answer.body, HasSubstr(line));
  }
}

TEST_F(OpenAiApiTest, AnswersWrongPathsAndMethods) {
  const HttpAnswer nothing = Ask(Get("/v1/nothing"));
  EXPECT_EQ(nothing.status, 404);
  EXPECT_EQ(ParseJson(nothing.body).value()["error"]["type"], "invalid_request_error");
  const HttpAnswer wrong = Ask(Get(kChat));
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers.at("allow"), "POST, OPTIONS");
  const HttpAnswer options = Ask("OPTIONS /health HTTP/1.1\r\nHost: t\r\n\r\n");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.at("allow"), "GET, HEAD, OPTIONS");
}

class SmallLimitsTest : public OpenAiApiTest {
 protected:
  void SetUp() override {
    StartHttp({.limits = {.max_body_bytes = 1000}, .max_write_queue_bytes = 64 << 10});
  }
};

TEST_F(SmallLimitsTest, RefusesABodyThatIsTooLarge) {
  const HttpAnswer answer = Ask(Post(kChat, std::string(1001, ' ')));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(ParseJson(answer.body).value()["error"]["type"], "invalid_request_error");
}

TEST_F(SmallLimitsTest, AClientThatDoesNotReadIsCutOffAndCancelled) {
  model_.context_length = 1 << 30;
  engine_->SetAnswer(
      {.tokens = Tokens(std::string(2000, 'x')), .ending = FakeAnswer::Ending::kRepeat});
  HttpClient client(http_->port(), /*receive_buffer_bytes=*/4096);
  ASSERT_TRUE(client.Send(Post(kChat, Body(R"(,"stream":true)"))));
  EXPECT_TRUE(engine_->WaitForCancels(1));
}

TEST_F(OpenAiApiTest, DrainLetsAnAnswerUnderWayFinish) {
  engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kRepeat});
  model_.context_length = 2000;
  HttpClient client(http_->port());
  ASSERT_TRUE(client.Send(Post(kChat, Body(R"(,"stream":true)"))));
  ASSERT_TRUE(client.ReadHead());
  std::string body;
  std::thread reader([&] {
    while (const auto chunk = client.ReadChunk()) body += *chunk;
    client.Close();
  });
  EXPECT_TRUE(http_->Shutdown(std::chrono::seconds(20)));
  reader.join();
  EXPECT_EQ(SseData(body).back(), "[DONE]");
}

}  // namespace
}  // namespace switchyard::gateway
