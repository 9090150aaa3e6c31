// Many clients at once, some of whom leave without a word.
#include <chrono>

#include "base/random.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/integration/golden_prompts.h"
#include "tests/integration/stream_set.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

using std::chrono::seconds;

constexpr int kNumClients = 200;
constexpr uint64_t kSeed = 20260724;

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

TEST_F(LoadTest, ManyStreamsWithHangUps) {
  // Few blocks, so that requests wait for each other and are preempted.
  Cluster& cluster = StartServing({.data_parallel = 2,
                                   .tensor_parallel = 2,
                                   .more_flags = {"--kv-blocks", "96", "--max-running", "32"}});
  const std::vector<GoldenPrompt> prompts = ReadGoldenPrompts();
  StreamSet streams(cluster.http_port());
  for (int i = 0; i < kNumClients; ++i) {
    // A third hangs up: before the first byte of an answer at the earliest, after some tokens at
    // the latest.
    const bool leaves = RandomBits(kSeed, 2 * i) % 3 == 0;
    streams.Open(PostAndClose("/v1/completions",
                              CompletionBody(prompts[i % prompts.size()], {{"stream", true}})),
                 leaves ? 1 + RandomBits(kSeed, 2 * i + 1) % 2000 : 0);
  }
  ASSERT_TRUE(streams.ReadUntilAllEnd(seconds(150))) << cluster.Log();

  int num_finished = 0;
  for (int i = 0; i < kNumClients; ++i) {
    const ClientStream& stream = streams.streams()[i];
    const GoldenPrompt& prompt = prompts[i % prompts.size()];
    if (stream.hung_up) continue;
    ++num_finished;
    EXPECT_TRUE(stream.IsDone()) << prompt.id << ": " << stream.bytes;
    EXPECT_EQ(stream.Text(), prompt.text) << prompt.id;
  }
  EXPECT_GT(num_finished, kNumClients / 3);
  EXPECT_LT(num_finished, kNumClients);
  ExpectIdle(cluster);
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
