// What steps do, for operators: of the cluster, two histograms of their time, whose difference is
// what it spends beside computing, and how much caches and drafts save; and of each rank, where its
// time goes.
#ifndef SWITCHYARD_COORDINATOR_STEP_METRICS_H_
#define SWITCHYARD_COORDINATOR_STEP_METRICS_H_

#include <vector>

#include "coordinator/coordinator.h"
#include "coordinator/gateway/gateway_metrics.h"

namespace prometheus {
class Counter;
class Histogram;
}  // namespace prometheus

namespace switchyard {

class StepMetrics {
 public:
  // `metrics` outlives this. Ranks are 0 to world - 1.
  StepMetrics(gateway::GatewayMetrics& metrics, int world);

  // For Coordinator::ObserveSteps. Take locks that only a scrape contends for.
  void Observe(const StepRecord& step);
  void ObserveRank(const RankStepRecord& step);

 private:
  struct Rank {
    prometheus::Histogram* compute;
    prometheus::Counter* exchange;
    prometheus::Counter* sample;
    prometheus::Counter* tokens;
  };

  gateway::GatewayMetrics& metrics_;
  prometheus::Histogram& wall_;
  prometheus::Histogram& compute_;
  prometheus::Histogram& tokens_;
  prometheus::Counter& looked_up_;
  prometheus::Counter& cached_;
  prometheus::Counter& drafted_;
  prometheus::Counter& accepted_;
  prometheus::Counter& drafted_sequences_;
  prometheus::Counter& preempted_;
  std::vector<Rank> ranks_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_COORDINATOR_STEP_METRICS_H_
