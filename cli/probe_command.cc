#include "cli/probe_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <ostream>
#include <sstream>

#include "base/file.h"
#include "base/units.h"
#include "cli/cluster_file.h"

namespace switchyard::cli {
namespace {

constexpr int64_t kMaxFileBytes = kMiB;

std::string Gigabytes(double bytes) { return fmt::format("\"{:.3f} GB/s\"", bytes / 1e9); }
std::string Teraflops(double flops) { return fmt::format("\"{:.4f} TFLOP/s\"", flops / 1e12); }

std::string Table(const ProbedRates& rates) {
  std::string text = "[measured]  # by switchyard probe\n";
  text += fmt::format("memory_rate = {}\n", Gigabytes(rates.memory_bytes));
  text += fmt::format("bf16 = {}\n", Teraflops(rates.bf16_flops));
  text += fmt::format("fp8 = {}\n", Teraflops(rates.fp8_flops));
  if (rates.link_bytes) text += fmt::format("link_rate = {}\n", Gigabytes(*rates.link_bytes));
  if (rates.network_bytes) {
    text += fmt::format("network_rate = {}\n", Gigabytes(*rates.network_bytes));
  }
  if (rates.disk_bytes) text += fmt::format("disk_rate = {}\n", Gigabytes(*rates.disk_bytes));
  return text;
}

void KeepSlower(const core::Figure& known, double& rate) {
  if (known.source == core::FigureSource::kMeasured && known.value > 0) {
    rate = std::min(rate, known.value);
  }
}

void KeepSlower(const ClusterFile& file, ProbedRates& rates) {
  const core::DeviceFigures& device = file.cluster.device;
  KeepSlower(device.memory_bytes_per_s, rates.memory_bytes);
  KeepSlower(device.bf16_flops, rates.bf16_flops);
  KeepSlower(device.fp8_flops, rates.fp8_flops);
  if (rates.link_bytes) KeepSlower(device.link_bytes_per_s, *rates.link_bytes);
  if (rates.network_bytes) KeepSlower(device.network_bytes_per_s, *rates.network_bytes);
  if (rates.disk_bytes) KeepSlower(file.cluster.disk_bytes_per_s, *rates.disk_bytes);
}

// A reader of the file sees it as it was or as it is.
absl::Status Replace(const std::string& path, const std::string& text) {
  const std::string partial = path + ".partial";
  {
    std::ofstream file(partial, std::ios::binary | std::ios::trunc);
    file << text;
    file.flush();
    if (!file) {
      std::remove(partial.c_str());
      return absl::ResourceExhaustedError(fmt::format("{}: cannot be written", partial));
    }
  }
  std::error_code error;
  std::filesystem::rename(partial, path, error);
  if (!error) return absl::OkStatus();
  std::remove(partial.c_str());
  return absl::ResourceExhaustedError(
      fmt::format("{}: cannot be replaced: {}", path, error.message()));
}

absl::Status Listen(const ProbeCommandOptions& options, std::ostream& out) {
  SY_ASSIGN_OR_RETURN(const NetworkProbeListener listener,
                      NetworkProbeListener::Open(options.listen));
  out << fmt::format("waiting on port {} for switchyard probe --peer THIS_HOST:{}\n",
                     listener.port(), listener.port())
      << std::flush;
  SY_ASSIGN_OR_RETURN(const double rate,
                      listener.Answer(options.patience, options.network.timeout));
  out << fmt::format("network of this host, each way: {}\n", Gigabytes(rate));
  return absl::OkStatus();
}

}  // namespace

std::string WithMeasured(const std::string& text, const ProbedRates& rates) {
  std::istringstream lines(text);
  std::string kept, line;
  bool dropping = false;
  while (std::getline(lines, line)) {
    const size_t first = line.find_first_not_of(" \t");
    if (first != std::string::npos && line[first] == '[') {
      dropping = line.compare(first, 10, "[measured]") == 0;
    }
    if (!dropping) kept += line + "\n";
  }
  while (kept.ends_with("\n\n")) kept.pop_back();
  return kept + "\n" + Table(rates);
}

absl::Status RunProbe(const ProbeCommandOptions& options, std::ostream& out) {
  if (!options.listen.empty()) return Listen(options, out);
  if (options.cluster_file.empty()) {
    return absl::InvalidArgumentError("nothing to probe: give --cluster or --listen");
  }
  SY_ASSIGN_OR_RETURN(const ClusterFile file, ReadClusterFile(options.cluster_file));
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.cluster_file, kMaxFileBytes));
  const bool cuda = file.cluster.device.backend == core::BackendKind::kCuda;
  std::optional<double> network;
  if (!options.peer.empty()) {  // before minutes of measuring: somebody waits for us
    SY_ASSIGN_OR_RETURN(network, ProbeNetwork(options.peer, options.network));
    *network /= file.cluster.devices_per_host;
  }
  ProbeOptions sizes = options.sizes;
  sizes.backend = cuda ? "cuda" : "cpu";
  sizes.num_devices = file.cluster.devices_per_host;
  sizes.folder = file.model_path;
  SY_ASSIGN_OR_RETURN(ProbedRates rates, Probe(sizes));
  rates.network_bytes = network;
  const core::Figure& known = file.cluster.device.network_bytes_per_s;
  if (!network && known.source == core::FigureSource::kMeasured) rates.network_bytes = known.value;
  if (options.merge) KeepSlower(file, rates);
  SY_RETURN_IF_ERROR(Replace(options.cluster_file, WithMeasured(text, rates)));
  out << Table(rates);
  if (file.hosts.size() > 1 && !rates.network_bytes) {
    out << "# the network between hosts is not measured (--peer): network_rate of [device] holds\n";
  }
  return absl::OkStatus();
}

}  // namespace switchyard::cli
