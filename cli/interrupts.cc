#include "cli/interrupts.h"

#include <signal.h>

namespace switchyard::cli {
namespace {

Interrupts interrupts;
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free,
              "written in a signal handler");

void Count(int) {
  ++interrupts.count;
  interrupts.any = true;
}

}  // namespace

const Interrupts& WatchInterrupts() {
  struct sigaction counted = {};
  counted.sa_handler = Count;
  sigemptyset(&counted.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before;
    if (signal == SIGHUP && sigaction(signal, nullptr, &before) == 0 &&
        before.sa_handler == SIG_IGN) {
      continue;
    }
    sigaction(signal, &counted, nullptr);
  }
  return interrupts;
}

}  // namespace switchyard::cli
