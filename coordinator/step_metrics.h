// What steps do, for operators: two histograms of their time, whose difference is what the cluster
// spends beside computing, and how much of prompts the prefix cache saves.
#ifndef SWITCHYARD_COORDINATOR_STEP_METRICS_H_
#define SWITCHYARD_COORDINATOR_STEP_METRICS_H_

#include "coordinator/coordinator.h"

namespace prometheus {
class Counter;
class Histogram;
class Registry;
}  // namespace prometheus

namespace switchyard {

class StepMetrics {
 public:
  // `registry` outlives this.
  explicit StepMetrics(prometheus::Registry& registry);

  // For Coordinator::ObserveSteps. Takes a lock that only a scrape contends for.
  void Observe(const StepRecord& step);

 private:
  prometheus::Histogram& wall_;
  prometheus::Histogram& compute_;
  prometheus::Counter& looked_up_;
  prometheus::Counter& cached_;
  prometheus::Counter& drafted_;
  prometheus::Counter& accepted_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_COORDINATOR_STEP_METRICS_H_
