#include "kernels/cpu/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "base/check.h"
#include "kernels/cpu/pause.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr size_t kCacheLine = 64;

// Returns when `value` is no longer `old`: spins for spin_us, then parks. Whoever changes it must
// notify.
void AwaitChange(const std::atomic<uint32_t>& value, uint32_t old, int spin_us) {
  constexpr int kPausesPerLook = 32;  // a look at the clock costs as much as some pauses
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(spin_us);
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  while (value.load(std::memory_order_acquire) == old) value.wait(old);
}

// The CPUs that this process may run on.
std::vector<int> AllowedCpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

void PinThisThread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // A refusal (a container's rules) costs speed, not correctness.
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

}  // namespace

struct ThreadPool::State {
  explicit State(const Options& pool_options) : options(pool_options) {
    if (options.first_cpu >= 0) cpus = AllowedCpus();
  }

  void Pin(int thread) const {
    if (cpus.empty()) return;
    PinThisThread(cpus[static_cast<size_t>(options.first_cpu + thread) % cpus.size()]);
  }

  // The life of thread `index` >= 1.
  void Work(int index) {
    Pin(index);
    uint32_t seen = 0;
    while (true) {
      AwaitChange(generation, seen, options.spin_us);
      seen = generation.load(std::memory_order_acquire);
      if (stopping) return;
      if (!Enter()) continue;
      call(context, index);
      if (inside.fetch_sub(1, std::memory_order_acq_rel) == kClosed + 1) inside.notify_one();
    }
  }

  // Into the region, unless its caller is through.
  bool Enter() {
    uint32_t now = inside.load(std::memory_order_relaxed);
    while (now < kClosed) {
      if (inside.compare_exchange_weak(now, now + 1, std::memory_order_acquire)) return true;
    }
    return false;
  }

  // From here on nobody enters; returns when all who did have left.
  void Close() {
    for (uint32_t now = inside.fetch_add(kClosed, std::memory_order_acq_rel) + kClosed;
         now != kClosed; now = inside.load(std::memory_order_acquire)) {
      AwaitChange(inside, now, options.spin_us);
    }
  }

  const Options options;
  std::vector<int> cpus;  // empty: threads are not pinned
  std::thread::id pinned_caller;
  std::vector<std::thread> threads;
  bool busy = false;

  // Written while the region is closed, read by those who entered it.
  Call call = nullptr;
  void* context = nullptr;
  std::atomic<bool> stopping{false};
  // Threads wait for the next region here; one that comes late may miss some.
  alignas(kCacheLine) std::atomic<uint32_t> generation{0};
  // How many threads but the caller are in the region; kClosed is added while none may enter.
  static constexpr uint32_t kClosed = 1u << 31;
  alignas(kCacheLine) std::atomic<uint32_t> inside{kClosed};
  alignas(kCacheLine) std::atomic<int64_t> counter{0};
};

ThreadPool::ThreadPool(const Options& options) : state_(std::make_unique<State>(options)) {
  SY_CHECK_GE(options.num_threads, 1);
  for (int i = 1; i < options.num_threads; ++i) {
    state_->threads.emplace_back([state = state_.get(), i] { state->Work(i); });
  }
}

ThreadPool::~ThreadPool() {
  state_->stopping = true;
  state_->generation.fetch_add(1);
  state_->generation.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

int ThreadPool::num_threads() const { return state_->options.num_threads; }

void ThreadPool::RunErased(Call call, void* context) {
  State& state = *state_;
  SY_CHECK(!state.busy) << "a parallel region inside a parallel region";
  state.busy = true;
  if (const auto self = std::this_thread::get_id(); self != state.pinned_caller) {
    state.Pin(0);
    state.pinned_caller = self;
  }
  state.call = call;
  state.context = context;
  state.inside.store(0, std::memory_order_release);
  state.generation.fetch_add(1);
  state.generation.notify_all();
  call(context, 0);
  state.Close();
  state.busy = false;
}

void ThreadPool::ResetCounter() { state_->counter.store(0, std::memory_order_relaxed); }

int64_t ThreadPool::Take(int64_t grain) {
  return state_->counter.fetch_add(grain, std::memory_order_relaxed);
}

}  // namespace switchyard::kernels::cpu
