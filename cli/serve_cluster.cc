#include "cli/serve_cluster.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/host_port.h"
#include "cli/local_workers.h"

namespace switchyard::cli {
namespace {

constexpr char kAnyHost[] = "0.0.0.0";
constexpr int kConnectSeconds = 600;  // for hosts that start before the coordinator's

// The ranks of `this_host`, and where the coordinator is: on the first host of the file, or where
// the file has it alone.
absl::Status ApplyHost(const ClusterFile& file, const std::string& this_host,
                       ServeOptions* options) {
  const bool apart = file.coordinator.has_value();
  if (apart && this_host == *file.coordinator) {
    options->num_ranks = 0;
    options->coordinator_flags.insert(options->coordinator_flags.end(), {"--grpc-host", kAnyHost});
    return absl::OkStatus();
  }
  const auto own = std::find(file.hosts.begin(), file.hosts.end(), this_host);
  if (own == file.hosts.end() && (file.hosts.size() > 1 || apart || !this_host.empty())) {
    std::vector<std::string> names = file.hosts;
    if (apart) names.push_back(*file.coordinator);
    return absl::InvalidArgumentError(fmt::format(
        "the cluster file has {} host{}: say which one this is, by --this-host {}", names.size(),
        names.size() == 1 ? "" : "s", fmt::join(names, " or --this-host ")));
  }
  if (file.hosts.size() == 1 && !apart) return absl::OkStatus();
  const auto index = static_cast<int>(own - file.hosts.begin());
  const int world = options->data_parallel * options->tensor_parallel;
  options->first_rank = index * file.cluster.devices_per_host;
  options->num_ranks = std::min(file.cluster.devices_per_host, world - options->first_rank);
  if (options->num_ranks <= 0) {
    return absl::InvalidArgumentError(
        fmt::format("the {} ranks of the layout are on the hosts before {}: start nothing here",
                    world, this_host));
  }
  options->worker_flags.insert(options->worker_flags.end(), {"--host", this_host});
  if (index == 0 && !apart) {
    options->coordinator_flags.insert(options->coordinator_flags.end(), {"--grpc-host", this_host});
    return absl::OkStatus();
  }
  if (options->grpc_port == 0) {
    return absl::InvalidArgumentError(
        "several hosts must know the coordinator's port: give [server] grpc_port, other than 0");
  }
  options->coordinator =
      JoinHostPort(apart ? *file.coordinator : file.hosts.front(), options->grpc_port);
  options->worker_flags.insert(options->worker_flags.end(),
                               {"--connect-seconds", fmt::format("{}", kConnectSeconds)});
  return absl::OkStatus();
}

}  // namespace

absl::Status ApplyClusterFile(const ClusterFile& file, const std::string& this_host,
                              const std::function<bool(std::string_view flag)>& is_given,
                              ServeOptions* options) {
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
  if (file.grpc_port.has_value()) set("--grpc-port", *file.grpc_port, options->grpc_port);
  SY_RETURN_IF_ERROR(ApplyHost(file, this_host, options));
  const bool cuda = file.cluster.device.backend == core::BackendKind::kCuda;
  set("--backend", std::string(cuda ? "cuda" : "cpu"), options->backend);
  if (file.cluster.device.memory_bytes.source != core::FigureSource::kAssumed ||
      file.has_device_memory) {
    v1::Layout layout;
    layout.set_data_parallel(options->data_parallel);
    layout.set_tensor_parallel(options->tensor_parallel);
    const int64_t of_worker = core::WorkerMemory(file.cluster.device.memory_bytes.value, layout,
                                                 file.cluster.device.backend);
    set("--memory", of_worker * NumLocalRanks(*options), options->memory_bytes);
  }
  if (file.http_host.has_value()) set("--host", *file.http_host, options->host);
  if (file.http_port.has_value()) set("--port", *file.http_port, options->port);
  if (file.packed_cache.has_value() && !is_given("--packed-cache")) {
    options->worker_flags.insert(options->worker_flags.end(),
                                 {"--packed-cache", *file.packed_cache});
  }
  forward("--compute", file.compute);
  forward("--weights", file.weights);
  forward("--drafts", file.drafts);
  forward("--draft-tokens", file.draft_tokens);
  forward("--max-batched-tokens", file.max_batched_tokens);
  forward("--micro-batch-tokens", file.micro_batch_tokens);
  forward("--max-running", file.max_running);
  forward("--max-waiting", file.max_waiting);
  forward("--max-logprobs", file.max_logprobs);
  forward("--logprob-memory", file.logprob_bytes);
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
