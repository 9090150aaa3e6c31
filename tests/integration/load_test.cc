// More than a server takes: full queues, idle and garbled connections.
#include <chrono>

#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"
#include "tests/integration/stream_set.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

using std::chrono::seconds;

class LoadTest : public ClusterTest {};

// Every cache block is free again and no request is left, soon.
void ExpectIdle(const Cluster& cluster) {
  std::optional<v1::StatusResponse> status;
  EXPECT_TRUE(WaitUntil(seconds(5), [&] {
    status = cluster.Status();
    return status.has_value() && status->kv_blocks_total() > 0 &&
           status->kv_blocks_free() == status->kv_blocks_total() &&
           status->running_requests() == 0 && status->waiting_requests() == 0;
  })) << status.value_or(v1::StatusResponse()).ShortDebugString();
}

TEST_F(LoadTest, FullQueueIsAnsweredWithTooManyRequests) {
  Cluster& cluster = StartServing({.more_flags = {"--max-running", "1", "--max-waiting", "1"}});
  const GoldenPrompt prompt = ReadGoldenPrompts()[0];
  const std::string endless = PostAndClose(
      "/v1/completions",
      CompletionBody(prompt, {{"stream", true}, {"ignore_eos", true}, {"max_tokens", 4000}}));
  {
    StreamSet running(cluster.http_port());
    running.Open(endless);
    ASSERT_TRUE(running.ReadUntilAllFlow(seconds(10)));
    StreamSet waiting(cluster.http_port());
    waiting.Open(endless);
    ASSERT_TRUE(WaitUntil(seconds(5), [&] { return cluster.Status()->waiting_requests() == 1; }));

    HttpClient refused(cluster.http_port());
    refused.Send(Post("/v1/completions", CompletionBody(prompt)));
    const std::optional<HttpAnswer> answer = refused.ReadAnswer();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, 429) << answer->body;
    EXPECT_TRUE(answer->headers.count("retry-after"));
    EXPECT_NE(answer->body.find("rate_limit_error"), std::string::npos) << answer->body;
  }  // both clients leave
  ExpectIdle(cluster);
}

TEST_F(LoadTest, ThousandIdleAndGarbledConnectionsDoNotStopService) {
  Cluster& cluster = StartServing();
  const std::vector<GoldenPrompt> prompts = ReadGoldenPrompts();
  StreamSet idle(cluster.http_port());
  for (int i = 0; i < 900; ++i) {
    idle.Open(i % 3 == 0   ? ""
              : i % 3 == 1 ? "POST /v1/comp"
                           : std::string("\0\xff\x16\x03\n\n", 6));
  }
  HttpClient client(cluster.http_port());
  client.Send(Post("/v1/completions", CompletionBody(prompts[1])));
  const std::optional<HttpAnswer> answer = client.ReadAnswer();
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->status, 200) << answer->body;
  EXPECT_EQ(Json::parse(answer->body)["choices"][0]["text"], prompts[1].text);
}

}  // namespace
}  // namespace switchyard::testing
