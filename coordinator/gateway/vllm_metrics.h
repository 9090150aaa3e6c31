// The gateway's and the steps' figures under vLLM's names, so that dashboards and autoscalers made
// for it work: --metrics-compat vllm. Labels are the model's name and an engine number, as there.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_VLLM_METRICS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_VLLM_METRICS_H_

#include <memory>
#include <string>

#include "coordinator/gateway/metric_records.h"
#include "proto/admin.pb.h"

namespace prometheus {
class Registry;
}

namespace switchyard::gateway {

// Thread-safe, cheap; as GatewayMetrics.
class VllmMetrics {
 public:
  // `registry` outlives this.
  VllmMetrics(prometheus::Registry& registry, const std::string& model_name);
  ~VllmMetrics();

  void CountPromptTokens(int num_tokens);
  void CountGeneratedTokens(int num_tokens);
  void ObserveFirstToken(double seconds);
  void ObserveInterToken(double seconds);
  void ObserveRequest(const RequestRecord& request);
  void ObserveStep(const StepFigures& step);
  void SetGauges(const v1::StatusResponse& cluster);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_VLLM_METRICS_H_
