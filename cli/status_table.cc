#include "cli/status_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/units.h"
#include "proto/load_progress.h"

namespace switchyard::cli {
namespace {

std::string PhaseName(const v1::LoadProgress& progress) {
  switch (progress.phase()) {
    case v1::LOAD_PHASE_READING_HEADERS:
      return "reading headers";
    case v1::LOAD_PHASE_LOADING_WEIGHTS:
      return "loading weights";
    case v1::LOAD_PHASE_RESTORING_WEIGHTS:
      return "from packed cache";
    case v1::LOAD_PHASE_KEEPING_WEIGHTS:
      return "to packed cache";
    case v1::LOAD_PHASE_CONNECTING_PEERS:
      return "connecting to peers";
    case v1::LOAD_PHASE_READY:
      return "ready";
    default:
      return "waiting";
  }
}

std::string Bar(const v1::LoadProgress& progress) {
  constexpr int kWidth = 20;
  const int64_t total = std::max<int64_t>(progress.bytes_total(), 1);
  const int filled =
      static_cast<int>(std::clamp<int64_t>(progress.bytes_done() * kWidth / total, 0, kWidth));
  return fmt::format("[{}{}]", std::string(filled, '#'), std::string(kWidth - filled, '.'));
}

// "  1.20 GiB/s  12 s left"; empty unless bytes are on their way.
std::string Pace(const v1::LoadProgress& progress) {
  const std::optional<double> left = SecondsLeft(progress);
  if (!MovesBytes(progress) || !left) return "";
  return fmt::format("  {}/s  {:.0f} s left",
                     FormatBytes(static_cast<int64_t>(progress.bytes_per_second())),
                     std::ceil(*left));
}

std::string RankName(const v1::WorkerStatus& worker) {
  return worker.rank() < 0 ? "-" : fmt::format("{}", worker.rank());
}

}  // namespace

const char* StateName(v1::ClusterState state) {
  switch (state) {
    case v1::CLUSTER_STATE_GATHERING:
      return "gathering";
    case v1::CLUSTER_STATE_LOADING:
      return "loading";
    case v1::CLUSTER_STATE_SERVING:
      return "serving";
    case v1::CLUSTER_STATE_DRAINING:
      return "draining";
    case v1::CLUSTER_STATE_FAILED:
      return "failed";
    default:
      return "unknown";
  }
}

std::vector<std::string> LoadingLines(const v1::StatusResponse& status) {
  std::vector<std::string> lines;
  for (const v1::WorkerStatus& worker : status.workers()) {
    const v1::LoadProgress& progress = worker.progress();
    std::string line = fmt::format("rank {:>3}  {:<19}", RankName(worker), PhaseName(progress));
    if (progress.bytes_total() > 0) {
      line += fmt::format("  {}  {} of {}", Bar(progress), FormatBytes(progress.bytes_done()),
                          FormatBytes(progress.bytes_total()));
    }
    line += Pace(progress);
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string StatusTable(const v1::StatusResponse& status) {
  std::string text = fmt::format("{}: {}{}{}\n", status.model(), StateName(status.state()),
                                 status.detail().empty() ? "" : ", ", status.detail());
  text += fmt::format(
      "{} x {} ranks, epoch {}; {} running, {} waiting; {} of {} cache blocks free; {:.1f} "
      "tokens/s\n",
      status.layout().data_parallel(), status.layout().tensor_parallel(), status.epoch(),
      status.running_requests(), status.waiting_requests(), status.kv_blocks_free(),
      status.kv_blocks_total(), status.tokens_per_second());
  text += fmt::format("{:>4}  {:<20} {:>8}  {:<19} {:>10} {:>10} {:>9} {:>9}\n", "rank", "host",
                      "pid", "state", "memory", "step", "tokens/s", "silent");
  for (const v1::WorkerStatus& worker : status.workers()) {
    text += fmt::format("{:>4}  {:<20} {:>8}  {:<19} {:>10} {:>10} {:>9.1f} {:>6} ms\n",
                        RankName(worker), worker.host(), worker.pid(), PhaseName(worker.progress()),
                        FormatBytes(worker.memory_bytes()), worker.step(),
                        worker.tokens_per_second(), worker.silent_ms());
  }
  if (status.state() == v1::CLUSTER_STATE_LOADING) {
    for (const std::string& line : LoadingLines(status)) text += line + "\n";
  }
  return text;
}

}  // namespace switchyard::cli
