// What operators read of steps and ranks.
#include "coordinator/step_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace switchyard {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr StepRecord kStep = {.wall = milliseconds(30),
                              .compute = milliseconds(20),
                              .num_tokens = 2,
                              .num_computed_tokens = 40,
                              .num_preemptions = 3,
                              .num_looked_up_tokens = 64,
                              .num_cached_tokens = 32,
                              .num_drafted_tokens = 5,
                              .num_accepted_tokens = 4,
                              .num_drafted_sequences = 2};

void ExpectLines(const std::string& text, std::initializer_list<const char*> lines) {
  for (const char* line : lines) EXPECT_THAT(text, HasSubstr(fmt::format("\n{}\n", line)));
}

TEST(StepMetrics, TellWhatTheClusterDid) {
  gateway::GatewayMetrics metrics;
  StepMetrics steps(metrics, /*world=*/2);
  steps.Observe(kStep);
  const std::string text = metrics.Render({});
  ExpectLines(text,
              {"switchyard_step_seconds_count 1", "switchyard_step_compute_seconds_sum 0.02",
               "switchyard_step_tokens_sum 40", "switchyard_preemptions_total 3",
               "switchyard_prefix_cache_queried_tokens_total 64",
               "switchyard_prefix_cache_hit_tokens_total 32", "switchyard_draft_tokens_total 5",
               "switchyard_accepted_draft_tokens_total 4", "switchyard_drafted_sequences_total 2"});
  EXPECT_THAT(text, Not(HasSubstr("vllm:")));
}

TEST(StepMetrics, TellTheSameUnderVllmsNames) {
  gateway::GatewayMetrics metrics;
  metrics.AddVllmNames("tiny");
  StepMetrics steps(metrics, /*world=*/1);
  steps.Observe(kStep);
  ExpectLines(metrics.Render({}),
              {R"(vllm:iteration_tokens_total_sum{engine="0",model_name="tiny"} 40)",
               R"(vllm:num_preemptions_total{engine="0",model_name="tiny"} 3)",
               R"(vllm:prefix_cache_queries_total{engine="0",model_name="tiny"} 64)",
               R"(vllm:prefix_cache_hits_total{engine="0",model_name="tiny"} 32)",
               R"(vllm:spec_decode_num_drafts_total{engine="0",model_name="tiny"} 2)",
               R"(vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="tiny"} 5)",
               R"(vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="tiny"} 4)"});
}

TEST(StepMetrics, TellWhereARanksTimeGoes) {
  gateway::GatewayMetrics metrics;
  StepMetrics steps(metrics, /*world=*/2);
  for (int i = 0; i < 2; ++i) {
    steps.ObserveRank({.rank = 1,
                       .compute = milliseconds(500),
                       .exchange = milliseconds(250),
                       .sample = milliseconds(125),
                       .num_tokens = 7});
  }
  ExpectLines(metrics.Render({}), {R"(switchyard_rank_step_seconds_sum{rank="1"} 1)",
                                   R"(switchyard_rank_step_seconds_count{rank="1"} 2)",
                                   R"(switchyard_rank_step_seconds_count{rank="0"} 0)",
                                   R"(switchyard_rank_exchange_seconds_total{rank="1"} 0.5)",
                                   R"(switchyard_rank_sample_seconds_total{rank="1"} 0.25)",
                                   R"(switchyard_rank_tokens_total{rank="1"} 14)",
                                   R"(switchyard_rank_tokens_total{rank="0"} 0)"});
}

}  // namespace
}  // namespace switchyard
