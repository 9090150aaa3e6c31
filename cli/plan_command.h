// `switchyard plan`: whether a model fits a cluster, what that leaves for the cache, and how fast
// it can be at most; before there is a cluster.
#ifndef SWITCHYARD_CLI_PLAN_COMMAND_H_
#define SWITCHYARD_CLI_PLAN_COMMAND_H_

#include <iosfwd>
#include <string>

#include "base/status.h"

namespace switchyard::cli {

struct PlanOptions {
  std::string model;  // folder of a checkpoint, or a config.json
  int hosts = 1;
  int devices_per_host = 8;
  std::string device = "h100";  // one of core::kKnownDevices
  int data_parallel = 0;        // 0: any
  int tensor_parallel = 0;
  int expert_parallel = 0;
  int redundant_experts = 0;
  int64_t context = 4096;
  int64_t running = 0;  // of the whole cluster; 0: 128 for each device
  int max_batched_tokens = 512;
  // bf16, f32, w8a8, or auto: w8a8 for FP8 weights on GPUs, else bf16
  std::string compute = "auto";
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
