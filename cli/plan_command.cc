#include "cli/plan_command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <vector>

#include "base/file.h"
#include "base/units.h"
#include "cli/plan_report.h"
#include "coordinator/core/plan/hf_config.h"
#include "coordinator/core/plan/layout_search.h"

namespace switchyard::cli {
namespace {

constexpr int64_t kMaxConfigBytes = 16 * kMiB;
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

absl::StatusOr<v1::ComputeMode> ChooseCompute(const PlanOptions& options,
                                              const core::LayoutRequest& request) {
  if (options.compute == "bf16") return v1::COMPUTE_MODE_BF16;
  if (options.compute == "f32") return v1::COMPUTE_MODE_F32;
  if (options.compute == "w8a8") return v1::COMPUTE_MODE_W8A8;
  if (options.compute != "auto") {
    return absl::InvalidArgumentError(
        fmt::format("--compute \"{}\": must be auto, bf16, f32 or w8a8", options.compute));
  }
  const bool fp8 =
      request.model.has_fp8() && request.cluster.device.backend == core::BackendKind::kCuda;
  return fp8 ? v1::COMPUTE_MODE_W8A8 : v1::COMPUTE_MODE_BF16;
}

absl::StatusOr<core::LayoutRequest> MakeRequest(const PlanOptions& options) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(options.model, ignored);
  const std::string path = folder ? options.model + "/config.json" : options.model;
  core::LayoutRequest request;
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  SY_ASSIGN_OR_RETURN(request.model, core::ParseHfConfig(text, path));
  if (!request.model.has_mla()) {
    return absl::UnimplementedError(
        fmt::format("{}: plan knows models with latent attention only", path));
  }
  SY_ASSIGN_OR_RETURN(request.cluster.device, FindDevice(options.device));
  request.cluster.hosts = options.hosts;
  request.cluster.devices_per_host = options.devices_per_host;
  SY_ASSIGN_OR_RETURN(request.compute, ChooseCompute(options, request));
  request.only = {.data_parallel = options.data_parallel,
                  .tensor_parallel = options.tensor_parallel,
                  .expert_parallel = options.expert_parallel};
  request.load = {.context = options.context,
                  .running = options.running,
                  .max_batched_tokens = options.max_batched_tokens};
  request.redundant_experts = options.redundant_experts;
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

}  // namespace

absl::Status RunPlan(const PlanOptions& options, std::ostream& out) {
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
