// `switchyard plan` as an operator sees it: recorded outputs that can be checked by hand, refusals,
// and JSON. A recorded output is made anew by the command in its test:
//   switchyard plan FLAGS > tests/cli/testdata/plan/NAME.txt
#include "cli/plan_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/json.h"

namespace switchyard::cli {
namespace {

using ::testing::HasSubstr;

constexpr char kConfig[] = "bench/shapes/v3-671b.json";

struct Answer {
  absl::Status status;
  std::string text;
};

Answer Plan(PlanOptions options) {
  if (options.model.empty() && options.cluster_file.empty()) options.model = kConfig;
  std::ostringstream out;
  absl::Status status = RunPlan(options, out);
  return {.status = std::move(status), .text = out.str()};
}

std::string Recorded(const std::string& name) {
  std::ifstream file("tests/cli/testdata/plan/" + name + ".txt");
  EXPECT_TRUE(file.is_open()) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// --gpu h100
TEST(PlanCommand, OneHostOfH100IsRefusedWithWhatIsMissing) {
  const Answer answer = Plan({.device = "h100"});
  EXPECT_EQ(answer.text, Recorded("one_host_h100"));
  EXPECT_EQ(answer.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Message(answer.status),
            "1x8 on 1 host with 8 x h100 does not fit: rank 0 needs 87.22 GiB beside its cache, "
            "84.59 GiB of it weights, and 9.11 GiB more than it has for one request of 4096 "
            "tokens; the nearest that fit: 8x2, 16x1, 4x4 on 2 hosts");
}

// --gpu h200
TEST(PlanCommand, OneHostOfH200) {
  const Answer answer = Plan({.device = "h200"});
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.text, Recorded("one_host_h200"));
}

// --gpu h100 --hosts 2
TEST(PlanCommand, TwoHostsOfH100) {
  const Answer answer = Plan({.hosts = 2, .device = "h100"});
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.text, Recorded("two_hosts_h100"));
}

// --gpu h800 --hosts 4 --dp 32 --tp 1 --redundant-experts 32 --max-batched-tokens 1024
TEST(PlanCommand, FourHostsOfH800Prefill) {
  const Answer answer = Plan({.hosts = 4,
                              .device = "h800",
                              .data_parallel = 32,
                              .tensor_parallel = 1,
                              .redundant_experts = 32,
                              .max_batched_tokens = 1024});
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.text, Recorded("four_hosts_h800_prefill"));
}

// --gpu h800 --hosts 18 --dp 144 --tp 1 --redundant-experts 32 --context 4989
// --max-batched-tokens 128
TEST(PlanCommand, EighteenHostsOfH800Decode) {
  const Answer answer = Plan({.hosts = 18,
                              .device = "h800",
                              .data_parallel = 144,
                              .tensor_parallel = 1,
                              .redundant_experts = 32,
                              .context = 4989,
                              .max_batched_tokens = 128});
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_EQ(answer.text, Recorded("eighteen_hosts_h800_decode"));
}

TEST(PlanCommand, JsonHasTheSameNumbers) {
  const Answer answer = Plan({.device = "h200", .top = 2, .json = true});
  ASSERT_TRUE(answer.status.ok()) << answer.status;
  const auto json = ParseJson(answer.text);
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ((*json)["model"]["parameters"], 671'026'419'200);
  EXPECT_EQ((*json)["model"]["checkpoint_bytes"], 688'574'839'360);
  EXPECT_EQ((*json)["cluster"]["network_bytes_per_second"]["source"], "assumed");
  ASSERT_EQ((*json)["layouts"].size(), 2u);
  const Json& best = (*json)["layouts"][0];
  EXPECT_EQ(best["dp"], 8);
  EXPECT_EQ(best["ep"], 8);
  EXPECT_TRUE(best["fits"]);
  const int64_t routed = best["memory"]["routed_experts"]["bytes"];
  EXPECT_EQ(best["memory"]["context"]["source"], "assumed");
  const Answer text = Plan({.device = "h200"});
  EXPECT_EQ(routed, 83'239'714'816);
  EXPECT_THAT(text.text, HasSubstr("83,239,714,816"));
}

// The bundled model runs on the CPUs of one host; its folder is named as `serve` takes it.
TEST(PlanCommand, TheBundledModelFitsCpus) {
  const Answer answer = Plan({.model = "models/tiny-r1",
                              .devices_per_host = 4,
                              .device = "cpu",
                              .data_parallel = 2,
                              .tensor_parallel = 2,
                              .context = 1000});
  EXPECT_TRUE(answer.status.ok()) << answer.status;
  EXPECT_THAT(answer.text, HasSubstr("2x2 on 1 host with 4 x cpu: rank 0 of 4"));
  EXPECT_THAT(answer.text, HasSubstr("computed in bf16"));
}

TEST(PlanCommand, ModelsWithGroupedQueriesHaveBoundsOfTime) {
  for (const char* model : {"models/tiny-llama", "models/tiny-qwen2", "models/tiny-qwen3-moe"}) {
    const Answer answer = Plan(
        {.model = model, .devices_per_host = 2, .device = "h100", .context = 200, .json = true});
    ASSERT_TRUE(answer.status.ok()) << answer.status;
    const auto json = ParseJson(answer.text);
    ASSERT_TRUE(json.ok()) << json.status();
    const Json& best = (*json)["layouts"][0];
    EXPECT_GT(best["decode"]["tokens_per_second"], 0) << model;
    EXPECT_GT(best["prefill"]["tokens_per_second"], 0) << model;
    EXPECT_EQ(best["memory"]["absorbed"]["bytes"], 0) << model;
  }
}

// One rank reads in a step as much of its experts as it holds: all of them have rows.
TEST(PlanCommand, BoundsCountWeightsAsTheyAreKept) {
  double stored = 0;
  for (const char* weights : {"stored", "q8", "q4"}) {
    const auto json = ParseJson(Plan({.model = "bench/shapes/v3-small.json",
                                      .devices_per_host = 1,
                                      .device = "cpu",
                                      .context = 200,
                                      .weights = weights,
                                      .drafts = "off",
                                      .json = true})
                                    .text);
    ASSERT_TRUE(json.ok()) << json.status();
    const Json& best = (*json)["layouts"][0];
    double read = 0;
    for (const Json& op : best["decode"]["ops"]) {
      if (op["op"] == "routed experts") read = op["bytes"];
    }
    const double held = best["memory"]["routed_experts"]["bytes"];
    EXPECT_NEAR(read / held, 1, 0.05) << weights;  // activations are little
    if (stored == 0) stored = read;
    if (weights == std::string("q4")) {
      EXPECT_LT(read, 0.6 * stored);
    }
  }
  EXPECT_THAT(
      std::string(Message(Plan({.device = "h200", .compute = "bf16", .weights = "q4"}).status)),
      HasSubstr("weights = q4: GPUs take weights as they are stored"));
}

// What the cache takes is blocks times tokens times bytes, in each kind of layers.
TEST(PlanCommand, LayersWithAWindowHaveBytesOfTheirOwn) {
  const auto json = ParseJson(Plan({.model = "models/tiny-gemma3",
                                    .devices_per_host = 1,
                                    .device = "h100",
                                    .context = 200,
                                    .drafts = "off",
                                    .json = true})
                                  .text);
  ASSERT_TRUE(json.ok()) << json.status();
  const Json& kv = (*json)["layouts"][0]["kv"];
  const int64_t blocks = kv["blocks"], window_blocks = kv["window_blocks"];
  const int64_t token = kv["token_bytes"], window_token = kv["window_token_bytes"];
  EXPECT_GT(window_blocks, 0);
  EXPECT_EQ(window_token, 6 * token) << "six of seven layers";
  EXPECT_EQ(16 * (blocks * token + window_blocks * window_token), kv["bytes"]);
  const Answer text = Plan({.model = "models/tiny-gemma3",
                            .devices_per_host = 1,
                            .device = "h100",
                            .context = 200,
                            .drafts = "off"});
  EXPECT_THAT(text.text, HasSubstr(fmt::format(" tokens of {} bytes: ", token)));
  EXPECT_THAT(text.text, HasSubstr(fmt::format("Layers with a window of 16 tokens have ")));
  EXPECT_THAT(text.text, HasSubstr(fmt::format(" blocks of their own, {} bytes for each token.",
                                               window_token)));
}

TEST(PlanCommand, FlagsAreRefusedByName) {
  EXPECT_THAT(std::string(Message(Plan({.device = "h900"}).status)),
              HasSubstr("--gpu \"h900\": must be one of h100, h200, h800, b200, cpu"));
  EXPECT_THAT(std::string(Message(Plan({.compute = "int4"}).status)),
              HasSubstr("--compute \"int4\": must be bf16, f32 or w8a8"));
  EXPECT_EQ(Plan({.model = "no/such/folder"}).status.code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace switchyard::cli
