// A program that this one starts and must not leave behind.
#ifndef SWITCHYARD_CLI_CHILD_PROCESS_H_
#define SWITCHYARD_CLI_CHILD_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace switchyard::cli {

class ChildProcess {
 public:
  // Starts argv[0] in a process group of its own, so that Ctrl-C reaches it only through us; it is
  // killed when this process dies, however it dies. `inherited_fd` (or -1) stays open in the child
  // under the same number. stdout and stderr go to `log_path`, or to ours if that is empty: then a
  // program of ours leaves it to us to tell what ended it (fault). NOT_FOUND if the program is not
  // there.
  static absl::StatusOr<ChildProcess> Start(const std::vector<std::string>& argv, int inherited_fd,
                                            const std::string& log_path);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;
  // Kills and reaps what still runs.
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // The exit code once it has ended (128 + signal if a signal ended it), nothing before. Reaps.
  std::optional<int> Poll();
  // What it said of its end, in one line; empty if it still runs, said nothing, or said it in its
  // log.
  const std::string& fault() const { return fault_; }

 private:
  ChildProcess(pid_t pid, int fault_fd) : pid_(pid), fault_fd_(fault_fd) {}

  pid_t pid_ = -1;
  int fault_fd_ = -1;  // read end of a pipe; -1: none
  std::optional<int> exit_code_;
  std::string fault_;
};

// The folder of the running program, where its siblings lie.
std::string ProgramFolder();

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_CHILD_PROCESS_H_
