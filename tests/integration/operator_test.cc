// What an operator of a real cluster sees: who is let in, and where each rank's time goes.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/file.h"
#include "tests/integration/cluster_fixture.h"
#include "tests/testing/http_client.h"

namespace switchyard::testing {
namespace {

constexpr char kKey[] = "sk-alice-0123456789abcdef";

class OperatorTest : public ClusterTest {
 protected:
  OperatorTest() {
    char path[] = "/tmp/sy_operator_XXXXXX";
    close(mkstemp(path));
    path_ = path;
    WriteKeys(kKey);
  }
  ~OperatorTest() override { std::remove(path_.c_str()); }

  void WriteKeys(std::string_view key) {
    EXPECT_TRUE(
        WriteFile(path_, fmt::format(R"({{"keys":[{{"key":"{}","tenant":"alice"}}]}})", key)).ok());
  }

  static int Ask(const Cluster& cluster, std::string_view key) {
    constexpr std::string_view kBody = R"({"prompt":"Hello","max_tokens":8})";
    HttpClient client(cluster.http_port());
    client.Send(
        fmt::format("POST /v1/completions HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {}\r\n"
                    "Content-Length: {}\r\n\r\n{}",
                    key, kBody.size(), kBody));
    const auto answer = client.ReadAnswer();
    return answer ? answer->status : 0;
  }

  std::string path_;
};

// The value of a metric; -1 if it is not there.
double ValueOf(const std::string& metrics, const std::string& name) {
  const size_t at = metrics.find("\n" + name + " ");
  return at == metrics.npos ? -1 : std::atof(metrics.c_str() + at + name.size() + 2);
}

TEST_F(OperatorTest, KeysChangeWhileTheClusterServes) {
  const Cluster& cluster = StartServing({.more_flags = {"--api-keys", path_}});
  EXPECT_EQ(Ask(cluster, kKey), 200);
  constexpr char kNewKey[] = "sk-other-0123456789abcdef";
  EXPECT_EQ(Ask(cluster, kNewKey), 401);
  WriteKeys(kNewKey);
  EXPECT_TRUE(WaitUntil(std::chrono::seconds(20), [&] { return Ask(cluster, kNewKey) == 200; }));
  EXPECT_EQ(Ask(cluster, kKey), 401);
  EXPECT_EQ(cluster.Log().find("sk-"), std::string::npos) << "no key in a log";
}

TEST_F(OperatorTest, EveryRankTellsWhereItsTimeGoes) {
  const Cluster& cluster =
      StartServing({.data_parallel = 2,
                    .tensor_parallel = 2,
                    .more_flags = {"--api-keys", path_, "--metrics-compat", "vllm"}});
  ASSERT_EQ(Ask(cluster, kKey), 200);
  HttpClient client(cluster.http_port());
  ASSERT_TRUE(client.Send(Get("/metrics")));
  const std::string metrics = client.ReadAnswer()->body;
  double tokens = 0;
  for (int rank = 0; rank < 4; ++rank) {
    const std::string labels = fmt::format("{{rank=\"{}\"}}", rank);
    const double seconds = ValueOf(metrics, "switchyard_rank_step_seconds_sum" + labels);
    const double exchange = ValueOf(metrics, "switchyard_rank_exchange_seconds_total" + labels);
    EXPECT_GE(ValueOf(metrics, "switchyard_rank_step_seconds_count" + labels), 1) << labels;
    EXPECT_GT(exchange, 0) << labels;
    EXPECT_LT(exchange, seconds) << labels;
    EXPECT_GT(ValueOf(metrics, "switchyard_rank_kv_blocks_total" + labels), 0) << labels;
    const double of_rank = ValueOf(metrics, "switchyard_rank_tokens_total" + labels);
    tokens += of_rank;
    const double sample = ValueOf(metrics, "switchyard_rank_sample_seconds_total" + labels);
    // Who had no token samples nothing, in less than the microsecond that is told.
    if (of_rank > 0) {
      EXPECT_GT(sample, 0) << labels;
    }
  }
  EXPECT_GE(tokens, 2 * 2) << "both ranks of one group computed the prompt";
  EXPECT_EQ(
      ValueOf(
          metrics,
          R"(vllm:request_success_total{engine="0",finished_reason="length",model_name="tiny-r1"})") +
          ValueOf(
              metrics,
              R"(vllm:request_success_total{engine="0",finished_reason="stop",model_name="tiny-r1"})"),
      1);
}

}  // namespace
}  // namespace switchyard::testing
