#include "worker/worker.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

#include "base/units.h"
#include "base/version.h"
#include "worker/backend.h"
#include "worker/coordinator_link.h"
#include "worker/exec/executor.h"
#include "worker/load_rate.h"
#include "worker/membership_client.h"

namespace switchyard::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kPollInterval(200);  // how soon a signal is seen while idle
constexpr milliseconds kHeartbeatInterval(500);
constexpr milliseconds kProgressInterval(100);

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

int64_t MachineMemory() {
  return int64_t{sysconf(_SC_PHYS_PAGES)} * int64_t{sysconf(_SC_PAGE_SIZE)};
}

v1::WorkerHello MakeHello(const WorkerConfig& config, Backend& backend) {
  kernels::Device& device = backend.ops().device();
  const int64_t memory = backend.memory_bytes() > 0 ? backend.memory_bytes() : MachineMemory();
  v1::WorkerHello hello;
  hello.set_host(config.host.empty() ? HostName() : config.host);
  hello.set_pid(getpid());
  hello.set_wanted_rank(config.rank);
  hello.set_backend(device.backend());
  hello.set_isa(device.isa());
  hello.set_memory_bytes(config.memory_bytes > 0 ? config.memory_bytes : memory / 4 * 3);
  hello.set_version(kVersion);
  hello.set_records_steps(config.cuda_graphs && backend.ops().records());
  return hello;
}

// Tells the coordinator at a steady pace that this process lives and which step it has finished.
class Heart {
 public:
  explicit Heart(CoordinatorLink& link) : link_(link), thread_([this] { Beat(); }) {}
  ~Heart() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  void Set(uint64_t epoch, uint64_t step) {
    epoch_.store(epoch, std::memory_order_relaxed);
    step_.store(step, std::memory_order_relaxed);
  }

 private:
  void Beat() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kHeartbeatInterval, [&] { return stopped_; })) {
      v1::WorkerMessage message;
      message.mutable_heartbeat()->set_epoch(epoch_.load(std::memory_order_relaxed));
      message.mutable_heartbeat()->set_step(step_.load(std::memory_order_relaxed));
      if (!link_.Send(std::move(message))) return;
    }
  }

  CoordinatorLink& link_;
  std::atomic<uint64_t> epoch_{0}, step_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::thread thread_;
};

// The communicators of one assignment; Abort is for the link's thread.
class Communicators {
 public:
  absl::Status Connect(Backend& backend, const WorkerConfig& config,
                       const v1::Assignment& assignment, RendezvousStore& store) {
    const v1::Layout& layout = assignment.plan().layout();
    const int tensor_ranks = layout.tensor_parallel();
    const int group = assignment.rank() / tensor_ranks;
    CommunicatorOptions options{.name = assignment.session() + "/world",
                                .rank = assignment.rank(),
                                .size = layout.data_parallel() * tensor_ranks,
                                .timeout = seconds(config.peer_timeout_seconds)};
    SY_ASSIGN_OR_RETURN(std::unique_ptr<Collectives> world, backend.Connect(store, options));
    options.name = fmt::format("{}/tensor-{}", assignment.session(), group);
    options.rank = assignment.rank() % tensor_ranks;
    options.size = tensor_ranks;
    SY_ASSIGN_OR_RETURN(std::unique_ptr<Collectives> tensor, backend.Connect(store, options));
    std::lock_guard lock(mutex_);
    world_ = std::move(world);
    tensor_group_ = std::move(tensor);
    return absl::OkStatus();
  }

  void Abort() {
    std::lock_guard lock(mutex_);
    if (world_ != nullptr) world_->Abort();
    if (tensor_group_ != nullptr) tensor_group_->Abort();
  }

  Collectives& world() { return *world_; }
  Collectives& tensor_group() { return *tensor_group_; }
  nanoseconds time_in_calls() const {
    return world_->time_in_calls() + tensor_group_->time_in_calls();
  }

 private:
  std::mutex mutex_;
  std::unique_ptr<Collectives> world_, tensor_group_;
};

class Session {
 public:
  Session(const WorkerConfig& config, const std::atomic<bool>& stop, Backend& backend)
      : config_(config),
        stop_(stop),
        backend_(backend),
        channel_(OpenChannel(config.coordinator, seconds(config.max_silence_seconds))),
        store_(channel_),
        link_(channel_, MakeHello(config, backend),
              {.address = config.coordinator,
               .connect_deadline = seconds(config.connect_seconds),
               .max_silence = seconds(config.max_silence_seconds),
               .stop = &stop,
               .on_lost =
                   [this] {
                     cancel_ = true;
                     communicators_.Abort();
                   }}),
        heart_(link_) {}

  absl::Status Run() {
    absl::Status status = JoinLoadAndServe();
    // What failed once the coordinator was gone failed for that reason.
    if (const absl::Status end = link_.end(); !status.ok() && !end.ok()) status = end;
    if (!status.ok() && !absl::IsCancelled(status)) {
      v1::WorkerMessage message;
      message.mutable_fault()->set_message(std::string(status.message()));
      message.mutable_fault()->set_code(static_cast<int>(status.code()));
      link_.Send(std::move(message));
    }
    communicators_.Abort();
    return status;
  }

 private:
  absl::Status JoinLoadAndServe() {
    SY_ASSIGN_OR_RETURN(const v1::CoordinatorMessage first, NextMessage());
    if (first.has_shutdown()) return absl::OkStatus();
    if (!first.has_assignment()) {
      return absl::InternalError("the coordinator's first message is no assignment");
    }
    SY_RETURN_IF_ERROR(Load(first.assignment()));
    return Serve();
  }

  absl::StatusOr<v1::CoordinatorMessage> NextMessage() {
    while (true) {
      absl::StatusOr<v1::CoordinatorMessage> message = link_.Next(kPollInterval);
      if (stop_) return absl::CancelledError("stopped by a signal");
      if (message.ok() || !link_.end().ok()) return message;
    }
  }

  absl::Status Load(const v1::Assignment& assignment) {
    const v1::ShardPlan& plan = assignment.plan();
    spdlog::info("rank {} of {}: loading {}", assignment.rank(),
                 plan.layout().data_parallel() * plan.layout().tensor_parallel(),
                 assignment.model_path());
    heart_.Set(plan.epoch(), 0);
    SendProgress(v1::LOAD_PHASE_CONNECTING_PEERS, 0, 0);
    SY_RETURN_IF_ERROR(communicators_.Connect(backend_, config_, assignment, store_));
    SendProgress(v1::LOAD_PHASE_READING_HEADERS, 0, 0);
    Clock::time_point next_report;
    LoadRate rate;
    const auto report = [&](int64_t done, int64_t total) {
      if (stop_) cancel_ = true;
      const Clock::time_point now = Clock::now();
      if (now < next_report && done < total) return;
      next_report = now + kProgressInterval;
      SendProgress(v1::LOAD_PHASE_LOADING_WEIGHTS, done, total, rate.Update(now, done));
    };
    ExecutorOptions options{.load_threads = config_.load_threads,
                            .verify = config_.verify || assignment.verify(),
                            .direct_reads = ReadsDirectly(assignment.model_path()),
                            .max_load_silence = seconds(config_.max_load_silence_seconds),
                            .load_progress = report,
                            .cancel = &cancel_,
                            .tokens = assignment.tokens(),
                            .record_steps = config_.cuda_graphs};
    SY_ASSIGN_OR_RETURN(
        executor_,
        Executor::Create(plan, assignment.rank(), assignment.model_path(), backend_.ops(),
                         communicators_.world(), communicators_.tensor_group(), options));
    v1::WorkerMessage message;
    v1::WorkerReady* ready = message.mutable_ready();
    ready->set_epoch(plan.epoch());
    ready->set_plan_hash(plan.hash());
    ready->set_weight_bytes(executor_->weight_bytes());
    ready->set_kv_bytes(executor_->kv_bytes());
    ready->set_activation_bytes(executor_->activation_bytes());
    ready->set_exchange_bytes(executor_->exchange_bytes());
    link_.Send(std::move(message));
    spdlog::info("rank {}: ready, {} of weights, {} of cache, {} of activations, {} of exchange",
                 assignment.rank(), FormatBytes(executor_->weight_bytes()),
                 FormatBytes(executor_->kv_bytes()), FormatBytes(executor_->activation_bytes()),
                 FormatBytes(executor_->exchange_bytes()));
    if (backend_.memory_bytes() > 0) {
      spdlog::info("rank {}: {} of the device's {} are taken", assignment.rank(),
                   FormatBytes(backend_.used_bytes()), FormatBytes(backend_.memory_bytes()));
    }
    epoch_ = plan.epoch();
    return absl::OkStatus();
  }

  absl::Status Serve() {
    while (true) {
      SY_ASSIGN_OR_RETURN(const v1::CoordinatorMessage message, NextMessage());
      if (message.has_shutdown()) {
        spdlog::info("leaving: {}", message.shutdown().reason());
        return absl::OkStatus();
      }
      if (!message.has_plan()) return absl::InternalError("a second assignment while serving");
      const nanoseconds before = communicators_.time_in_calls();
      const int64_t recorded = executor_->num_recordings();
      SY_ASSIGN_OR_RETURN(v1::StepResult result, executor_->RunStep(message.plan()));
      if (executor_->num_recordings() > recorded) {
        spdlog::info("step {}: recorded as a CUDA graph, the {}th; {} steps ran from such graphs",
                     result.step(), executor_->num_recordings(), executor_->num_replays());
      }
      const nanoseconds in_calls = communicators_.time_in_calls() - before;
      result.mutable_timings()->set_exchange_us(
          static_cast<uint32_t>(in_calls / std::chrono::microseconds(1)));
      heart_.Set(epoch_, result.step());
      v1::WorkerMessage answer;
      *answer.mutable_result() = std::move(result);
      link_.Send(std::move(answer));
    }
  }

  // A checkpoint that memory has room for may be wanted again soon: the page cache keeps it.
  bool ReadsDirectly(const std::string& model_path) const {
    if (config_.direct_io != "auto") return config_.direct_io == "on";
    int64_t bytes = 0;
    std::error_code error;
    if (std::filesystem::is_regular_file(model_path, error)) {  // GGUF
      bytes = static_cast<int64_t>(std::filesystem::file_size(model_path, error));
    }
    for (const auto& entry : std::filesystem::directory_iterator(model_path, error)) {
      if (entry.is_regular_file(error)) bytes += static_cast<int64_t>(entry.file_size(error));
    }
    return bytes > MachineMemory() / 4;
  }

  void SendProgress(v1::LoadPhase phase, int64_t done, int64_t total, double bytes_per_second = 0) {
    v1::WorkerMessage message;
    message.mutable_progress()->set_phase(phase);
    message.mutable_progress()->set_bytes_done(done);
    message.mutable_progress()->set_bytes_total(total);
    message.mutable_progress()->set_bytes_per_second(bytes_per_second);
    link_.Send(std::move(message));
  }

  const WorkerConfig& config_;
  const std::atomic<bool>& stop_;
  Backend& backend_;
  std::atomic<bool> cancel_{false};  // the coordinator is gone, or a signal came while loading
  Communicators communicators_;
  std::unique_ptr<Executor> executor_;
  uint64_t epoch_ = 0;
  const std::shared_ptr<grpc::Channel> channel_;
  MembershipClient store_;
  CoordinatorLink link_;
  Heart heart_;
};

}  // namespace

absl::Status RunWorker(const WorkerConfig& config, const std::atomic<bool>& stop) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Backend> backend,
                      MakeBackend({.backend = config.backend,
                                   .device = config.device,
                                   .host_workers = config.host_workers,
                                   .num_threads = config.num_threads,
                                   .first_cpu = config.first_cpu,
                                   .isa = config.isa,
                                   .interface = config.interface,
                                   .host = config.host}));
  return Session(config, stop, *backend).Run();
}

}  // namespace switchyard::worker
