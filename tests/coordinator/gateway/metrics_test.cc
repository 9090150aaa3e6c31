// What /metrics says of requests, under both sets of names.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <thread>

#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::FakeAnswer;
using switchyard::testing::Get;
using switchyard::testing::HttpAnswer;
using switchyard::testing::HttpClient;
using switchyard::testing::Post;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kChat[] = "/v1/chat/completions";

std::string Body(std::string_view more = "") {
  return fmt::format(R"({{"messages":[{{"role":"user","content":"Hi"}}]{}}})", more);
}

class MetricsTest : public ApiFixture {
 protected:
  // Three requests that end by themselves, by their limit, and by the client, who goes away.
  void ServeThree() {
    v1::StatusResponse cluster;
    cluster.set_state(v1::CLUSTER_STATE_SERVING);
    cluster.set_running_requests(3);
    cluster.set_waiting_requests(4);
    cluster.set_kv_blocks_free(30);
    cluster.set_kv_blocks_total(40);
    for (int rank = 0; rank < 2; ++rank) {
      v1::WorkerStatus& worker = *cluster.add_workers();
      worker.set_rank(rank);
      worker.set_kv_blocks_free(10 * (rank + 1));
      worker.set_kv_blocks_total(20);
    }
    engine_->SetClusterStatus(cluster);
    StartHttp();
    engine_->SetAnswer({.tokens = TokensThenEos("one two three")});
    AskJson(kChat, Body());
    AskJson(kChat, Body(R"(,"max_tokens":2)"));
    engine_->SetAnswer({.tokens = Tokens("and so on"), .ending = FakeAnswer::Ending::kHang});
    {
      HttpClient client(http_->port());
      ASSERT_TRUE(client.Send(Post(kChat, Body(R"(,"stream":true)"))));
      ASSERT_TRUE(client.ReadHead());
      std::string events;  // the client leaves when it has all three tokens
      while (events.find(" on\"") == std::string::npos) {
        const auto chunk = client.ReadChunk();
        ASSERT_TRUE(chunk.has_value()) << events;
        events += *chunk;
      }
    }
    // The one that was left is counted soon after.
    const char* const cancelled = R"(reason="cancelled"} 1)";
    for (int i = 0; i < 2000 && Metrics().find(cancelled) == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  std::string Metrics() { return Ask(Get("/metrics")).body; }
};

void ExpectLines(const std::string& text, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) EXPECT_THAT(text, HasSubstr("\n" + line + "\n"));
}

TEST_F(MetricsTest, RequestsAndRanksHaveOurNames) {
  ASSERT_NO_FATAL_FAILURE(ServeThree());
  const std::string text = Metrics();
  ExpectLines(
      text,
      {R"(switchyard_requests_finished_total{reason="stop"} 1)",
       R"(switchyard_requests_finished_total{reason="length"} 1)",
       R"(switchyard_requests_finished_total{reason="cancelled"} 1)",
       "switchyard_request_seconds_count 3", "switchyard_request_queue_seconds_count 3",
       "switchyard_request_prompt_tokens_sum 15", R"(switchyard_rank_kv_blocks_free{rank="0"} 10)",
       R"(switchyard_rank_kv_blocks_free{rank="1"} 20)",
       R"(switchyard_rank_kv_blocks_total{rank="1"} 20)"});
  EXPECT_THAT(text, HasSubstr("switchyard_request_generated_tokens_bucket{le=\"2\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("vllm:"))) << "unless asked for";
}

TEST_F(MetricsTest, DashboardsMadeForVllmFindTheirNames) {
  metrics_.AddVllmNames("tiny-r1");
  ASSERT_NO_FATAL_FAILURE(ServeThree());
  const std::string text = Metrics();
  const std::string labels = R"({engine="0",model_name="tiny-r1"})";
  ExpectLines(
      text,
      {"vllm:num_requests_running" + labels + " 3", "vllm:num_requests_waiting" + labels + " 4",
       "vllm:kv_cache_usage_perc" + labels + " 0.25",
       "vllm:gpu_cache_usage_perc" + labels + " 0.25", "vllm:prompt_tokens_total" + labels + " 15",
       R"(vllm:request_success_total{engine="0",finished_reason="stop",model_name="tiny-r1"} 1)",
       R"(vllm:request_success_total{engine="0",finished_reason="length",model_name="tiny-r1"} 1)",
       R"(vllm:request_success_total{engine="0",finished_reason="abort",model_name="tiny-r1"} 1)",
       R"(vllm:request_success_total{engine="0",finished_reason="error",model_name="tiny-r1"} 0)"});
  for (const char* name :
       {"time_to_first_token_seconds", "e2e_request_latency_seconds", "request_queue_time_seconds",
        "request_prefill_time_seconds", "request_decode_time_seconds",
        "request_inference_time_seconds", "request_prompt_tokens", "request_generation_tokens",
        "request_max_num_generation_tokens", "request_params_max_tokens",
        "request_time_per_output_token_seconds"}) {
    ExpectLines(text, {fmt::format("vllm:{}_count{} 3", name, labels)});
  }
  for (const char* name :
       {"generation_tokens_total", "inter_token_latency_seconds_count",
        "time_per_output_token_seconds_count", "iteration_tokens_total_count",
        "num_preemptions_total", "prefix_cache_queries_total", "prefix_cache_hits_total"}) {
    EXPECT_THAT(text, HasSubstr(fmt::format("\nvllm:{}{} ", name, labels)));
  }
}

class AwaitedReply final : public HttpReply {
 public:
  void Send(HttpResponse response) override { status.set_value(response.status); }
  void StartStream(HttpResponse) override {}
  void Write(std::string) override {}
  void EndStream() override {}
  void OnDisconnect(std::function<void()>) override {}

  std::promise<int> status;
};

// Before a completion begins a request waits for a thread, and its prompt is made.
TEST_F(MetricsTest, TimesCountFromTheArrivalOfTheRequest) {
  constexpr std::chrono::seconds kWaited(1000);
  engine_->SetAnswer({.tokens = TokensThenEos("one")});
  StartHttp();
  const auto reply = std::make_shared<AwaitedReply>();
  api_->Handle({.method = "POST",
                .path = kChat,
                .content_type = "application/json",
                .body = Body(),
                .arrived = std::chrono::steady_clock::now() - kWaited},
               reply);
  auto status = reply->status.get_future();
  ASSERT_EQ(status.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(status.get(), 200);
  const std::string text = Metrics();
  for (const char* name : {"time_to_first_token", "request_queue", "request"}) {
    const std::string line = fmt::format("\nswitchyard_{}_seconds_sum ", name);
    const size_t at = text.find(line);
    ASSERT_NE(at, text.npos) << name;
    EXPECT_GE(std::stod(text.substr(at + line.size())), kWaited.count()) << name;
  }
}

// Else a full queue, which refuses at once, would look like fast answers.
TEST_F(MetricsTest, WhatFoundNoPlaceInTheQueueIsCountedAndNotTimed) {
  metrics_.AddVllmNames("tiny-r1");
  engine_->SetAnswer({.ending = FakeAnswer::Ending::kRefuse,
                      .error = absl::ResourceExhaustedError("the queue is full")});
  StartHttp();
  AskJson(kChat, Body(), 429);
  const std::string labels = R"({engine="0",model_name="tiny-r1"})";
  ExpectLines(
      Metrics(),
      {R"(switchyard_requests_finished_total{reason="error"} 1)",
       "switchyard_request_seconds_count 0", "switchyard_request_prompt_tokens_count 0",
       R"(vllm:request_success_total{engine="0",finished_reason="error",model_name="tiny-r1"} 1)",
       "vllm:e2e_request_latency_seconds_count" + labels + " 0",
       "vllm:prompt_tokens_total" + labels + " 0"});
}

// No route has seen them.
TEST_F(MetricsTest, AnswersOfTheTransportAreCountedToo) {
  HttpServerOptions options;
  options.limits.max_body_bytes = 10;
  StartHttp(options);
  EXPECT_EQ(Ask(Post(kChat, std::string(11, 'x'))).status, 413);
  EXPECT_EQ(Ask(Get("/nowhere/" + std::string(20000, 'x'))).status, 431);
  EXPECT_EQ(Ask("GET /metrics\r\n\r\n").status, 400);
  EXPECT_EQ(
      Ask(fmt::format("POST {} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\n", kChat))
          .status,
      501);
  ExpectLines(
      Metrics(),
      {fmt::format(R"(switchyard_http_responses_total{{route="{}",status="413"}} 1)", kChat),
       fmt::format(R"(switchyard_http_responses_total{{route="{}",status="501"}} 1)", kChat),
       R"(switchyard_http_responses_total{route="other",status="431"} 1)",
       R"(switchyard_http_responses_total{route="other",status="400"} 1)"});
}

// Whatever clients send, the series are as many as before.
TEST_F(MetricsTest, LabelsAreAClosedSet) {
  metrics_.AddVllmNames("tiny-r1");
  ASSERT_NO_FATAL_FAILURE(ServeThree());
  const auto labels_of = [](const std::string& text) {
    std::set<std::string> labels;
    const std::regex pattern(R"re((route|reason|model_name|finished_reason|rank)="([^"]*)")re");
    for (std::sregex_iterator it(text.begin(), text.end(), pattern), end; it != end; ++it) {
      labels.insert((*it)[0]);
    }
    return labels;
  };
  Ask(Get("/nothing"));
  const std::set<std::string> before = labels_of(Metrics());
  for (int i = 0; i < 5; ++i) {
    Ask(Get(fmt::format("/nothing/{}", i)));
    Ask(fmt::format("ODD{} {} HTTP/1.1\r\nHost: t\r\nX-Tenant: t{}\r\n\r\n", char('A' + i), kChat,
                    i));
    AskJson(kChat, Body(fmt::format(R"(,"model":"m{}","user":"u{}")", i, i)), 404);
  }
  EXPECT_EQ(labels_of(Metrics()), before);
}

}  // namespace
}  // namespace switchyard::gateway
