// What a step costs beside the workers' computing: a real coordinator and real workers of a small
// model, joined by gRPC on loopback, with a fixed number of requests running. The cost of a step is
// the time between two results at the coordinator less what the slowest worker spent computing.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/exit_code.h"
#include "base/random.h"
#include "base/version.h"
#include "coordinator/checkpoint_info.h"
#include "coordinator/coordinator.h"
#include "coordinator/gateway/grpc_front.h"
#include "worker/worker.h"

namespace switchyard::bench {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

struct Flags {
  std::string model = "models/tiny-r1";
  int requests = 32;
  int prompt_tokens = 64;
  int output_tokens = 1000;
  int threads = 0;
  int rounds = 3;
};

constexpr milliseconds kPollInterval(20);
constexpr std::chrono::seconds kStartDeadline(60);

// Counts requests that have ended.
class Countdown {
 public:
  explicit Countdown(int count) : left_(count) {}
  void Done(const absl::Status& status) {
    std::lock_guard lock(mutex_);
    status_.Update(status);
    --left_;
    changed_.notify_all();
  }
  absl::Status Wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return left_ == 0; });
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int left_;
  absl::Status status_;
};

class Listener final : public core::RequestListener {
 public:
  explicit Listener(Countdown& countdown) : countdown_(countdown) {}
  void OnAdmitted() override {}
  void OnToken(const core::TokenOutput&) override {}
  void OnFinish(const core::RequestFinish& finish) override { countdown_.Done(finish.status); }

 private:
  Countdown& countdown_;
};

// A coordinator with one worker, each on threads of this process.
class Cluster {
 public:
  Cluster(const Flags& flags, const v1::ModelSpec& model)
      : coordinator_({.model_name = "bench",
                      .model_path = flags.model,
                      .model = model,
                      .plan = {.max_batched_tokens = 512,
                               .max_running = flags.requests,
                               .kv_bytes_per_rank = int64_t{256} << 20},
                      .membership = {.world = 1, .version = kVersion}}) {
    coordinator_.ObserveSteps([this](const StepRecord& step) { steps_.push_back(step); });
  }

  ~Cluster() {
    coordinator_.Drain();
    if (loop_.joinable()) loop_.join();
    stop_ = true;
    if (worker_.joinable()) worker_.join();
  }

  absl::Status Start(int num_threads) {
    SY_ASSIGN_OR_RETURN(front_, gateway::GrpcFront::Start({}, {coordinator_.worker_service(),
                                                               coordinator_.rendezvous_service()}));
    loop_ = std::thread([this] { (void)coordinator_.Run(); });
    worker_ = std::thread([this, num_threads] {
      const absl::Status status = worker::RunWorker(
          {.coordinator = fmt::format("127.0.0.1:{}", front_->port()), .num_threads = num_threads},
          stop_);
      if (!status.ok()) fmt::print(stderr, "worker: {}\n", Message(status));
    });
    const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
    while (coordinator_.Status().state() != v1::CLUSTER_STATE_SERVING) {
      if (std::chrono::steady_clock::now() >= deadline) {
        return absl::DeadlineExceededError("the worker did not get ready");
      }
      std::this_thread::sleep_for(kPollInterval);
    }
    return absl::OkStatus();
  }

  Coordinator& coordinator() { return coordinator_; }
  // To be read and cleared while no request is open: the loop thread writes them.
  std::vector<StepRecord>& steps() { return steps_; }

 private:
  std::vector<StepRecord> steps_;
  Coordinator coordinator_;
  std::unique_ptr<gateway::GrpcFront> front_;
  std::atomic<bool> stop_{false};
  std::thread loop_, worker_;
};

double Percentile(std::vector<double>& values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * double(values.size())))];
}

void Print(const std::vector<StepRecord>& steps, int requests) {
  std::vector<double> overhead_ms, compute_ms;
  for (const StepRecord& step : steps) {
    if (step.num_tokens < requests) continue;  // some still compute their prompts, or have ended
    overhead_ms.push_back(double((step.wall - step.compute).count()) / 1e3);
    compute_ms.push_back(double(step.compute.count()) / 1e3);
  }
  if (overhead_ms.empty()) return;
  fmt::print("{:>7}{:>14.3f}{:>14.3f}{:>14.3f}{:>14.3f}\n", overhead_ms.size(),
             Percentile(compute_ms, 0.5), Percentile(overhead_ms, 0.1),
             Percentile(overhead_ms, 0.5), Percentile(overhead_ms, 0.9));
  std::fflush(stdout);
}

absl::Status RunBench(const Flags& flags) {
  SY_ASSIGN_OR_RETURN(const CheckpointInfo checkpoint, ReadCheckpointInfo(flags.model));
  Cluster cluster(flags, checkpoint.model);
  SY_RETURN_IF_ERROR(cluster.Start(flags.threads));
  fmt::print("{}: {} running requests, one worker\n\n{:>7}{:>14}{:>14}{:>14}{:>14}\n", flags.model,
             flags.requests, "steps", "compute p50", "overhead p10", "overhead p50",
             "overhead p90");
  core::RequestId last_id = 0;
  for (int round = 0; round < flags.rounds; ++round) {
    cluster.steps().clear();
    Countdown countdown(flags.requests);
    for (int i = 0; i < flags.requests; ++i) {
      core::NewRequest request{.id = ++last_id, .max_tokens = flags.output_tokens};
      for (int j = 0; j < flags.prompt_tokens; ++j) {
        const uint64_t bits = RandomBits(last_id, uint64_t(j));
        request.prompt_tokens.push_back(int32_t(bits % uint64_t(checkpoint.model.vocab_size())));
      }
      SY_RETURN_IF_ERROR(
          cluster.coordinator().Submit(std::move(request), std::make_shared<Listener>(countdown)));
    }
    SY_RETURN_IF_ERROR(countdown.Wait());
    Print(cluster.steps(), flags.requests);
  }
  fmt::print("\nmilliseconds\n");
  return absl::OkStatus();
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) {
  using namespace switchyard;
  bench::Flags flags;
  CLI::App app("Times what a step costs beside the worker's computing.");
  app.add_option("--model", flags.model, "Folder of a small checkpoint")->capture_default_str();
  app.add_option("--requests", flags.requests, "Running together")
      ->check(CLI::Range(1, 512))
      ->capture_default_str();
  app.add_option("--prompt-tokens", flags.prompt_tokens, "Of each request")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--output-tokens", flags.output_tokens, "Of each request")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--threads", flags.threads, "Of the worker; 0: one per core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--rounds", flags.rounds, "A line for each")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  spdlog::set_level(spdlog::level::warn);
  return ReportAndExitCode("bench_step_overhead", bench::RunBench(flags));
}
