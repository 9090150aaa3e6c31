// The one file that says what a cluster is: hosts, devices, links, layout, model, limits, security.
// TOML; `switchyard plan --cluster` and `switchyard serve --cluster` read it, flags override it.
// docs/cluster-file.md shows every key.
#ifndef SWITCHYARD_CLI_CLUSTER_FILE_H_
#define SWITCHYARD_CLI_CLUSTER_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/core/plan/layout_search.h"
#include "proto/model.pb.h"

namespace switchyard::cli {

// What a file says; what it leaves out is empty, and the commands' own defaults hold.
struct ClusterFile {
  std::string model_path;
  v1::ModelSpec model;  // of its config.json
  std::optional<std::string> compute, weights, drafts, packed_cache;
  std::optional<int64_t> draft_tokens;

  std::vector<std::string> hosts;                         // at least one
  core::ClusterShape cluster;                             // with the figures that the file gives
  bool has_device_memory = false;                         // one of them
  std::optional<int64_t> data_parallel, tensor_parallel;  // both or none
  std::optional<int64_t> redundant_experts;

  std::optional<int64_t> context, running;  // what plans are held against
  std::optional<int64_t> max_batched_tokens, micro_batch_tokens, max_running, max_waiting;
  std::optional<int64_t> max_logprobs, logprob_bytes;
  std::optional<int64_t> step_seconds, drain_seconds;

  std::optional<std::string> http_host;
  std::optional<int64_t> http_port, grpc_port;
  // Where the coordinator is alone, on all addresses of that machine; else on the first host.
  std::optional<std::string> coordinator;
  std::optional<std::string> api_keys;
  std::vector<std::string> cors_origins;
  bool metrics_need_key = false;
};

// Reads the file and the config of its model. INVALID_ARGUMENT with every fault, each as
// "FILE:LINE: what; remedy": unknown keys, missing ones, hosts named twice, amounts without unit, a
// layout that the model or the devices cannot have. (A file that is no TOML has its first such
// fault only.) NOT_FOUND: there is no such file.
absl::StatusOr<ClusterFile> ReadClusterFile(const std::string& path);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_CLUSTER_FILE_H_
