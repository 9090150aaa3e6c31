#include "cli/serve_cluster.h"

#include <fmt/format.h>

#include <string>

namespace switchyard::cli {

absl::Status ApplyClusterFile(const ClusterFile& file,
                              const std::function<bool(std::string_view flag)>& is_given,
                              ServeOptions* options) {
  if (file.hosts.size() > 1) {
    return absl::InvalidArgumentError(fmt::format(
        "the cluster file has {} hosts: serve starts a cluster on this machine alone; on several "
        "start switchyard-coordinator and switchyard-worker",
        file.hosts.size()));
  }
  const bool sized = file.data_parallel.has_value() || (is_given("--dp") && is_given("--tp"));
  if (!sized) {
    return absl::InvalidArgumentError(
        "the cluster file has no [layout]: give --dp and --tp, or take what switchyard plan "
        "--cluster FILE shows");
  }
  const auto set = [&](std::string_view flag, const auto& value, auto& option) {
    if (!is_given(flag)) option = static_cast<std::decay_t<decltype(option)>>(value);
  };
  const auto forward = [&](const char* flag, const auto& value) {
    if (!value.has_value() || is_given(flag)) return;
    options->coordinator_flags.insert(options->coordinator_flags.end(),
                                      {flag, fmt::format("{}", *value)});
  };
  set("--model", file.model_path, options->model_path);
  if (file.data_parallel.has_value()) {
    set("--dp", *file.data_parallel, options->data_parallel);
    set("--tp", *file.tensor_parallel, options->tensor_parallel);
  }
  const bool cuda = file.cluster.device.backend == core::BackendKind::kCuda;
  set("--backend", std::string(cuda ? "cuda" : "cpu"), options->backend);
  if (file.cluster.device.memory_bytes.source != core::FigureSource::kAssumed ||
      file.has_device_memory) {
    v1::Layout layout;
    layout.set_data_parallel(options->data_parallel);
    layout.set_tensor_parallel(options->tensor_parallel);
    const int64_t of_worker = core::WorkerMemory(file.cluster.device.memory_bytes.value, layout,
                                                 file.cluster.device.backend);
    set("--memory", of_worker * options->data_parallel * options->tensor_parallel,
        options->memory_bytes);
  }
  if (file.http_host.has_value()) set("--host", *file.http_host, options->host);
  if (file.http_port.has_value()) set("--port", *file.http_port, options->port);
  if (file.grpc_port.has_value()) set("--grpc-port", *file.grpc_port, options->grpc_port);
  forward("--compute", file.compute);
  forward("--drafts", file.drafts);
  forward("--draft-tokens", file.draft_tokens);
  forward("--max-batched-tokens", file.max_batched_tokens);
  forward("--max-running", file.max_running);
  forward("--max-waiting", file.max_waiting);
  forward("--step-seconds", file.step_seconds);
  forward("--drain-seconds", file.drain_seconds);
  forward("--api-keys", file.api_keys);
  if (!is_given("--cors-origin")) {
    for (const std::string& origin : file.cors_origins) {
      options->coordinator_flags.insert(options->coordinator_flags.end(),
                                        {"--cors-origin", origin});
    }
  }
  if (file.metrics_need_key && !is_given("--metrics-need-key")) {
    options->coordinator_flags.emplace_back("--metrics-need-key");
  }
  return absl::OkStatus();
}

}  // namespace switchyard::cli
