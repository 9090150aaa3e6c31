#include "emulator/ptx/launch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/gang.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/permutation.h"
#include "emulator/ptx/shared_window.h"

namespace emu {
namespace {

constexpr uint32_t kMaxThreads = 1024;
constexpr Dim3 kMaxBlock = {1024, 1024, 64};
constexpr Dim3 kMaxGrid = {0x7fffffff, 65535, 65535};
constexpr uint32_t kMaxClusterBlocks = 16;
constexpr uint64_t kMaxCooperativeBlocks = 132 * 32;  // all resident at once, on an H100
constexpr uint32_t kParamAlign = 128;
constexpr size_t kMaxResidentGangs = 1024;  // per OS thread
// Rounds that change nothing before a worker sleeps between them.
constexpr uint32_t kQuickRounds = 1000;

bool Empty(const Dim3& size) { return size.x == 0 || size.y == 0 || size.z == 0; }
bool Within(const Dim3& size, const Dim3& limit) {
  return size.x <= limit.x && size.y <= limit.y && size.z <= limit.z;
}

std::string Text(const Dim3& size) {
  return std::to_string(size.x) + " x " + std::to_string(size.y) + " x " + std::to_string(size.z);
}

// What is wrong with the block; empty: nothing. Sides come before their product, which may
// overflow.
std::string CheckBlock(const Kernel& kernel, const Dim3& block) {
  if (!Within(block, kMaxBlock) || block.Count() > kMaxThreads) {
    return Text(block) + " threads in a block";
  }
  const Shape3 required = kernel.required_block();
  if (required.x != 0 &&
      (block.x != required.x || block.y != required.y || block.z != required.z)) {
    return Text(block) + " threads in a block, the kernel requires " +
           Text({required.x, required.y, required.z});
  }
  if (kernel.max_threads() != 0 && block.Count() > kernel.max_threads()) {
    return std::to_string(block.Count()) + " threads in a block, the kernel was built for " +
           std::to_string(kernel.max_threads());
  }
  return {};
}

std::string CheckGrid(const LaunchConfig& config) {
  const Dim3& grid = config.grid;
  const Dim3& cluster = config.cluster;
  if (!Within(grid, kMaxGrid)) return "grid too large";
  if (!Within(cluster, {kMaxClusterBlocks, kMaxClusterBlocks, kMaxClusterBlocks}) ||
      cluster.Count() > kMaxClusterBlocks) {
    return "more than 16 blocks in a cluster";
  }
  if (grid.x % cluster.x != 0 || grid.y % cluster.y != 0 || grid.z % cluster.z != 0) {
    return "the cluster does not divide the grid";
  }
  if (config.cooperative && grid.Count() > kMaxCooperativeBlocks) {
    return std::to_string(grid.Count()) + " blocks in a cooperative launch";
  }
  return {};
}

// What is wrong with a configuration; empty: nothing.
std::string CheckConfig(const Kernel& kernel, const LaunchConfig& config) {
  if (Empty(config.grid) || Empty(config.block) || Empty(config.cluster)) {
    return "an empty grid or block";
  }
  if (std::string wrong = CheckBlock(kernel, config.block); !wrong.empty()) return wrong;
  if (std::string wrong = CheckGrid(config); !wrong.empty()) return wrong;
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
      order_.emplace(count_, context.options->seed);
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
    resident.back()->Start(order_ ? order_->At(next) : next);
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
  std::optional<Permutation> order_;  // none: as numbered
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
  const Shape3 required = kernel.required_cluster();
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
