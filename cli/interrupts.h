// Ctrl-C, SIGTERM and a closed terminal, for commands that have something to end in order. Other
// commands leave these signals alone: they end such a process at once.
#ifndef SWITCHYARD_CLI_INTERRUPTS_H_
#define SWITCHYARD_CLI_INTERRUPTS_H_

#include <atomic>

namespace switchyard::cli {

struct Interrupts {
  std::atomic<int> count{0};
  std::atomic<bool> any{false};  // count > 0
};

// From the first call on the signals are counted here, and a system call that waits (a read from
// the keyboard) ends with EINTR. A process that ignores SIGHUP (nohup) goes on to ignore it.
const Interrupts& WatchInterrupts();

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_INTERRUPTS_H_
