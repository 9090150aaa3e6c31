// A child process of a test, spoken to by lines.
#ifndef SWITCHYARD_TESTS_EMULATOR_NCCL_PEER_PROCESS_H_
#define SWITCHYARD_TESTS_EMULATOR_NCCL_PEER_PROCESS_H_

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace emu {

class PeerProcess {
 public:
  // `environment`: "NAME=value", added to the test's own.
  explicit PeerProcess(const std::vector<std::string>& command,
                       const std::vector<std::string>& environment = {});
  ~PeerProcess();  // kills what still runs
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Without the newline; empty at the end of its output.
  std::string ReadLine();
  void WriteLine(const std::string& line);
  void Signal(int signal);
  // The exit code, or 128 plus the signal that ended it.
  int Wait();

 private:
  pid_t pid_ = -1;
  bool waited_ = false;
  int exit_code_ = 0;
  FILE* output_ = nullptr;  // what it prints
  FILE* input_ = nullptr;   // what it reads
};

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_NCCL_PEER_PROCESS_H_
