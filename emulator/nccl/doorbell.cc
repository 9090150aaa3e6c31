#include "emulator/nccl/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <ctime>

namespace emu {
namespace {

// Two to three microseconds: less than a sleep and a wake-up cost, so that an answer that is on its
// way is met awake, and a machine with fewer processors than ranks is not kept busy.
constexpr int kNumSpins = 50;

uint32_t* FutexWord(std::atomic<uint32_t>* value) { return reinterpret_cast<uint32_t*>(value); }

}  // namespace

void Doorbell::Wait(uint32_t ticket, std::chrono::milliseconds timeout) {
  for (int i = 0; i < kNumSpins; ++i) {
    if (value_.load(std::memory_order_acquire) != ticket) return;
    __builtin_ia32_pause();
  }
  timespec span = {.tv_sec = timeout.count() / 1000, .tv_nsec = timeout.count() % 1000 * 1'000'000};
  num_sleepers_.fetch_add(1, std::memory_order_seq_cst);
  syscall(SYS_futex, FutexWord(&value_), FUTEX_WAIT, ticket, timeout.count() > 0 ? &span : nullptr,
          nullptr, 0);
  num_sleepers_.fetch_sub(1, std::memory_order_seq_cst);
}

void Doorbell::Ring() {
  value_.fetch_add(1, std::memory_order_seq_cst);
  if (num_sleepers_.load(std::memory_order_seq_cst) == 0) return;
  syscall(SYS_futex, FutexWord(&value_), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace emu
