#include "cli/probe_command.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
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

absl::Status RunProbe(const std::string& cluster_file, bool merge, ProbeOptions sizes,
                      std::ostream& out) {
  SY_ASSIGN_OR_RETURN(const ClusterFile file, ReadClusterFile(cluster_file));
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(cluster_file, kMaxFileBytes));
  const bool cuda = file.cluster.device.backend == core::BackendKind::kCuda;
  sizes.backend = cuda ? "cuda" : "cpu";
  sizes.num_devices = file.cluster.devices_per_host;
  sizes.folder = file.model_path;
  SY_ASSIGN_OR_RETURN(ProbedRates rates, Probe(sizes));
  if (merge) KeepSlower(file, rates);
  SY_RETURN_IF_ERROR(Replace(cluster_file, WithMeasured(text, rates)));
  out << Table(rates);
  if (file.hosts.size() > 1) {
    out << "# the network between hosts is not measured: network_rate of [device] holds\n";
  }
  return absl::OkStatus();
}

}  // namespace switchyard::cli
