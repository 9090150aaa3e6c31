#include "cli/serve_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "base/exit_code.h"
#include "base/json.h"
#include "cli/admin_client.h"
#include "cli/child_process.h"
#include "cli/local_workers.h"
#include "cli/status_table.h"

namespace switchyard::cli {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kPollInterval(100);
constexpr milliseconds kStatusTimeout(1000);
constexpr std::chrono::seconds kAnnounceDeadline(60);
// For what still runs when it should end: in order, or because the coordinator was lost.
constexpr std::chrono::seconds kLeaveDeadline(10);
constexpr std::chrono::seconds kLostDeadline(3);

struct Addresses {
  std::string http;
  std::string grpc;
};

// Draws the workers' loading in place on a terminal; elsewhere prints a line for each worker and
// phase.
class LoadingView {
 public:
  LoadingView() : terminal_(isatty(STDERR_FILENO) != 0) {}

  void Show(const v1::StatusResponse& status) {
    const std::vector<std::string> lines = LoadingLines(status);
    if (terminal_ && !phases_.empty()) std::fprintf(stderr, "\033[%zuA", phases_.size());
    phases_.resize(lines.size(), v1::LOAD_PHASE_UNSPECIFIED);
    for (size_t i = 0; i < lines.size(); ++i) {
      const v1::LoadPhase phase = status.workers(static_cast<int>(i)).progress().phase();
      if (terminal_) {
        std::fprintf(stderr, "\033[2K%s\n", lines[i].c_str());
      } else if (phase != phases_[i]) {
        std::fprintf(stderr, "%s\n", lines[i].c_str());
      }
      phases_[i] = phase;
    }
  }

 private:
  const bool terminal_;
  std::vector<v1::LoadPhase> phases_;  // last shown, by line
};

class LocalCluster {
 public:
  LocalCluster(const ServeOptions& options, const std::atomic<int>& num_signals)
      : options_(options), num_signals_(num_signals) {}

  absl::Status Run() {
    SY_RETURN_IF_ERROR(StartAll());
    const absl::Status watched = Watch();
    const absl::Status ended = EndAll();
    if (!watched.ok() || !ended.ok()) return watched.ok() ? ended : watched;
    TellLastFault();
    return served_ ? absl::OkStatus() : absl::CancelledError("stopped while starting");
  }

 private:
  absl::Status Fault(ChildProcess& process, std::string what, const std::string& log_name) const {
    return ProcessFault(options_, process, std::move(what), log_name);
  }

  // Of the way out, which ends well whatever is met on it.
  void TellLastFault() const {
    std::string fault = coordinator_->fault();
    for (size_t i = 0; i < workers_.size() && fault.empty(); ++i) fault = workers_[i].fault();
    if (!fault.empty()) std::fprintf(stderr, "switchyard: while leaving: %s\n", fault.c_str());
  }

  absl::Status StartAll() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0) return absl::ResourceExhaustedError("no pipe could be opened");
    std::vector<std::string> argv = {ProgramFolder() + "/switchyard-coordinator",
                                     "--model",
                                     options_.model_path,
                                     "--host",
                                     options_.host,
                                     "--port",
                                     fmt::format("{}", options_.port),
                                     "--grpc-port",
                                     fmt::format("{}", options_.grpc_port),
                                     "--dp",
                                     fmt::format("{}", options_.data_parallel),
                                     "--tp",
                                     fmt::format("{}", options_.tensor_parallel),
                                     "--announce-fd",
                                     fmt::format("{}", fds[1])};
    argv.insert(argv.end(), options_.coordinator_flags.begin(), options_.coordinator_flags.end());
    absl::StatusOr<ChildProcess> coordinator =
        ChildProcess::Start(argv, fds[1], LogPath(options_, "coordinator"));
    close(fds[1]);
    if (!coordinator.ok()) {
      close(fds[0]);
      return coordinator.status();
    }
    coordinator_.emplace(*std::move(coordinator));
    absl::StatusOr<Addresses> addresses = ReadAddresses(fds[0]);
    close(fds[0]);
    if (!addresses.ok()) return addresses.status();
    addresses_ = *std::move(addresses);
    admin_ = std::make_unique<AdminClient>(addresses_.grpc);
    SY_ASSIGN_OR_RETURN(workers_, StartLocalWorkers(options_, addresses_.grpc));
    return absl::OkStatus();
  }

  // The coordinator's one line; an end of file before it means that the coordinator refused.
  absl::StatusOr<Addresses> ReadAddresses(int fd) {
    std::string line;
    const Clock::time_point deadline = Clock::now() + kAnnounceDeadline;
    while (line.empty() || line.back() != '\n') {
      if (num_signals_ > 0) return absl::CancelledError("stopped while starting");
      if (Clock::now() > deadline)
        return absl::DeadlineExceededError("the coordinator does not start");
      pollfd waiting{.fd = fd, .events = POLLIN};
      if (poll(&waiting, 1, kPollInterval.count()) <= 0) continue;
      char chunk[512];
      const ssize_t count = read(fd, chunk, sizeof(chunk));
      if (count <= 0) return CoordinatorRefused();
      line.append(chunk, count);
    }
    SY_ASSIGN_OR_RETURN(const Json json,
                        ParseJson(std::string_view(line).substr(0, line.size() - 1)));
    return Addresses{.http = json.value("http", ""), .grpc = json.value("grpc", "")};
  }

  absl::Status CoordinatorRefused() {
    for (int i = 0; i < 50; ++i) {
      if (coordinator_->Poll().has_value()) {
        return Fault(*coordinator_, "the coordinator did not start", "coordinator");
      }
      std::this_thread::sleep_for(kPollInterval);
    }
    return absl::UnavailableError("the coordinator does not say where it listens");
  }

  // Until a signal, or until the coordinator ends. A lost worker makes the coordinator end: it
  // knows best why.
  absl::Status Watch() {
    LoadingView view;
    while (num_signals_ == 0) {
      if (coordinator_->Poll().has_value()) {
        lost_ = true;
        return Fault(*coordinator_, "the coordinator ended", "coordinator");
      }
      if (admin_ != nullptr) {
        const absl::StatusOr<v1::StatusResponse> status = admin_->Status(kStatusTimeout);
        if (status.ok() && status->state() != v1::CLUSTER_STATE_GATHERING) view.Show(*status);
        if (status.ok() && status->state() == v1::CLUSTER_STATE_SERVING) {
          std::fprintf(stderr, "%s is served on http://%s, gRPC on %s  (Ctrl-C stops)\n",
                       status->model().c_str(), addresses_.http.c_str(), addresses_.grpc.c_str());
          admin_.reset();
          served_ = true;
        }
        SY_RETURN_IF_ERROR(CheckWorkersRun());
      } else {
        SY_RETURN_IF_ERROR(CheckCoordinatorSees());
      }
      std::this_thread::sleep_for(kPollInterval);
    }
    return absl::OkStatus();
  }

  // Before it has joined, the coordinator cannot miss a worker; we can.
  absl::Status CheckWorkersRun() {
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (!workers_[i].Poll().has_value() || coordinator_->Poll().has_value()) continue;
      lost_ = true;
      const size_t rank = options_.first_rank + i;
      return Fault(workers_[i], fmt::format("worker {} ended while the cluster started", rank),
                   fmt::format("worker-{}", rank));
    }
    return absl::OkStatus();
  }

  // While it serves, the coordinator tells why a worker was lost, unless it hangs itself.
  absl::Status CheckCoordinatorSees() {
    for (size_t i = 0; i < workers_.size(); ++i) {
      if (!workers_[i].Poll().has_value()) continue;
      if (!lost_since_.has_value()) lost_since_ = Clock::now();
      if (Clock::now() < *lost_since_ + kLeaveDeadline) return absl::OkStatus();
      lost_ = true;
      const size_t rank = options_.first_rank + i;
      return Fault(workers_[i],
                   fmt::format("worker {} ended, and the coordinator does not react{}", rank,
                               FaultBehind(i)),
                   fmt::format("worker-{}", rank));
    }
    return absl::OkStatus();
  }

  // Of the next worker that ended, too: where one lost a peer, the peer knows why.
  std::string FaultBehind(size_t first) {
    for (size_t i = first + 1; i < workers_.size(); ++i) {
      if (!workers_[i].Poll().has_value() || workers_[i].fault().empty()) continue;
      return fmt::format(" (worker {}: {})", options_.first_rank + i, workers_[i].fault());
    }
    return "";
  }

  bool WorkersEnded() {
    bool all = true;
    for (ChildProcess& worker : workers_) all &= worker.Poll().has_value();
    return all;
  }

  // The coordinator drains and sends its workers home. What is left at the deadline is killed by
  // its destructor: it runs from the coordinator's end, or from where that should be near.
  absl::Status EndAll() {
    admin_.reset();
    coordinator_->Signal(SIGTERM);
    int forwarded = 1;
    std::optional<Clock::time_point> deadline;
    while (true) {
      for (const int seen = num_signals_; forwarded < seen; ++forwarded)
        coordinator_->Signal(SIGTERM);
      const bool coordinator_ended = coordinator_->Poll().has_value();
      const bool workers_ended = WorkersEnded();
      if (coordinator_ended && workers_ended) return absl::OkStatus();
      const bool near =
          coordinator_ended || (workers_ended && !workers_.empty()) || lost_ || forwarded > 1;
      if (near && !deadline.has_value()) {
        deadline = Clock::now() + (lost_ ? kLostDeadline : kLeaveDeadline);
        if (lost_) {
          for (ChildProcess& worker : workers_) worker.Signal(SIGTERM);
        }
      }
      if (deadline.has_value() && Clock::now() > *deadline) {
        return absl::UnavailableError(fmt::format(
            "{} did not leave and was killed", coordinator_ended ? "a worker" : "the coordinator"));
      }
      std::this_thread::sleep_for(kPollInterval);
    }
  }

  const ServeOptions& options_;
  const std::atomic<int>& num_signals_;
  std::optional<ChildProcess> coordinator_;
  std::vector<ChildProcess> workers_;
  Addresses addresses_;
  // While the cluster starts: an idle connection would hold up the coordinator's leaving.
  std::unique_ptr<AdminClient> admin_;
  bool served_ = false;                          // all ranks were ready
  bool lost_ = false;                            // the cluster ended by itself
  std::optional<Clock::time_point> lost_since_;  // a worker has ended
};

}  // namespace

absl::Status RunServe(const ServeOptions& options, const std::atomic<int>& num_signals) {
  return options.coordinator.empty() ? LocalCluster(options, num_signals).Run()
                                     : RunLocalWorkers(options, num_signals);
}

}  // namespace switchyard::cli
