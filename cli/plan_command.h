// `switchyard plan`: whether a model fits a cluster, what that leaves for the cache, and how fast
// it can be at most; before there is a cluster.
#ifndef SWITCHYARD_CLI_PLAN_COMMAND_H_
#define SWITCHYARD_CLI_PLAN_COMMAND_H_

#include <iosfwd>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

// What is 0 or empty is as the cluster file has it, or else by default.
struct PlanOptions {
  std::string cluster_file;  // see cluster_file.h; may be empty
  std::string model;         // folder of a checkpoint, a GGUF file, or a config.json
  int hosts = 0;             // default 1
  int devices_per_host = 0;  // default 8
  std::string device;        // one of core::kKnownDevices; default h100
  int data_parallel = 0;     // default any, and so the next two
  int tensor_parallel = 0;
  int expert_parallel = 0;
  int redundant_experts = 0;
  int64_t context = 0;         // default 4096
  int64_t running = 0;         // of the whole cluster; default 128 for each device
  int max_batched_tokens = 0;  // default 512
  // bf16, f32 or w8a8; default w8a8 for FP8 weights on GPUs, else bf16
  std::string compute;
  std::string weights;  // stored, q8 or q4; default stored
  std::string drafts;   // auto, off, mtp or ngram; default auto, as served
  // Instead of a plan: what this cluster file would change in `cluster_file`.
  std::string changed_file;
  int top = 5;  // layouts to list
  bool json = false;
};

// Writes the best layout's tables to `out`, and a list of others where more were allowed.
// RESOURCE_EXHAUSTED, after the tables of what comes nearest: no such layout fits; the message has
// the shortfall of a rank and the nearest that fits. Other errors: those of SearchLayouts and of
// reading the config.
absl::Status RunPlan(const PlanOptions& options, std::ostream& out);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_PLAN_COMMAND_H_
