#include "cli/child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/exit_code.h"

namespace switchyard::cli {
namespace {

// Between fork and exec only async-signal-safe calls.
struct Child {
  std::vector<char*> argv;         // ends with null
  std::vector<char*> environment;  // likewise
  int inherited_fd = -1;
  int fault_fd = -1;  // inherited, too
  int log_fd = -1;
  pid_t parent = -1;
};
[[noreturn]] void Become(const Child& child) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != child.parent) _exit(127);  // it died before the line above
  const int null = open("/dev/null", O_RDONLY);
  if (null >= 0) dup2(null, STDIN_FILENO);
  if (child.log_fd >= 0) {
    dup2(child.log_fd, STDOUT_FILENO);
    dup2(child.log_fd, STDERR_FILENO);
  }
  for (const int fd : {child.inherited_fd, child.fault_fd}) {
    if (fd >= 0) fcntl(fd, F_SETFD, 0);
  }
  execve(child.argv[0], child.argv.data(), child.environment.data());
  _exit(127);
}

void Close(int fd) {
  if (fd >= 0) close(fd);
}

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Ours, and where to tell a fault unless `fault_fd` is -1.
std::vector<std::string> Environment(int fault_fd) {
  const std::string name = std::string(kFaultFdVariable) + "=";
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).rfind(name, 0) != 0) environment.emplace_back(*entry);
  }
  if (fault_fd >= 0) environment.push_back(name + std::to_string(fault_fd));
  return environment;
}

}  // namespace

absl::StatusOr<ChildProcess> ChildProcess::Start(const std::vector<std::string>& argv,
                                                 int inherited_fd, const std::string& log_path) {
  if (access(argv[0].c_str(), X_OK) != 0) {
    return absl::NotFoundError(fmt::format("{}: {}", argv[0], std::strerror(errno)));
  }
  int log_fd = -1;
  int fault_fds[2] = {-1, -1};
  if (log_path.empty()) {
    if (pipe2(fault_fds, O_CLOEXEC | O_NONBLOCK) != 0) {
      return absl::ResourceExhaustedError("no pipe could be opened");
    }
  } else {
    log_fd = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0) {
      return absl::UnavailableError(
          fmt::format("{}: cannot open: {}", log_path, std::strerror(errno)));
    }
  }
  std::vector<std::string> arguments = argv;
  std::vector<std::string> environment = Environment(fault_fds[1]);
  const Child child = {.argv = Pointers(arguments),
                       .environment = Pointers(environment),
                       .inherited_fd = inherited_fd,
                       .fault_fd = fault_fds[1],
                       .log_fd = log_fd,
                       .parent = getpid()};
  const pid_t pid = fork();
  if (pid == 0) Become(child);
  const int fork_errno = errno;
  Close(log_fd);
  Close(fault_fds[1]);
  if (pid < 0) {
    Close(fault_fds[0]);
    return absl::ResourceExhaustedError(
        fmt::format("cannot start {}: {}", argv[0], std::strerror(fork_errno)));
  }
  return ChildProcess(pid, fault_fds[0]);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(other.pid_),
      fault_fd_(other.fault_fd_),
      exit_code_(other.exit_code_),
      fault_(std::move(other.fault_)) {
  other.pid_ = other.fault_fd_ = -1;
}

ChildProcess::~ChildProcess() {
  Close(fault_fd_);
  if (pid_ < 0 || exit_code_.has_value()) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void ChildProcess::Signal(int signal) const {
  if (pid_ > 0 && !exit_code_.has_value()) kill(pid_, signal);
}

std::optional<int> ChildProcess::Poll() {
  if (exit_code_.has_value()) return exit_code_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return std::nullopt;
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  fault_.resize(kMaxFaultBytes);
  const ssize_t size = fault_fd_ < 0 ? 0 : read(fault_fd_, fault_.data(), fault_.size());
  fault_.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return exit_code_;
}

std::string ProgramFolder() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
}

}  // namespace switchyard::cli
