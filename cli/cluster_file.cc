#include "cli/cluster_file.h"

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/file.h"
#include "base/units.h"
#include "cli/toml_table.h"
#include "coordinator/core/plan/plan_check.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "coordinator/core/plan/topology.h"
#include "coordinator/core/plan/weight_form.h"
#include "coordinator/model_config.h"

namespace switchyard::cli {
namespace {

using core::Figure;
using core::FigureSource;

constexpr int64_t kMaxFileBytes = kMiB;

bool IsHostName(std::string_view name) {
  return std::ranges::all_of(name, [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           std::string_view(".-_:").find(c) != std::string_view::npos;
  });
}

// Each table of the file, in turn.
class Reader {
 public:
  explicit Reader(TomlTable root) : root_(std::move(root)) {}

  ClusterFile Read() {
    Device();
    Model();
    Hosts();
    Layout();
    Limits();
    Server();
    Security();
    root_.Finish();
    return std::move(file_);
  }

 private:
  void Model() {
    TomlTable model = root_.Table("model");
    model.Require("path", "path = \"FOLDER\" of the checkpoint");
    file_.compute = model.Text("compute");
    if (file_.compute.has_value() && *file_.compute != "bf16" && *file_.compute != "f32" &&
        *file_.compute != "w8a8") {
      model.Fault("compute", fmt::format("[model] compute = \"{}\": must be bf16, f32 or w8a8",
                                         *file_.compute));
    }
    file_.weights = model.Text("weights");
    if (file_.weights.has_value() && !core::ParseWeightForm(*file_.weights).ok()) {
      model.Fault("weights", fmt::format("[model] weights = \"{}\": must be stored, q8 or q4",
                                         *file_.weights));
    }
    CheckWeights(model);
    file_.drafts = model.Text("drafts");
    file_.packed_cache = model.Text("packed_cache");
    file_.draft_tokens = model.Int("draft_tokens", 1, core::kMaxDraftTokens);
    const std::optional<std::string> path = model.Text("path");
    if (path.has_value()) {
      file_.model_path = *path;
      const absl::StatusOr<v1::ModelSpec> spec = ReadModelSpec(*path);
      if (spec.ok()) {
        file_.model = *spec;
        has_model_ = true;
      } else {
        model.Fault("path", fmt::format("[model] path: {}", Message(spec.status())));
      }
    }
    if (file_.drafts.has_value()) {
      const auto drafts = core::ParseDrafts(*file_.drafts, 1, file_.model);
      if (!drafts.ok()) {
        model.Fault(
            "drafts",
            fmt::format("[model] drafts = \"{}\": must be auto, off, mtp or ngram", *file_.drafts));
      }
    }
    model.Finish();
  }

  // Who quantises, and for what.
  void CheckWeights(TomlTable& model) {
    const std::string weights = file_.weights.value_or("stored");
    if (weights == "stored") return;
    if (file_.cluster.device.backend == core::BackendKind::kCuda && has_kind_) {
      model.Fault("weights", fmt::format("[model] weights = \"{}\": GPUs take weights as they are "
                                         "stored; leave it out",
                                         weights));
    } else if (file_.compute.value_or("bf16") != "bf16") {
      model.Fault("weights", fmt::format("[model] weights = \"{}\": needs compute = \"bf16\", the "
                                         "file has \"{}\"",
                                         weights, *file_.compute));
    }
  }

  static void Set(std::optional<double> value, FigureSource source, Figure& figure) {
    if (value.has_value()) figure = {.value = *value, .source = source};
  }

  void Device() {
    TomlTable device = root_.Table("device");
    core::DeviceFigures& figures = file_.cluster.device;
    std::vector<std::string_view> names;
    for (const core::DeviceFigures& known : core::kKnownDevices) names.push_back(known.name);
    device.Require("kind", fmt::format("one of {}", fmt::join(names, ", ")));
    if (const auto kind = device.Text("kind")) {
      bool found = false;
      for (const core::DeviceFigures& known : core::kKnownDevices) {
        if (known.name != *kind) continue;
        figures = known;
        found = true;
      }
      has_kind_ = found;
      if (!found) {
        device.Fault("kind", fmt::format("[device] kind = \"{}\": must be one of {}", *kind,
                                         fmt::join(names, ", ")));
      }
    }
    const auto assumed = FigureSource::kAssumed;
    file_.has_device_memory = device.Has("memory");
    Set(device.Amount("memory", TomlUnit::kBytes), assumed, figures.memory_bytes);
    Set(device.Amount("memory_rate", TomlUnit::kBytesPerSecond), assumed,
        figures.memory_bytes_per_s);
    Set(device.Amount("bf16", TomlUnit::kFlops), assumed, figures.bf16_flops);
    Set(device.Amount("fp8", TomlUnit::kFlops), assumed, figures.fp8_flops);
    Set(device.Amount("link_rate", TomlUnit::kBytesPerSecond), assumed, figures.link_bytes_per_s);
    Set(device.Amount("network_rate", TomlUnit::kBytesPerSecond), assumed,
        figures.network_bytes_per_s);
    device.Finish();
    Measured();
  }

  // What was measured stands before what was told.
  void Measured() {
    TomlTable measured = root_.Table("measured");
    core::DeviceFigures& figures = file_.cluster.device;
    const auto source = FigureSource::kMeasured;
    Set(measured.Amount("memory_rate", TomlUnit::kBytesPerSecond), source,
        figures.memory_bytes_per_s);
    Set(measured.Amount("bf16", TomlUnit::kFlops), source, figures.bf16_flops);
    Set(measured.Amount("fp8", TomlUnit::kFlops), source, figures.fp8_flops);
    Set(measured.Amount("link_rate", TomlUnit::kBytesPerSecond), source, figures.link_bytes_per_s);
    Set(measured.Amount("network_rate", TomlUnit::kBytesPerSecond), source,
        figures.network_bytes_per_s);
    Set(measured.Amount("disk_rate", TomlUnit::kBytesPerSecond), source,
        file_.cluster.disk_bytes_per_s);
    measured.Finish();
  }

  void Hosts() {
    std::vector<TomlTable> hosts = root_.Tables("host");
    if (hosts.empty()) {
      root_.Fault("host", "the file has no [[host]]; add one for each host, with name and devices");
    }
    if (std::ssize(hosts) > core::kMaxHosts) {
      hosts.back().Fault("name",
                         fmt::format("{} hosts: at most {}", hosts.size(), core::kMaxHosts));
    }
    std::map<std::string, int> line_of_host;
    std::optional<int64_t> devices_of_first;
    for (TomlTable& host : hosts) {
      host.Require("name", "name = \"NAME\"");
      host.Require("devices", "devices = 8, or as many as it has");
      if (const auto name = host.Text("name")) {
        const auto [known, added] = line_of_host.emplace(*name, host.LineOf("name"));
        if (!added) {
          host.Fault("name", fmt::format("[[host]] name = \"{}\": stands in line {} already; "
                                         "remove one of the two",
                                         *name, known->second));
        }
        if (!IsHostName(*name)) {
          host.Fault("name", fmt::format("[[host]] name = \"{}\": must be a name or an address, of "
                                         "letters, digits and . - _ :",
                                         absl::CEscape(*name)));
        }
        file_.hosts.push_back(*name);
      }
      if (const auto devices = host.Int("devices", 1, core::kMaxDevicesPerHost)) {
        if (!devices_of_first.has_value()) devices_of_first = devices;
        if (*devices != *devices_of_first) {
          host.Fault("devices", fmt::format("[[host]] devices = {}: the first host has {}; all "
                                            "must have as many",
                                            *devices, *devices_of_first));
        }
      }
      host.Finish();
    }
    file_.cluster.hosts = static_cast<int32_t>(std::max<int64_t>(1, std::ssize(hosts)));
    file_.cluster.devices_per_host = static_cast<int32_t>(devices_of_first.value_or(1));
  }

  void Layout() {
    TomlTable layout = root_.Table("layout");
    file_.data_parallel = layout.Int("dp", 1, core::kMaxWorld);
    file_.tensor_parallel = layout.Int("tp", 1, core::kMaxWorld);
    file_.redundant_experts = layout.Int("redundant_experts", 0, core::kMaxWorld);
    const int64_t experts = file_.model.has_moe() ? file_.model.moe().num_routed_experts() : 0;
    if (has_model_ && file_.redundant_experts.value_or(0) > experts) {
      layout.Fault("redundant_experts",
                   fmt::format("[layout] redundant_experts = {}: the model has {} experts in a "
                               "layer; take no more",
                               *file_.redundant_experts, experts));
    }
    if (layout.Has("dp") != layout.Has("tp")) {
      layout.Fault("dp", "[layout] has one of dp and tp; give both, or none for the best");
    }
    if (file_.data_parallel.has_value() && file_.tensor_parallel.has_value()) {
      CheckSizes(layout, *file_.data_parallel, *file_.tensor_parallel);
    }
    layout.Finish();
  }

  void CheckSizes(TomlTable& layout, int64_t dp, int64_t tp) {
    const int64_t devices = file_.cluster.num_devices();
    if (dp * tp > devices) {
      layout.Fault("dp", fmt::format("[layout] {} x {} has {} ranks, the hosts have {} devices; "
                                     "take a smaller layout or add hosts",
                                     dp, tp, dp * tp, devices));
    }
    if (!has_model_) return;
    const absl::Status legal =
        core::CheckLayout(file_.model, static_cast<int32_t>(dp), static_cast<int32_t>(tp));
    if (!legal.ok()) layout.Fault("tp", fmt::format("[layout] {}", Message(legal)));
  }

  void Limits() {
    TomlTable limits = root_.Table("limits");
    constexpr int64_t kMaxSeconds = 86400;
    constexpr double kMostBytes = int64_t{1} << 53;
    file_.context = limits.Int("context", 1, 1 << 24);
    file_.running = limits.Int("running", 0, 1 << 26);
    file_.max_batched_tokens = limits.Int("max_batched_tokens", 1, core::kMaxBatchedTokens);
    file_.micro_batch_tokens = limits.Int("micro_batch_tokens", 0, core::kMaxBatchedTokens);
    file_.max_running = limits.Int("max_running", 1, core::kMaxRunning);
    file_.max_waiting = limits.Int("max_waiting", 1, 1 << 20);
    file_.max_logprobs = limits.Int("max_logprobs", -1, 128);
    // As far as a double counts bytes one by one.
    if (const auto bytes = limits.Amount("logprob_memory", TomlUnit::kBytes)) {
      if (*bytes > kMostBytes) {
        limits.Fault("logprob_memory", "[limits] logprob_memory: 8 PiB at most");
      } else {
        file_.logprob_bytes = static_cast<int64_t>(*bytes);
      }
    }
    file_.step_seconds = limits.Int("step_seconds", 1, kMaxSeconds);
    file_.drain_seconds = limits.Int("drain_seconds", 0, kMaxSeconds);
    if (has_model_ && file_.context.value_or(1) > file_.model.max_position_embeddings()) {
      limits.Fault("context", fmt::format("[limits] context = {}: the model has {} at most",
                                          *file_.context, file_.model.max_position_embeddings()));
    }
    limits.Finish();
  }

  void Server() {
    TomlTable server = root_.Table("server");
    file_.http_host = server.Text("host");
    file_.http_port = server.Int("port", 0, 65535);
    file_.grpc_port = server.Int("grpc_port", 0, 65535);
    if (file_.grpc_port.value_or(0) > 0 && file_.grpc_port == file_.http_port) {
      server.Fault("grpc_port", fmt::format("[server] grpc_port = {}: is the port of the HTTP API; "
                                            "take another",
                                            *file_.grpc_port));
    }
    file_.coordinator = server.Text("coordinator");
    const auto& hosts = file_.hosts;
    if (file_.coordinator.has_value() &&
        std::find(hosts.begin(), hosts.end(), *file_.coordinator) != hosts.end()) {
      server.Fault("coordinator", fmt::format("[server] coordinator = \"{}\": is one of [[host]]; "
                                              "leave it out to have it on the first of them",
                                              *file_.coordinator));
    }
    server.Finish();
  }

  void Security() {
    TomlTable security = root_.Table("security");
    file_.api_keys = security.Text("api_keys");
    file_.cors_origins = security.Texts("cors_origins");
    file_.metrics_need_key = security.Bool("metrics_need_key").value_or(false);
    if (file_.metrics_need_key && !file_.api_keys.has_value()) {
      security.Fault("metrics_need_key",
                     "[security] metrics_need_key needs api_keys; add api_keys = \"FILE\"");
    }
    security.Finish();
  }

  TomlTable root_;
  ClusterFile file_;
  bool has_model_ = false;
  bool has_kind_ = false;  // of the devices
};

}  // namespace

absl::StatusOr<ClusterFile> ReadClusterFile(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  TomlFaults faults(path);
  TomlTable root = TomlTable::Parse(text, faults);
  SY_RETURN_IF_ERROR(faults.ToStatus());
  ClusterFile file = Reader(std::move(root)).Read();
  SY_RETURN_IF_ERROR(faults.ToStatus());
  return file;
}

}  // namespace switchyard::cli
