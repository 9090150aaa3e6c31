#include "cli/plan_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ostream>
#include <vector>

#include "base/units.h"
#include "cli/cluster_file.h"
#include "cli/plan_diff.h"
#include "cli/plan_report.h"
#include "coordinator/core/plan/layout_search.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "coordinator/core/plan/weight_form.h"
#include "coordinator/model_config.h"

namespace switchyard::cli {
namespace {

constexpr int32_t kMostHostsToTry = 64;

absl::StatusOr<core::DeviceFigures> FindDevice(const std::string& name) {
  std::vector<std::string_view> names;
  for (const core::DeviceFigures& device : core::kKnownDevices) {
    if (device.name == name) return device;
    names.push_back(device.name);
  }
  return absl::InvalidArgumentError(
      fmt::format("--gpu \"{}\": must be one of {}", name, fmt::join(names, ", ")));
}

absl::StatusOr<v1::ComputeMode> ChooseCompute(const std::string& name,
                                              const core::LayoutRequest& request) {
  if (name == "bf16") return v1::COMPUTE_MODE_BF16;
  if (name == "f32") return v1::COMPUTE_MODE_F32;
  if (name == "w8a8") return v1::COMPUTE_MODE_W8A8;
  if (!name.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("--compute \"{}\": must be bf16, f32 or w8a8", name));
  }
  const bool fp8 =
      request.model.has_fp8() && request.cluster.device.backend == core::BackendKind::kCuda;
  return fp8 ? v1::COMPUTE_MODE_W8A8 : v1::COMPUTE_MODE_BF16;
}

// As the file has it, all that it leaves out by default.
core::LayoutRequest RequestOf(const ClusterFile& file) {
  core::LayoutRequest request;
  request.model = file.model;
  request.cluster = file.cluster;
  request.only.data_parallel = static_cast<int32_t>(file.data_parallel.value_or(0));
  request.only.tensor_parallel = static_cast<int32_t>(file.tensor_parallel.value_or(0));
  request.redundant_experts = file.redundant_experts.value_or(0);
  request.load.context = file.context.value_or(request.load.context);
  request.load.running = file.running.value_or(request.load.running);
  request.load.max_running = static_cast<int32_t>(file.max_running.value_or(0));
  request.load.max_batched_tokens =
      static_cast<int32_t>(file.max_batched_tokens.value_or(request.load.max_batched_tokens));
  if (file.micro_batch_tokens) {
    request.load.micro_batch_tokens = static_cast<int32_t>(*file.micro_batch_tokens);
  }
  return request;
}

template <typename To, typename From>
void OverrideBy(From given, To& value) {
  if (given != From()) value = static_cast<To>(given);
}

absl::StatusOr<core::LayoutRequest> MakeRequest(const PlanOptions& options) {
  core::LayoutRequest request;
  int32_t draft_tokens = 1;
  std::string compute = options.compute, weights = options.weights, drafts = options.drafts;
  if (!options.cluster_file.empty()) {
    SY_ASSIGN_OR_RETURN(const ClusterFile file, ReadClusterFile(options.cluster_file));
    request = RequestOf(file);
    if (compute.empty()) compute = file.compute.value_or("");
    if (weights.empty()) weights = file.weights.value_or("");
    if (drafts.empty()) drafts = file.drafts.value_or("");
    draft_tokens = static_cast<int32_t>(file.draft_tokens.value_or(draft_tokens));
  } else if (options.model.empty()) {
    return absl::InvalidArgumentError("nothing to plan: give --model or --cluster");
  }
  if (!options.model.empty()) {
    SY_ASSIGN_OR_RETURN(request.model, ReadModelSpec(options.model));
  }
  if (!options.device.empty()) {
    SY_ASSIGN_OR_RETURN(request.cluster.device, FindDevice(options.device));
  }
  OverrideBy(options.hosts, request.cluster.hosts);
  OverrideBy(options.devices_per_host, request.cluster.devices_per_host);
  SY_ASSIGN_OR_RETURN(request.compute, ChooseCompute(compute, request));
  if (!weights.empty()) {
    SY_ASSIGN_OR_RETURN(request.weights, core::ParseWeightForm(weights));
  }
  SY_ASSIGN_OR_RETURN(request.drafts, core::ParseDrafts(drafts.empty() ? "auto" : drafts,
                                                        draft_tokens, request.model));
  OverrideBy(options.data_parallel, request.only.data_parallel);
  OverrideBy(options.tensor_parallel, request.only.tensor_parallel);
  OverrideBy(options.expert_parallel, request.only.expert_parallel);
  OverrideBy(options.context, request.load.context);
  OverrideBy(options.running, request.load.running);
  OverrideBy(options.max_batched_tokens, request.load.max_batched_tokens);
  OverrideBy(options.redundant_experts, request.redundant_experts);
  return request;
}

// What there is no memory for, and where there would be.
absl::Status Refusal(const core::LayoutRequest& request,
                     std::span<const core::LayoutPlan> layouts) {
  const core::LayoutPlan& nearest = layouts.front();
  const core::RankMemory& memory = nearest.memory;
  std::string message = fmt::format(
      "{} does not fit: rank {} needs {} beside its cache, {} of it weights, and {} more than it "
      "has for one request of {} tokens",
      PlaceName(request, nearest), nearest.rank, FormatBytes(memory.Fixed() + memory.Beside()),
      FormatBytes(memory.weights.Total()), FormatBytes(nearest.shortfall), request.load.context);
  const auto fit = core::FindNearestFit(request, std::max(kMostHostsToTry, request.cluster.hosts));
  if (!fit.ok()) {
    return absl::ResourceExhaustedError(fmt::format("{}; {}", message, Message(fit.status())));
  }
  constexpr size_t kNamed = 3;
  std::vector<std::string> names;
  for (const core::LayoutPlan& layout : fit->layouts) {
    if (names.size() < kNamed) names.push_back(LayoutName(layout));
  }
  return absl::ResourceExhaustedError(fmt::format("{}; the nearest that fit: {} on {} host{}",
                                                  message, fmt::join(names, ", "), fit->hosts,
                                                  fit->hosts == 1 ? "" : "s"));
}

absl::StatusOr<PlannedCluster> PlanFile(PlanOptions options, const std::string& path) {
  options.cluster_file = path;
  PlannedCluster planned;
  SY_ASSIGN_OR_RETURN(planned.file, ReadClusterFile(path));
  SY_ASSIGN_OR_RETURN(planned.request, MakeRequest(options));
  SY_ASSIGN_OR_RETURN(std::vector<core::LayoutPlan> layouts, core::SearchLayouts(planned.request));
  planned.layout = std::move(layouts.front());
  return planned;
}

absl::Status RunDiff(const PlanOptions& options, std::ostream& out) {
  if (options.cluster_file.empty() || options.json) {
    return absl::InvalidArgumentError("--diff needs --cluster OLD, and writes no JSON");
  }
  SY_ASSIGN_OR_RETURN(const PlannedCluster from, PlanFile(options, options.cluster_file));
  SY_ASSIGN_OR_RETURN(const PlannedCluster to, PlanFile(options, options.changed_file));
  out << DiffText(from, to);
  return absl::OkStatus();
}

}  // namespace

absl::Status RunPlan(const PlanOptions& options, std::ostream& out) {
  if (!options.changed_file.empty()) return RunDiff(options, out);
  SY_ASSIGN_OR_RETURN(const core::LayoutRequest request, MakeRequest(options));
  SY_ASSIGN_OR_RETURN(std::vector<core::LayoutPlan> layouts, core::SearchLayouts(request));
  const size_t found = layouts.size();
  layouts.resize(std::min(found, static_cast<size_t>(std::max(options.top, 1))));
  if (options.json) {
    out << LayoutsJson(request, layouts).dump(2) << "\n";
  } else {
    out << HeadText(request);
    if (found > 1) out << LayoutsText(layouts);
    out << LayoutText(request, layouts.front());
  }
  return layouts.front().fits() ? absl::OkStatus() : Refusal(request, layouts);
}

}  // namespace switchyard::cli
