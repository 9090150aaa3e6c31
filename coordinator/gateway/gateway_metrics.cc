#include "coordinator/gateway/gateway_metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace switchyard::gateway {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Histogram;

const Histogram::BucketBoundaries kFirstTokenBuckets = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                                        2.5,  5,     10,   25,  50,   100};
const Histogram::BucketBoundaries kInterTokenBuckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                        0.1,   0.25,   0.5,   1,    2.5};

prometheus::Gauge& AddGauge(prometheus::Registry& registry, const char* name, const char* help) {
  return BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Counter& AddCounter(prometheus::Registry& registry, const char* name,
                                const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

struct GatewayMetrics::Impl {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& responses = BuildCounter()
                                                           .Name("switchyard_http_responses_total")
                                                           .Help("Answers by route and HTTP status")
                                                           .Register(registry);
  prometheus::Family<prometheus::Counter>& finished =
      BuildCounter()
          .Name("switchyard_requests_finished_total")
          .Help("Generation requests by the reason for their end")
          .Register(registry);
  prometheus::Counter& prompt_tokens =
      AddCounter(registry, "switchyard_prompt_tokens_total", "Prompt tokens of accepted requests");
  prometheus::Counter& generated_tokens =
      AddCounter(registry, "switchyard_generated_tokens_total", "Generated tokens");
  Histogram& first_token = BuildHistogram()
                               .Name("switchyard_time_to_first_token_seconds")
                               .Help("From a request's arrival to its first token")
                               .Register(registry)
                               .Add({}, kFirstTokenBuckets);
  Histogram& inter_token = BuildHistogram()
                               .Name("switchyard_inter_token_seconds")
                               .Help("Between two tokens of one answer")
                               .Register(registry)
                               .Add({}, kInterTokenBuckets);
  prometheus::Gauge& serving =
      AddGauge(registry, "switchyard_serving", "1 while the cluster serves, else 0");
  prometheus::Gauge& running =
      AddGauge(registry, "switchyard_requests_running", "Requests that hold KV blocks");
  prometheus::Gauge& waiting =
      AddGauge(registry, "switchyard_requests_waiting", "Requests in the queue");
  prometheus::Gauge& blocks_free =
      AddGauge(registry, "switchyard_kv_blocks_free", "KV cache blocks that are free");
  prometheus::Gauge& blocks_total =
      AddGauge(registry, "switchyard_kv_blocks_total", "KV cache blocks");
  prometheus::Gauge& workers = AddGauge(registry, "switchyard_workers", "Workers that have joined");
};

GatewayMetrics::GatewayMetrics() : impl_(std::make_unique<Impl>()) {}
GatewayMetrics::~GatewayMetrics() = default;

void GatewayMetrics::CountResponse(std::string_view route, int http_status) {
  impl_->responses.Add({{"route", std::string(route)}, {"status", std::to_string(http_status)}})
      .Increment();
}

void GatewayMetrics::CountPromptTokens(int num_tokens) {
  impl_->prompt_tokens.Increment(num_tokens);
}

void GatewayMetrics::CountGeneratedTokens(int num_tokens) {
  impl_->generated_tokens.Increment(num_tokens);
}

void GatewayMetrics::CountFinish(std::string_view reason) {
  impl_->finished.Add({{"reason", std::string(reason)}}).Increment();
}

void GatewayMetrics::ObserveFirstToken(double seconds) { impl_->first_token.Observe(seconds); }
void GatewayMetrics::ObserveInterToken(double seconds) { impl_->inter_token.Observe(seconds); }

std::string GatewayMetrics::Render(const v1::StatusResponse& cluster) {
  impl_->serving.Set(cluster.state() == v1::CLUSTER_STATE_SERVING ? 1 : 0);
  impl_->running.Set(cluster.running_requests());
  impl_->waiting.Set(cluster.waiting_requests());
  impl_->blocks_free.Set(cluster.kv_blocks_free());
  impl_->blocks_total.Set(cluster.kv_blocks_total());
  impl_->workers.Set(cluster.workers_size());
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

prometheus::Registry& GatewayMetrics::registry() { return impl_->registry; }

}  // namespace switchyard::gateway
