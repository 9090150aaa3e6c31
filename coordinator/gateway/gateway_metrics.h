// What the gateway counts, and the text that Prometheus reads.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_GATEWAY_METRICS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_GATEWAY_METRICS_H_

#include <memory>
#include <string>
#include <string_view>

#include "coordinator/gateway/metric_records.h"
#include "proto/admin.pb.h"

namespace prometheus {
class Registry;
}

namespace switchyard::gateway {

// Thread-safe. All methods are cheap; none but ObserveStep may be called on the coordinator's loop
// thread (they take locks that many contend for).
class GatewayMetrics {
 public:
  GatewayMetrics();
  ~GatewayMetrics();

  // Gives the figures under vLLM's names, too. REQUIRES: nothing was counted yet.
  void AddVllmNames(const std::string& model_name);

  // `route` is one of a fixed set: it becomes a label.
  void CountResponse(std::string_view route, int http_status);
  void CountPromptTokens(int num_tokens);
  void CountGeneratedTokens(int num_tokens);
  void ObserveFirstToken(double seconds);
  void ObserveInterToken(double seconds);
  // Once for each generation.
  void ObserveRequest(const RequestRecord& request);
  void ObserveStep(const StepFigures& step);

  // Sets the cluster's gauges from `cluster` and writes all metrics in the text format 0.0.4.
  std::string Render(const v1::StatusResponse& cluster);

  // For what other parts of the coordinator count: rendered with the gateway's own.
  prometheus::Registry& registry();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_GATEWAY_METRICS_H_
