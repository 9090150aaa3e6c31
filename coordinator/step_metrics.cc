#include "coordinator/step_metrics.h"

#include <string>

#include "coordinator/gateway/metric_families.h"

namespace switchyard {
namespace {

using gateway::AddCounter;
using gateway::AddHistogram;

const gateway::Buckets kStepBuckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                       0.1,    0.25,  0.5,    1,     2.5,  5,     10};

double Seconds(std::chrono::microseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

StepMetrics::StepMetrics(gateway::GatewayMetrics& metrics, int world)
    : metrics_(metrics),
      wall_(AddHistogram(metrics.registry(), "switchyard_step_seconds",
                         "From the end of one step to the end of the next, idle time left out",
                         kStepBuckets)),
      compute_(AddHistogram(metrics.registry(), "switchyard_step_compute_seconds",
                            "Of that, computing on the slowest worker", kStepBuckets)),
      tokens_(AddHistogram(metrics.registry(), "switchyard_step_tokens",
                           "Tokens computed in one step, drafts left out",
                           gateway::OneTwoFive(1, 1e5))),
      looked_up_(AddCounter(metrics.registry(), "switchyard_prefix_cache_queried_tokens_total",
                            "Tokens of prompts that were looked up in the prefix cache")),
      cached_(AddCounter(metrics.registry(), "switchyard_prefix_cache_hit_tokens_total",
                         "Of those, tokens that were found there")),
      drafted_(AddCounter(metrics.registry(), "switchyard_draft_tokens_total",
                          "Drafted tokens that were computed")),
      accepted_(AddCounter(metrics.registry(), "switchyard_accepted_draft_tokens_total",
                           "Of those, tokens that became the answer's")),
      drafted_sequences_(AddCounter(metrics.registry(), "switchyard_drafted_sequences_total",
                                    "Sequences of which a step computed drafts, step by step")),
      preempted_(AddCounter(metrics.registry(), "switchyard_preemptions_total",
                            "Requests that lost their blocks and were computed again")) {
  prometheus::Registry& registry = metrics.registry();
  for (int rank = 0; rank < world; ++rank) {
    const gateway::MetricLabels labels = {{"rank", std::to_string(rank)}};
    ranks_.push_back(
        {.compute = &AddHistogram(registry, "switchyard_rank_step_seconds",
                                  "What a step took on the rank", kStepBuckets, labels),
         .exchange =
             &AddCounter(registry, "switchyard_rank_exchange_seconds_total",
                         "Of that, moving bytes between ranks and waiting for them", labels),
         .sample = &AddCounter(registry, "switchyard_rank_sample_seconds_total",
                               "Of that, from logits to tokens", labels),
         .tokens = &AddCounter(registry, "switchyard_rank_tokens_total",
                               "Tokens that the rank's group computed, drafts left out", labels)});
  }
}

void StepMetrics::Observe(const StepRecord& step) {
  wall_.Observe(Seconds(step.wall));
  compute_.Observe(Seconds(step.compute));
  tokens_.Observe(static_cast<double>(step.num_computed_tokens));
  looked_up_.Increment(static_cast<double>(step.num_looked_up_tokens));
  cached_.Increment(static_cast<double>(step.num_cached_tokens));
  drafted_.Increment(static_cast<double>(step.num_drafted_tokens));
  accepted_.Increment(static_cast<double>(step.num_accepted_tokens));
  drafted_sequences_.Increment(static_cast<double>(step.num_drafted_sequences));
  preempted_.Increment(static_cast<double>(step.num_preemptions));
  metrics_.ObserveStep({.num_computed_tokens = step.num_computed_tokens,
                        .num_preemptions = step.num_preemptions,
                        .num_looked_up_tokens = step.num_looked_up_tokens,
                        .num_cached_tokens = step.num_cached_tokens,
                        .num_drafted_tokens = step.num_drafted_tokens,
                        .num_accepted_tokens = step.num_accepted_tokens,
                        .num_drafted_sequences = step.num_drafted_sequences});
}

void StepMetrics::ObserveRank(const RankStepRecord& step) {
  const Rank& rank = ranks_[step.rank];
  rank.compute->Observe(Seconds(step.compute));
  rank.exchange->Increment(Seconds(step.exchange));
  rank.sample->Increment(Seconds(step.sample));
  rank.tokens->Increment(static_cast<double>(step.num_tokens));
}

}  // namespace switchyard
