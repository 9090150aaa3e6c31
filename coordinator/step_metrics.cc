#include "coordinator/step_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace switchyard {
namespace {

prometheus::Histogram& AddHistogram(prometheus::Registry& registry, const char* name,
                                    const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(
      {}, prometheus::Histogram::BucketBoundaries{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                  0.1, 0.25, 0.5, 1, 2.5, 5, 10});
}

prometheus::Counter& AddCounter(prometheus::Registry& registry, const char* name,
                                const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

double Seconds(std::chrono::microseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

StepMetrics::StepMetrics(prometheus::Registry& registry)
    : wall_(AddHistogram(registry, "switchyard_step_seconds",
                         "From the end of one step to the end of the next, idle time left out")),
      compute_(AddHistogram(registry, "switchyard_step_compute_seconds",
                            "Of that, computing on the slowest worker")),
      looked_up_(AddCounter(registry, "switchyard_prefix_cache_queried_tokens_total",
                            "Tokens of prompts that were looked up in the prefix cache")),
      cached_(AddCounter(registry, "switchyard_prefix_cache_hit_tokens_total",
                         "Of those, tokens that were found there")),
      drafted_(AddCounter(registry, "switchyard_draft_tokens_total",
                          "Drafted tokens that were computed")),
      accepted_(AddCounter(registry, "switchyard_accepted_draft_tokens_total",
                           "Of those, tokens that became the answer's")) {}

void StepMetrics::Observe(const StepRecord& step) {
  wall_.Observe(Seconds(step.wall));
  compute_.Observe(Seconds(step.compute));
  looked_up_.Increment(static_cast<double>(step.num_looked_up_tokens));
  cached_.Increment(static_cast<double>(step.num_cached_tokens));
  drafted_.Increment(static_cast<double>(step.num_drafted_tokens));
  accepted_.Increment(static_cast<double>(step.num_accepted_tokens));
}

}  // namespace switchyard
