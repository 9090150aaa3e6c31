#include "coordinator/gateway/vllm_metrics.h"

#include <array>

#include "coordinator/gateway/metric_families.h"

namespace switchyard::gateway {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

// By RequestEnding.
constexpr std::array kReasons = {"stop", "length", "error", "abort"};

// One attention group's words for what here is a cluster.
MetricLabels Labels(const std::string& model_name) {
  return {{"model_name", model_name}, {"engine", "0"}};
}

}  // namespace

struct VllmMetrics::Impl {
  Impl(prometheus::Registry& to, const std::string& model_name)
      : registry(to), labels(Labels(model_name)) {
    auto& family = prometheus::BuildCounter()
                       .Name("vllm:request_success_total")
                       .Help("Generations that are over, by reason")
                       .Register(registry);
    for (size_t i = 0; i < kReasons.size(); ++i) {
      MetricLabels with_reason = labels;
      with_reason["finished_reason"] = kReasons[i];
      endings[i] = &family.Add(with_reason);
    }
  }

  Gauge& GaugeOf(const char* name, const char* help) {
    return AddGauge(registry, name, help, labels);
  }
  Counter& CounterOf(const char* name, const char* help) {
    return AddCounter(registry, name, help, labels);
  }
  Histogram& SecondsOf(const char* name, const char* help) {
    return AddHistogram(registry, name, help, OneTwoFive(0.001, 2000), labels);
  }
  Histogram& TokensOf(const char* name, const char* help) {
    return AddHistogram(registry, name, help, OneTwoFive(1, 1e6), labels);
  }

  prometheus::Registry& registry;
  const MetricLabels labels;
  std::array<Counter*, kReasons.size()> endings = {};

  Gauge& running = GaugeOf("vllm:num_requests_running", "Requests that hold KV blocks");
  Gauge& waiting = GaugeOf("vllm:num_requests_waiting", "Requests in the queue");
  Gauge& cache_usage =
      GaugeOf("vllm:kv_cache_usage_perc", "Part of the KV blocks that is in use, 0 to 1");
  Gauge& old_cache_usage = GaugeOf("vllm:gpu_cache_usage_perc", "The same by its older name");

  Counter& preemptions = CounterOf("vllm:num_preemptions_total",
                                   "Requests that lost their blocks and were computed again");
  Counter& prompt_tokens =
      CounterOf("vllm:prompt_tokens_total", "Prompt tokens of accepted requests");
  Counter& generation_tokens = CounterOf("vllm:generation_tokens_total", "Generated tokens");
  Counter& cache_queries = CounterOf("vllm:prefix_cache_queries_total",
                                     "Prompt tokens that were looked up in the prefix cache");
  Counter& cache_hits =
      CounterOf("vllm:prefix_cache_hits_total", "Of those, tokens that were found there");
  Counter& drafts = CounterOf("vllm:spec_decode_num_drafts_total",
                              "Sequences of which a step computed drafts, step by step");
  Counter& draft_tokens =
      CounterOf("vllm:spec_decode_num_draft_tokens_total", "Drafted tokens that were computed");
  Counter& accepted_tokens = CounterOf("vllm:spec_decode_num_accepted_tokens_total",
                                       "Of those, tokens that became the answer's");

  Histogram& iteration_tokens =
      TokensOf("vllm:iteration_tokens_total", "Tokens computed in one step");
  Histogram& request_prompt_tokens =
      TokensOf("vllm:request_prompt_tokens", "Prompt tokens of a request");
  Histogram& request_generation_tokens =
      TokensOf("vllm:request_generation_tokens", "Generated tokens of a request");
  Histogram& request_max_generation_tokens =
      TokensOf("vllm:request_max_num_generation_tokens", "Most tokens that a request may generate");
  Histogram& request_max_tokens =
      TokensOf("vllm:request_params_max_tokens", "The same, as the request has it");

  Histogram& first_token =
      SecondsOf("vllm:time_to_first_token_seconds", "From a request's arrival to its first token");
  Histogram& inter_token =
      SecondsOf("vllm:inter_token_latency_seconds", "Between two tokens of one answer");
  Histogram& old_inter_token =
      SecondsOf("vllm:time_per_output_token_seconds", "The same by its older name");
  Histogram& mean_inter_token = SecondsOf("vllm:request_time_per_output_token_seconds",
                                          "Mean time between the tokens of an answer");
  Histogram& latency =
      SecondsOf("vllm:e2e_request_latency_seconds", "From a request's arrival to its end");
  Histogram& queue_time =
      SecondsOf("vllm:request_queue_time_seconds", "From a request's arrival to its first step");
  Histogram& prefill_time =
      SecondsOf("vllm:request_prefill_time_seconds", "From the first step to the first token");
  Histogram& decode_time =
      SecondsOf("vllm:request_decode_time_seconds", "From the first token to the last");
  Histogram& inference_time =
      SecondsOf("vllm:request_inference_time_seconds", "From the first step to the last token");
};

VllmMetrics::VllmMetrics(prometheus::Registry& registry, const std::string& model_name)
    : impl_(std::make_unique<Impl>(registry, model_name)) {}
VllmMetrics::~VllmMetrics() = default;

void VllmMetrics::CountPromptTokens(int num_tokens) { impl_->prompt_tokens.Increment(num_tokens); }
void VllmMetrics::CountGeneratedTokens(int num_tokens) {
  impl_->generation_tokens.Increment(num_tokens);
}
void VllmMetrics::ObserveFirstToken(double seconds) { impl_->first_token.Observe(seconds); }
void VllmMetrics::ObserveInterToken(double seconds) {
  impl_->inter_token.Observe(seconds);
  impl_->old_inter_token.Observe(seconds);
}

void VllmMetrics::ObserveRequest(const RequestRecord& request) {
  impl_->endings[static_cast<size_t>(request.ending)]->Increment();
  if (!request.was_admitted) return;
  impl_->request_prompt_tokens.Observe(request.num_prompt_tokens);
  impl_->request_generation_tokens.Observe(request.num_generated_tokens);
  impl_->request_max_generation_tokens.Observe(request.max_tokens);
  impl_->request_max_tokens.Observe(request.max_tokens);
  impl_->latency.Observe(request.end_s);
  if (request.started_s) impl_->queue_time.Observe(*request.started_s);
  if (!request.first_token_s) return;
  const double decode_s = *request.last_token_s - *request.first_token_s;
  impl_->decode_time.Observe(decode_s);
  if (request.num_generated_tokens > 1) {
    impl_->mean_inter_token.Observe(decode_s / (request.num_generated_tokens - 1));
  }
  if (!request.started_s) return;
  impl_->prefill_time.Observe(*request.first_token_s - *request.started_s);
  impl_->inference_time.Observe(*request.last_token_s - *request.started_s);
}

void VllmMetrics::ObserveStep(const StepFigures& step) {
  impl_->iteration_tokens.Observe(static_cast<double>(step.num_computed_tokens));
  impl_->preemptions.Increment(static_cast<double>(step.num_preemptions));
  impl_->cache_queries.Increment(static_cast<double>(step.num_looked_up_tokens));
  impl_->cache_hits.Increment(static_cast<double>(step.num_cached_tokens));
  impl_->drafts.Increment(static_cast<double>(step.num_drafted_sequences));
  impl_->draft_tokens.Increment(static_cast<double>(step.num_drafted_tokens));
  impl_->accepted_tokens.Increment(static_cast<double>(step.num_accepted_tokens));
}

void VllmMetrics::SetGauges(const v1::StatusResponse& cluster) {
  impl_->running.Set(cluster.running_requests());
  impl_->waiting.Set(cluster.waiting_requests());
  const double total = cluster.kv_blocks_total();
  const double used = total > 0 ? 1 - cluster.kv_blocks_free() / total : 0;
  impl_->cache_usage.Set(used);
  impl_->old_cache_usage.Set(used);
}

}  // namespace switchyard::gateway
