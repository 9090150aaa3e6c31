#include "coordinator/gateway/gateway_metrics.h"

#include <prometheus/text_serializer.h>

#include <array>

#include "coordinator/gateway/metric_families.h"
#include "coordinator/gateway/vllm_metrics.h"
#include "proto/load_progress.h"

namespace switchyard::gateway {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

// By RequestEnding.
constexpr std::array kReasons = {"stop", "length", "error", "cancelled"};

const Buckets kFirstTokenBuckets = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100};
const Buckets kInterTokenBuckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                    0.1,   0.25,   0.5,   1,    2.5};

}  // namespace

struct GatewayMetrics::Impl {
  prometheus::Registry registry;
  std::unique_ptr<VllmMetrics> vllm;  // null: its names are not given

  prometheus::Family<Counter>& responses = prometheus::BuildCounter()
                                               .Name("switchyard_http_responses_total")
                                               .Help("Answers by route and HTTP status")
                                               .Register(registry);
  prometheus::Family<Counter>& finished =
      prometheus::BuildCounter()
          .Name("switchyard_requests_finished_total")
          .Help("Generation requests by the reason for their end")
          .Register(registry);
  Counter& prompt_tokens =
      AddCounter(registry, "switchyard_prompt_tokens_total", "Prompt tokens of accepted requests");
  Counter& generated_tokens =
      AddCounter(registry, "switchyard_generated_tokens_total", "Generated tokens");
  Histogram& first_token =
      AddHistogram(registry, "switchyard_time_to_first_token_seconds",
                   "From a request's arrival to its first token", kFirstTokenBuckets);
  Histogram& inter_token = AddHistogram(registry, "switchyard_inter_token_seconds",
                                        "Between two tokens of one answer", kInterTokenBuckets);
  Histogram& queue_time =
      AddHistogram(registry, "switchyard_request_queue_seconds",
                   "From a request's arrival to its first step", kFirstTokenBuckets);
  Histogram& request_time =
      AddHistogram(registry, "switchyard_request_seconds", "From a request's arrival to its end",
                   OneTwoFive(0.01, 2000));
  Histogram& request_prompt_tokens = AddHistogram(registry, "switchyard_request_prompt_tokens",
                                                  "Prompt tokens of a request", OneTwoFive(1, 1e6));
  Histogram& request_generated_tokens =
      AddHistogram(registry, "switchyard_request_generated_tokens", "Generated tokens of a request",
                   OneTwoFive(1, 1e6));

  Gauge& serving = AddGauge(registry, "switchyard_serving", "1 while the cluster serves, else 0");
  Gauge& running =
      AddGauge(registry, "switchyard_requests_running", "Requests that hold KV blocks");
  Gauge& waiting = AddGauge(registry, "switchyard_requests_waiting", "Requests in the queue");
  Gauge& blocks_free =
      AddGauge(registry, "switchyard_kv_blocks_free", "KV cache blocks that are free");
  Gauge& blocks_total = AddGauge(registry, "switchyard_kv_blocks_total", "KV cache blocks");
  Gauge& workers = AddGauge(registry, "switchyard_workers", "Workers that have joined");
  prometheus::Family<Gauge>& rank_blocks_free =
      prometheus::BuildGauge()
          .Name("switchyard_rank_kv_blocks_free")
          .Help("KV cache blocks of the rank's group that are free")
          .Register(registry);
  prometheus::Family<Gauge>& rank_load_done = prometheus::BuildGauge()
                                                  .Name("switchyard_rank_load_bytes")
                                                  .Help("Bytes of weights that the rank has read")
                                                  .Register(registry);
  prometheus::Family<Gauge>& rank_load_total = prometheus::BuildGauge()
                                                   .Name("switchyard_rank_load_bytes_expected")
                                                   .Help("Bytes of weights that the rank reads")
                                                   .Register(registry);
  prometheus::Family<Gauge>& rank_load_rate =
      prometheus::BuildGauge()
          .Name("switchyard_rank_load_bytes_per_second")
          .Help("How fast the rank reads weights, over some seconds; 0 when it is ready")
          .Register(registry);
  prometheus::Family<Gauge>& rank_blocks_total = prometheus::BuildGauge()
                                                     .Name("switchyard_rank_kv_blocks_total")
                                                     .Help("KV cache blocks of the rank's group")
                                                     .Register(registry);
};

GatewayMetrics::GatewayMetrics() : impl_(std::make_unique<Impl>()) {}
GatewayMetrics::~GatewayMetrics() = default;

void GatewayMetrics::AddVllmNames(const std::string& model_name) {
  impl_->vllm = std::make_unique<VllmMetrics>(impl_->registry, model_name);
}

void GatewayMetrics::CountResponse(std::string_view route, int http_status) {
  impl_->responses.Add({{"route", std::string(route)}, {"status", std::to_string(http_status)}})
      .Increment();
}

void GatewayMetrics::CountPromptTokens(int num_tokens) {
  impl_->prompt_tokens.Increment(num_tokens);
  if (impl_->vllm) impl_->vllm->CountPromptTokens(num_tokens);
}

void GatewayMetrics::CountGeneratedTokens(int num_tokens) {
  impl_->generated_tokens.Increment(num_tokens);
  if (impl_->vllm) impl_->vllm->CountGeneratedTokens(num_tokens);
}

void GatewayMetrics::ObserveFirstToken(double seconds) {
  impl_->first_token.Observe(seconds);
  if (impl_->vllm) impl_->vllm->ObserveFirstToken(seconds);
}

void GatewayMetrics::ObserveInterToken(double seconds) {
  impl_->inter_token.Observe(seconds);
  if (impl_->vllm) impl_->vllm->ObserveInterToken(seconds);
}

void GatewayMetrics::ObserveRequest(const RequestRecord& request) {
  impl_->finished.Add({{"reason", kReasons[static_cast<size_t>(request.ending)]}}).Increment();
  if (impl_->vllm) impl_->vllm->ObserveRequest(request);
  if (!request.was_admitted) return;
  impl_->request_time.Observe(request.end_s);
  impl_->request_prompt_tokens.Observe(request.num_prompt_tokens);
  impl_->request_generated_tokens.Observe(request.num_generated_tokens);
  if (request.started_s) impl_->queue_time.Observe(*request.started_s);
}

void GatewayMetrics::ObserveStep(const StepFigures& step) {
  if (impl_->vllm) impl_->vllm->ObserveStep(step);
}

std::string GatewayMetrics::Render(const v1::StatusResponse& cluster) {
  impl_->serving.Set(cluster.state() == v1::CLUSTER_STATE_SERVING ? 1 : 0);
  impl_->running.Set(cluster.running_requests());
  impl_->waiting.Set(cluster.waiting_requests());
  impl_->blocks_free.Set(cluster.kv_blocks_free());
  impl_->blocks_total.Set(cluster.kv_blocks_total());
  impl_->workers.Set(cluster.workers_size());
  for (const v1::WorkerStatus& worker : cluster.workers()) {
    if (worker.rank() < 0) continue;
    const MetricLabels labels = {{"rank", std::to_string(worker.rank())}};
    const v1::LoadProgress& load = worker.progress();
    impl_->rank_load_done.Add(labels).Set(static_cast<double>(load.bytes_done()));
    impl_->rank_load_total.Add(labels).Set(static_cast<double>(load.bytes_total()));
    impl_->rank_load_rate.Add(labels).Set(MovesBytes(load) ? load.bytes_per_second() : 0);
    if (worker.kv_blocks_total() == 0) continue;
    impl_->rank_blocks_free.Add(labels).Set(worker.kv_blocks_free());
    impl_->rank_blocks_total.Add(labels).Set(worker.kv_blocks_total());
  }
  if (impl_->vllm) impl_->vllm->SetGauges(cluster);
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

prometheus::Registry& GatewayMetrics::registry() { return impl_->registry; }

}  // namespace switchyard::gateway
