#include "kernels/cpu/idle_gate.h"

#include <pthread.h>
#include <sched.h>

#include <chrono>

#include "kernels/cpu/pause.h"

namespace switchyard::kernels::cpu {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr microseconds kQuiet{300};
// Between two looks at the clock: longer, and another thread had the core.
constexpr microseconds kInterrupted{50};
constexpr int kPausesPerLook = 32;

// Only when nothing else wants the core. A refusal costs others some time, no more.
void RunAtLowestPriority() {
  const sched_param none{};
  pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
}

}  // namespace

IdleGate::~IdleGate() {
  Close();
  thread_.join();
}

bool IdleGate::Wait() {
  std::unique_lock lock(mutex_);
  asked_ = true;
  changed_.notify_all();
  changed_.wait(lock, [&] { return open_ || closed_; });
  open_ = false;
  return !closed_;
}

void IdleGate::Close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

void IdleGate::Run() {
  RunAtLowestPriority();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return asked_ || closed_; });
      if (closed_) return;
      asked_ = false;
    }
    AwaitQuiet();
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
}

void IdleGate::AwaitQuiet() const {
  steady_clock::time_point last = steady_clock::now();
  steady_clock::time_point begin = last;
  while (!closed_ && last - begin < kQuiet) {
    for (int i = 0; i < kPausesPerLook; ++i) Pause();
    const steady_clock::time_point now = steady_clock::now();
    if (now - last > kInterrupted) begin = now;
    last = now;
  }
}

}  // namespace switchyard::kernels::cpu
