#include "emulator/ptx/launch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/gang.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/shared_window.h"

namespace emu {
namespace {

constexpr uint32_t kMaxThreads = 1024;
constexpr uint64_t kMaxClusterBlocks = 16;
constexpr uint32_t kParamAlign = 128;
constexpr size_t kMaxResidentGangs = 1024;  // per OS thread
// Rounds that change nothing before a worker sleeps between them.
constexpr uint32_t kQuickRounds = 1000;

// What is wrong with a configuration; empty: nothing.
std::string CheckConfig(const Kernel& kernel, const LaunchConfig& config) {
  const Dim3& grid = config.grid;
  const Dim3& cluster = config.cluster;
  const uint64_t threads = config.block.Count();
  if (threads == 0 || grid.Count() == 0 || cluster.Count() == 0) return "an empty grid or block";
  if (threads > kMaxThreads) return std::to_string(threads) + " threads in a block";
  if (kernel.max_threads() != 0 && threads > kernel.max_threads()) {
    return std::to_string(threads) + " threads in a block, the kernel was built for " +
           std::to_string(kernel.max_threads());
  }
  if (grid.y > 65535 || grid.z > 65535 || grid.x > 0x7fffffff) return "grid too large";
  if (cluster.Count() > kMaxClusterBlocks) return "more than 16 blocks in a cluster";
  if (grid.x % cluster.x != 0 || grid.y % cluster.y != 0 || grid.z % cluster.z != 0) {
    return "the cluster does not divide the grid";
  }
  const uint64_t shared = uint64_t{kernel.static_shared_bytes()} + config.dynamic_shared_bytes;
  if (shared > kMaxSharedBytes) return std::to_string(shared) + " bytes of shared memory";
  if (config.params.size() < kernel.param_bytes()) {
    return "parameters of " + std::to_string(config.params.size()) + " bytes, the kernel takes " +
           std::to_string(kernel.param_bytes());
  }
  return {};
}

uint32_t SharedBytes(const Kernel& kernel, const LaunchConfig& config) {
  const uint32_t own = kernel.static_shared_bytes() + config.dynamic_shared_bytes;
  return kernel.uses_reserved_shared() ? (own + 15) / 16 * 16 + kReservedSharedBytes : own;
}

// What the driver gives a cooperative launch for grid.sync: its size, then a counter.
class GridWorkspace {
 public:
  explicit GridWorkspace(bool cooperative) : cooperative_(cooperative) {
    if (cooperative_) RegisterMemory(bytes_, sizeof bytes_, "the workspace of grid.sync");
  }
  ~GridWorkspace() {
    if (cooperative_) UnregisterMemory(bytes_);
  }
  GridWorkspace(const GridWorkspace&) = delete;
  GridWorkspace& operator=(const GridWorkspace&) = delete;
  std::byte* address() { return cooperative_ ? bytes_ : nullptr; }

 private:
  bool cooperative_;
  alignas(64) std::byte bytes_[64] = {};
};

// The workers of one launch.
class Workers {
 public:
  explicit Workers(const LaunchContext& context) : context_(context), count_(Gang::Count(context)) {
    if (context.options->schedule == Schedule::kRandom) {
      order_.resize(count_);
      std::iota(order_.begin(), order_.end(), uint64_t{0});
      Random random(context.options->seed);
      for (size_t i = count_; i > 1; --i) std::swap(order_[i - 1], order_[random.Below(i)]);
    }
  }

  LaunchResult Run() {
    uint64_t threads = context_.options->os_threads > 0
                           ? static_cast<uint64_t>(context_.options->os_threads)
                           : std::max(1u, std::thread::hardware_concurrency());
    threads = std::min(threads, count_);
    if (context_.options->race) threads = 1;  // reports are to come again from their seed
    std::vector<std::thread> others;
    for (uint64_t i = 1; i < threads; ++i) others.emplace_back([this] { Work(); });
    Work();
    for (std::thread& thread : others) thread.join();
    return std::move(result_);
  }

 private:
  void Work() {
    std::vector<Observer::OpCount> counts;
    if (context_.observer != nullptr && context_.options->counters) {
      counts.resize(context_.kernel->ops().size());
    }
    std::vector<std::unique_ptr<Gang>> resident, free;
    try {
      uint32_t idle_rounds = 0;
      while (!stop_.load(std::memory_order_relaxed)) {
        if (resident.empty() && !Admit(resident, free)) break;
        if (RoundOfAll(resident, free, counts.empty() ? nullptr : &counts)) {
          idle_rounds = 0;
        } else if (resident.size() >= kMaxResidentGangs || !Admit(resident, free)) {
          Idle(resident, idle_rounds);
        }
      }
      if (!counts.empty()) context_.observer->OnOpCounts(*context_.kernel, counts);
    } catch (const Fault& fault) {
      Report(fault);
    }
  }

  // Starts the next gang, if there is one left.
  bool Admit(std::vector<std::unique_ptr<Gang>>& resident,
             std::vector<std::unique_ptr<Gang>>& free) {
    const uint64_t next = next_.fetch_add(1);
    if (next >= count_) return false;
    if (free.empty()) free.push_back(std::make_unique<Gang>(context_));
    resident.push_back(std::move(free.back()));
    free.pop_back();
    resident.back()->Start(order_.empty() ? next : order_[next]);
    return true;
  }

  // False: every resident gang only polls.
  bool RoundOfAll(std::vector<std::unique_ptr<Gang>>& resident,
                  std::vector<std::unique_ptr<Gang>>& free,
                  std::vector<Observer::OpCount>* counts) {
    bool any = false;
    for (size_t i = 0; i < resident.size();) {
      switch (resident[i]->Round(counts)) {
        case Gang::State::kEnded:
          any = true;
          free.push_back(std::move(resident[i]));
          resident.erase(resident.begin() + static_cast<ptrdiff_t>(i));
          continue;
        case Gang::State::kRunning:
          any = true;
          break;
        case Gang::State::kPolling:
          break;
        case Gang::State::kDeadlock:
          throw Fault(FaultKind::kDeadlock, "no warp can go on:" + resident[i]->DescribeWaiting());
      }
      ++i;
    }
    if (any) active_rounds_.fetch_add(1, std::memory_order_relaxed);
    return any;
  }

  // All resident gangs poll: other workers, kernels or processes must change something.
  void Idle(const std::vector<std::unique_ptr<Gang>>& resident, uint32_t& idle_rounds) {
    const uint64_t active = active_rounds_.load(std::memory_order_relaxed);
    if (seen_active_.exchange(active, std::memory_order_relaxed) != active) idle_rounds = 0;
    if (++idle_rounds > context_.options->poll_limit) {
      std::string report = "every warp polls memory that nobody changes:";
      for (const auto& gang : resident) report += gang->DescribeWaiting();
      throw Fault(FaultKind::kDeadlock, report);
    }
    if (idle_rounds > kQuickRounds) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } else {
      std::this_thread::yield();
    }
  }

  void Report(const Fault& fault) {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    if (!result_.ok) return;
    result_.ok = false;
    result_.fault = "kernel " + context_.kernel->name() + ": " +
                    std::string(FaultName(fault.kind())) + ": " + fault.message();
    if (!fault.where().empty()) result_.fault += "\n  at " + fault.where();
  }

  const LaunchContext& context_;
  const uint64_t count_;
  std::vector<uint64_t> order_;  // empty: as numbered
  std::atomic<uint64_t> next_{0};
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> active_rounds_{0};  // of all workers
  std::atomic<uint64_t> seen_active_{0};
  std::mutex mutex_;
  LaunchResult result_;
};

}  // namespace

LaunchResult Launch(const Module& module, const Kernel& kernel, const LaunchConfig& config,
                    const Options& options, Counters* counters) {
  LaunchConfig effective = config;
  const Kernel::ClusterShape required = kernel.required_cluster();
  if (required.x != 0) effective.cluster = {required.x, required.y, required.z};
  if (const std::string wrong = CheckConfig(kernel, effective); !wrong.empty()) {
    return {false, "kernel " + kernel.name() + ": launch configuration: " + wrong};
  }
  std::vector<std::byte> storage(kernel.param_bytes() + kParamAlign);
  std::byte* params = storage.data();
  params += (kParamAlign - reinterpret_cast<uintptr_t>(params) % kParamAlign) % kParamAlign;
  if (kernel.param_bytes() != 0) {
    std::memcpy(params, config.params.data(), kernel.param_bytes());
  }
  const std::unique_ptr<Observer> observer =
      MakeObserver(module, kernel, effective, options, counters);
  GridWorkspace workspace(effective.cooperative);
  const LaunchContext context{
      .module = &module,
      .kernel = &kernel,
      .config = &effective,
      .options = &options,
      .observer = observer.get(),
      .params = params,
      .grid_workspace = workspace.address(),
      .shared_bytes = SharedBytes(kernel, effective),
  };
  return Workers(context).Run();
}

}  // namespace emu
