#include "tests/emulator/nccl/peer_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace emu {

PeerProcess::PeerProcess(const std::vector<std::string>& command,
                         const std::vector<std::string>& environment) {
  int to_child[2];
  int from_child[2];
  EXPECT_EQ(pipe2(to_child, O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(from_child, O_CLOEXEC), 0);
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(to_child[0], STDIN_FILENO);
    dup2(from_child[1], STDOUT_FILENO);
    for (const std::string& variable : environment) {
      putenv(const_cast<char*>(variable.c_str()));
    }
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(to_child[0]);
  close(from_child[1]);
  input_ = fdopen(to_child[1], "w");
  output_ = fdopen(from_child[0], "r");
}

PeerProcess::~PeerProcess() {
  if (!waited_) {
    Signal(SIGKILL);
    Wait();
  }
  fclose(input_);
  fclose(output_);
}

std::string PeerProcess::ReadLine() {
  std::string line;
  for (int c = fgetc(output_); c != EOF && c != '\n'; c = fgetc(output_)) {
    line += static_cast<char>(c);
  }
  return line;
}

void PeerProcess::WriteLine(const std::string& line) {
  fprintf(input_, "%s\n", line.c_str());
  fflush(input_);
}

void PeerProcess::Signal(int signal) { kill(pid_, signal); }

int PeerProcess::Wait() {
  if (waited_) return exit_code_;
  int status = 0;
  waitpid(pid_, &status, 0);
  waited_ = true;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return exit_code_;
}

}  // namespace emu
