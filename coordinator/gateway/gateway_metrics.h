// What the gateway counts, and the text that Prometheus reads.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_GATEWAY_METRICS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_GATEWAY_METRICS_H_

#include <memory>
#include <string>
#include <string_view>

#include "proto/admin.pb.h"

namespace prometheus {
class Registry;
}

namespace switchyard::gateway {

// Thread-safe. All methods are cheap; none may be called on the coordinator's loop thread (they
// take locks).
class GatewayMetrics {
 public:
  GatewayMetrics();
  ~GatewayMetrics();

  // `route` is one of a fixed set: it becomes a label.
  void CountResponse(std::string_view route, int http_status);
  void CountPromptTokens(int num_tokens);
  void CountGeneratedTokens(int num_tokens);
  // "stop", "length", "error" or "cancelled".
  void CountFinish(std::string_view reason);
  void ObserveFirstToken(double seconds);
  void ObserveInterToken(double seconds);

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
