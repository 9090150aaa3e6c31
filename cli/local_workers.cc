#include "cli/local_workers.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>

#include "base/exit_code.h"

namespace switchyard::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPollInterval(100);
constexpr std::chrono::seconds kLeaveDeadline(10);  // of a host's workers, after the first has gone

// Of a log, which may be long.
std::string LastLine(const std::string& path) {
  constexpr std::streamoff kMaxShown = 2000;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(size - kMaxShown, 0));
  std::string line, last;
  while (std::getline(file, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

}  // namespace

int NumLocalRanks(const ServeOptions& options) {
  const int world = options.data_parallel * options.tensor_parallel;
  return options.num_ranks >= 0 ? options.num_ranks : world;
}

std::string LogPath(const ServeOptions& options, const std::string& name) {
  return options.log_folder.empty() ? "" : options.log_folder + "/" + name + ".log";
}

absl::Status ProcessFault(const ServeOptions& options, ChildProcess& process, std::string what,
                          const std::string& log_name) {
  const int code = process.Poll().value();
  if (code > 128) what += fmt::format(" (killed by signal {})", code - 128);
  if (const std::string path = LogPath(options, log_name); !path.empty()) {
    what += fmt::format("; {} ends with: {}", path, LastLine(path));
  } else if (!process.fault().empty()) {
    what += ": " + process.fault();
  }
  return StatusOfExitCode(code == kExitOk ? kExitLost : code, what);
}

absl::StatusOr<std::vector<ChildProcess>> StartLocalWorkers(const ServeOptions& options,
                                                            const std::string& grpc) {
  std::vector<ChildProcess> workers;
  const int ranks = NumLocalRanks(options);
  if (ranks == 0) return workers;
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const int threads = std::max(1, (options.num_threads > 0 ? options.num_threads : cores) / ranks);
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * int64_t{sysconf(_SC_PAGE_SIZE)};
  const int64_t memory =
      (options.memory_bytes > 0 ? options.memory_bytes : machine / 4 * 3) / ranks;
  for (int i = 0; i < ranks; ++i) {
    const int rank = options.first_rank + i;
    std::vector<std::string> argv = {ProgramFolder() + "/switchyard-worker",
                                     "--coordinator",
                                     grpc,
                                     "--rank",
                                     fmt::format("{}", rank),
                                     "--threads",
                                     fmt::format("{}", threads),
                                     "--memory",
                                     fmt::format("{}", memory),
                                     "--isa",
                                     options.isa,
                                     "--backend",
                                     options.backend,
                                     "--device",
                                     fmt::format("{}", i),
                                     "--host-workers",
                                     fmt::format("{}", ranks)};
    argv.insert(argv.end(), options.worker_flags.begin(), options.worker_flags.end());
    SY_ASSIGN_OR_RETURN(
        ChildProcess worker,
        ChildProcess::Start(argv, -1, LogPath(options, fmt::format("worker-{}", rank))));
    workers.push_back(std::move(worker));
  }
  return workers;
}

absl::Status RunLocalWorkers(const ServeOptions& options, const std::atomic<int>& num_signals) {
  SY_ASSIGN_OR_RETURN(std::vector<ChildProcess> workers,
                      StartLocalWorkers(options, options.coordinator));
  std::fprintf(stderr, "ranks %d to %d dial the coordinator at %s  (Ctrl-C stops)\n",
               options.first_rank, options.first_rank + NumLocalRanks(options) - 1,
               options.coordinator.c_str());
  absl::Status status;
  std::optional<Clock::time_point> deadline;  // once one has gone, or all were told to
  while (!deadline.has_value() || Clock::now() < *deadline) {
    size_t gone = 0;
    for (size_t i = 0; i < workers.size(); ++i) {
      const std::optional<int> code = workers[i].Poll();
      if (!code.has_value()) continue;
      ++gone;
      if (*code == kExitOk || !status.ok() || num_signals > 0) continue;
      const int rank = options.first_rank + static_cast<int>(i);
      status = ProcessFault(options, workers[i], fmt::format("worker {} ended", rank),
                            fmt::format("worker-{}", rank));
    }
    if (gone == workers.size()) return status;
    if (!deadline.has_value() && (gone > 0 || num_signals > 0)) {
      deadline = Clock::now() + kLeaveDeadline;
      if (num_signals > 0 || !status.ok()) {
        for (const ChildProcess& worker : workers) worker.Signal(SIGTERM);
      }
    }
    if (num_signals > 1) break;  // at once
    std::this_thread::sleep_for(kPollInterval);
  }
  return status;  // what is left is killed by its destructor
}

}  // namespace switchyard::cli
