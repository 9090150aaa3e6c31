// What probes, dashboards and tools ask beside generation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/version.h"
#include "tests/coordinator/gateway/api_fixture.h"

namespace switchyard::gateway {
namespace {

using switchyard::testing::Get;
using switchyard::testing::HttpAnswer;
using switchyard::testing::Post;
using ::testing::HasSubstr;

class SystemApiTest : public ApiFixture {
 protected:
  void SetUp() override { StartHttp(); }

  void SetState(v1::ClusterState state) {
    v1::StatusResponse cluster;
    cluster.set_state(state);
    cluster.set_running_requests(3);
    cluster.set_waiting_requests(4);
    v1::WorkerStatus& worker = *cluster.add_workers();
    worker.set_rank(0);
    worker.set_host("a");
    worker.mutable_progress()->set_phase(v1::LOAD_PHASE_LOADING_WEIGHTS);
    worker.mutable_progress()->set_bytes_done(5);
    worker.mutable_progress()->set_bytes_total(8);
    worker.mutable_progress()->set_bytes_per_second(2);
    engine_->SetClusterStatus(cluster);
  }
  int StatusOf(std::string_view path) { return Ask(Get(path)).status; }
  Json GetJson(std::string_view path) { return ParseJson(Ask(Get(path)).body).value(); }
};

TEST_F(SystemApiTest, ProbesTellAliveFromReadyFromStarted) {
  struct Case {
    v1::ClusterState state;
    int live, ready, started;
  };
  for (const Case& c : {Case{v1::CLUSTER_STATE_GATHERING, 200, 503, 503},
                        Case{v1::CLUSTER_STATE_LOADING, 200, 503, 503},
                        Case{v1::CLUSTER_STATE_SERVING, 200, 200, 200},
                        Case{v1::CLUSTER_STATE_DRAINING, 200, 503, 200},
                        Case{v1::CLUSTER_STATE_FAILED, 503, 503, 503}}) {
    SetState(c.state);
    EXPECT_EQ(StatusOf("/livez"), c.live) << c.state;
    for (const char* path : {"/readyz", "/health", "/ping"}) {
      EXPECT_EQ(StatusOf(path), c.ready) << c.state << path;
    }
    EXPECT_EQ(StatusOf("/startupz"), c.started) << c.state;
  }
}

TEST_F(SystemApiTest, StartupTellsHowFarEachRankIs) {
  SetState(v1::CLUSTER_STATE_LOADING);
  EXPECT_EQ(
      GetJson("/startupz").dump(),
      R"({"status":"loading","detail":"","bytes_done":5,"bytes_total":8,"bytes_per_second":2,)"
      R"("seconds_left":2.0,"ranks":[{"rank":0,"host":"a","phase":"loading_weights",)"
      R"("bytes_done":5,"bytes_total":8,"bytes_per_second":2,"seconds_left":2.0}]})");
}

TEST_F(SystemApiTest, MetricsTellHowFastEachRankLoads) {
  SetState(v1::CLUSTER_STATE_LOADING);
  const std::string text = Ask(Get("/metrics")).body;
  for (const char* line : {"switchyard_rank_load_bytes{rank=\"0\"} 5\n",
                           "switchyard_rank_load_bytes_expected{rank=\"0\"} 8\n",
                           "switchyard_rank_load_bytes_per_second{rank=\"0\"} 2\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

TEST_F(SystemApiTest, TellsLoadAndVersion) {
  SetState(v1::CLUSTER_STATE_SERVING);
  EXPECT_EQ(GetJson("/load")["server_load"], 7);
  EXPECT_EQ(GetJson("/version").dump(), fmt::format(R"({{"version":"{}"}})", kVersion));
}

TEST_F(SystemApiTest, TokenizesTextAndMessages) {
  Json answer = AskJson("/tokenize", R"({"prompt":"Hello"})");
  EXPECT_EQ(answer["tokens"].dump(), "[0,1357]");
  EXPECT_EQ(answer["count"], 2);
  EXPECT_EQ(answer["max_model_len"], 64);
  answer = AskJson("/tokenize", R"({"prompt":"Hello","add_special_tokens":false,
                                    "return_token_strs":true})");
  EXPECT_EQ(answer["tokens"].dump(), "[1357]");
  EXPECT_EQ(answer["token_strs"].dump(), R"(["Hello"])");
  answer = AskJson("/tokenize", R"({"messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_EQ(answer["tokens"].dump(), "[0,4072,42,75,4073]");
  EXPECT_EQ(AskJson("/tokenize", R"({"prompt":""})")["tokens"].dump(), "[0]");
}

TEST_F(SystemApiTest, DetokenizesWhatItTokenized) {
  EXPECT_EQ(AskJson("/detokenize", R"({"tokens":[0,1357]})").dump(),
            R"({"prompt":"<｜begin▁of▁sentence｜>Hello"})");
  EXPECT_EQ(AskJson("/detokenize", R"({"tokens":[]})")["prompt"], "");
}

TEST_F(SystemApiTest, RefusesWrongTokenRequests) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "prompt"},
      {R"({"prompt":7})", "prompt"},
      {R"({"prompt":"a","add_special_tokens":1})", "add_special_tokens"},
      {R"({"messages":[]})", "messages"},
  };
  for (const auto& [body, param] : cases) {
    EXPECT_EQ(AskJson("/tokenize", body, 400)["error"]["param"], param) << body;
  }
  for (const char* body : {R"({})", R"({"tokens":"a"})", R"({"tokens":[4096]})",
                           R"({"tokens":[-1]})", R"({"tokens":[1.5]})"}) {
    EXPECT_EQ(AskJson("/detokenize", body, 400)["error"]["param"], "tokens") << body;
  }
  EXPECT_EQ(AskJson("/tokenize", R"({"prompt":"a","model":"other"})", 404)["error"]["code"],
            "model_not_found");
}

TEST_F(SystemApiTest, TakesJsonOnly) {
  const auto post = [&](std::string_view type) {
    return Ask(
        fmt::format("POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Type: {}\r\n"
                    "Content-Length: 16\r\n\r\n{{\"prompt\":\"abc\"}}",
                    type));
  };
  EXPECT_EQ(post("application/json; charset=utf-8").status, 200);
  EXPECT_EQ(post("Application/JSON").status, 200);
  const HttpAnswer refused = post("text/plain");
  EXPECT_EQ(refused.status, 415);
  EXPECT_THAT(refused.body, HasSubstr("application/json"));
  EXPECT_EQ(Ask("POST /tokenize HTTP/1.1\r\nHost: t\r\nContent-Length: 16\r\n\r\n"
                "{\"prompt\":\"abc\"}")
                .status,
            200);
}

}  // namespace
}  // namespace switchyard::gateway
