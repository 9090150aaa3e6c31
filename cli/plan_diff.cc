#include "cli/plan_diff.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>
#include <vector>

#include "base/units.h"
#include "cli/plan_report.h"

namespace switchyard::cli {
namespace {

using core::LayoutPlan;

// One thing that a file says.
struct Setting {
  std::string name;
  std::string value;
  bool restarts;  // processes must start again for it; else plans alone are held against it
};

template <typename T>
std::string Show(const std::optional<T>& value) {
  return value.has_value() ? fmt::format("{}", *value) : "-";
}

std::string Show(const core::Figure& figure) {
  return fmt::format("{:.4g} ({})", figure.value, Name(figure.source));
}

std::vector<Setting> SettingsOf(const ClusterFile& file) {
  const core::DeviceFigures& device = file.cluster.device;
  return {
      {"[model] path", file.model_path, true},
      {"[model] compute", Show(file.compute), true},
      {"[model] weights", Show(file.weights), true},
      {"[model] drafts", Show(file.drafts), true},
      {"[model] draft_tokens", Show(file.draft_tokens), true},
      {"[model] packed_cache", Show(file.packed_cache), true},
      {"[device] kind", std::string(device.name), true},
      {"[device] memory", Show(device.memory_bytes), true},  // workers are started with it
      {"[device] memory_rate", Show(device.memory_bytes_per_s), false},
      {"[device] bf16", Show(device.bf16_flops), false},
      {"[device] fp8", Show(device.fp8_flops), false},
      {"[device] link_rate", Show(device.link_bytes_per_s), false},
      {"[device] network_rate", Show(device.network_bytes_per_s), false},
      {"[measured] disk_rate", Show(file.cluster.disk_bytes_per_s), false},
      {"[[host]] name", fmt::format("{}", fmt::join(file.hosts, ", ")), true},
      {"[[host]] devices", fmt::format("{}", file.cluster.devices_per_host), true},
      {"[layout] dp", Show(file.data_parallel), true},
      {"[layout] tp", Show(file.tensor_parallel), true},
      {"[layout] redundant_experts", Show(file.redundant_experts), false},
      {"[limits] context", Show(file.context), false},
      {"[limits] running", Show(file.running), false},
      {"[limits] max_batched_tokens", Show(file.max_batched_tokens), true},
      {"[limits] micro_batch_tokens", Show(file.micro_batch_tokens), true},
      {"[limits] max_running", Show(file.max_running), true},
      {"[limits] max_waiting", Show(file.max_waiting), true},
      {"[limits] max_logprobs", Show(file.max_logprobs), true},
      {"[limits] logprob_memory", Show(file.logprob_bytes), true},
      {"[limits] step_seconds", Show(file.step_seconds), true},
      {"[limits] drain_seconds", Show(file.drain_seconds), true},
      {"[server] host", Show(file.http_host), true},
      {"[server] port", Show(file.http_port), true},
      {"[server] grpc_port", Show(file.grpc_port), true},
      {"[server] coordinator", Show(file.coordinator), true},
      {"[security] api_keys", Show(file.api_keys), true},
      {"[security] cors_origins", fmt::format("{}", fmt::join(file.cors_origins, ", ")), true},
      {"[security] metrics_need_key", file.metrics_need_key ? "true" : "false", true},
  };
}

// Of all copies of a layout, one after the other.
const std::string& HostOf(const PlannedCluster& cluster, int64_t rank) {
  const int64_t per_host = cluster.request.cluster.devices_per_host;
  return cluster.file.hosts[static_cast<size_t>(rank / per_host) % cluster.file.hosts.size()];
}

// Stored bytes that the ranks of a copy read, and which of them no rank of their host had: all that
// a new host reads, and experts that come to a known one.
struct Reads {
  int64_t all = 0;
  int64_t fresh = 0;
};

Reads ReadsOf(const PlannedCluster& from, const PlannedCluster& to) {
  std::map<std::string, std::set<int>> experts_of_host;
  const auto& placed = from.layout.plan.placement().rank_of_expert();
  for (int expert = 0; expert < placed.size(); ++expert) {
    experts_of_host[HostOf(from, placed[expert])].insert(expert);
  }
  for (int64_t rank = 0; rank < from.layout.ranks(); ++rank) experts_of_host[HostOf(from, rank)];
  const bool same_model = from.file.model_path == to.file.model_path;
  const core::WeightBytes whole = core::CheckpointBytes(to.request.model);
  const auto& wanted = to.layout.plan.placement().rank_of_expert();
  Reads reads;
  for (int32_t rank = 0; rank < to.layout.ranks(); ++rank) {
    const core::WeightBytes bytes = core::RankWeightBytes(to.layout.plan, rank);
    const int64_t read = bytes.Total() - bytes.absorbed;
    reads.all += read;
    const auto known = experts_of_host.find(HostOf(to, rank));
    if (!same_model || known == experts_of_host.end()) {
      reads.fresh += read;
      continue;
    }
    for (int expert = 0; expert < wanted.size(); ++expert) {
      if (wanted[expert] == rank && !known->second.contains(expert)) {
        reads.fresh += whole.routed_experts / wanted.size();
      }
    }
  }
  reads.all *= to.layout.copies;
  reads.fresh *= to.layout.copies;
  return reads;
}

std::string Effect(std::string_view what, double from, double to) {
  const double change = from > 0 ? 100 * (to / from - 1) : 0;
  return fmt::format("  {:<34}{:>16.0f}{:>16.0f}{:>+9.1f} %\n", what, from, to, change);
}

std::string Fitting(const PlannedCluster& cluster) {
  if (cluster.layout.fits()) return PlaceName(cluster.request, cluster.layout);
  return fmt::format("{}, which lacks {} on a rank", PlaceName(cluster.request, cluster.layout),
                     FormatBytes(cluster.layout.shortfall));
}

}  // namespace

std::string DiffText(const PlannedCluster& from, const PlannedCluster& to) {
  const std::vector<Setting> before = SettingsOf(from.file), after = SettingsOf(to.file);
  std::string text;
  bool restarts = false;
  for (size_t i = 0; i < before.size(); ++i) {
    if (before[i].value == after[i].value) continue;
    text += fmt::format("  {:<34}{} -> {}\n", before[i].name, before[i].value, after[i].value);
    restarts = restarts || before[i].restarts;
  }
  if (text.empty()) return "nothing changes\n";
  text = "settings\n" + text + fmt::format("\nlayout\n  {}\n  {}\n", Fitting(from), Fitting(to));
  if (restarts) {
    const Reads reads = ReadsOf(from, to);
    // Workers end with their coordinator, and a plan holds as long as they live.
    text += fmt::format(
        "\nstarts again\n  the coordinator and all {} ranks; they read {}, of it {} that their "
        "hosts have not read before\n",
        to.layout.ranks() * to.layout.copies, FormatBytes(reads.all), FormatBytes(reads.fresh));
  } else {
    text += "\nstarts again\n  nothing: plans alone are held against what changes\n";
  }
  if (!from.layout.fits() || !to.layout.fits()) return text;
  text += "\nbounds\n";
  text += Effect("cache of a group, tokens", double(from.layout.kv_tokens()),
                 double(to.layout.kv_tokens()));
  text += Effect("requests at a time", double(from.layout.total_running()),
                 double(to.layout.total_running()));
  text += Effect("decode, tokens/s of the cluster", from.layout.decode_tokens_per_s,
                 to.layout.decode_tokens_per_s);
  return text + Effect("prefill, tokens/s of the cluster", from.layout.prefill_tokens_per_s,
                       to.layout.prefill_tokens_per_s);
}

}  // namespace switchyard::cli
