#include "tests/integration/cluster_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "proto/admin.grpc.pb.h"

namespace switchyard::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kPollInterval(20);
constexpr char kMarkName[] = "SWITCHYARD_TEST_CLUSTER";

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The first run of characters of `set` behind `prefix`.
std::string After(const std::string& text, std::string_view prefix, const char* set) {
  const size_t at = text.find(prefix);
  if (at == std::string::npos) return "";
  const size_t begin = at + prefix.size();
  return text.substr(begin, std::min(text.find_first_not_of(set, begin), text.size()) - begin);
}

std::vector<std::string> CommandLine(const ClusterOptions& options) {
  std::vector<std::string> argv = options.launcher;
  for (const std::string& word :
       {std::string(SWITCHYARD_BIN_DIR "/switchyard"), std::string("serve"), std::string("--model"),
        options.model_path, std::string("--port"), fmt::format("{}", options.port),
        std::string("--grpc-port"), fmt::format("{}", options.grpc_port), std::string("--dp"),
        fmt::format("{}", options.data_parallel), std::string("--tp"),
        fmt::format("{}", options.tensor_parallel)}) {
    argv.push_back(word);
  }
  argv.insert(argv.end(), options.more_flags.begin(), options.more_flags.end());
  return argv;
}

bool CanListen(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));  // as servers do
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  const bool is_free =
      bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 && listen(fd, 1) == 0;
  close(fd);
  return is_free;
}

}  // namespace

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

bool WaitUntil(milliseconds timeout, const std::function<bool()>& done) {
  const Clock::time_point deadline = Clock::now() + timeout;
  while (!done()) {
    if (Clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

Cluster::Cluster(const ClusterOptions& options) : start_deadline_(options.start_deadline) {
  std::string folder = std::filesystem::temp_directory_path() / "switchyard-cluster-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) std::abort();
  folder_ = folder;
  log_path_ = folder_ + "/log";
  mark_ = fmt::format("{}={}", kMarkName, folder_);
  const std::vector<std::string> words = CommandLine(options);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  environment.push_back(mark_.data());
  environment.push_back(nullptr);
  const int log = open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ != 0) {
    close(log);
    return;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execve(argv[0], argv.data(), environment.data());
  _exit(127);
}

Cluster::~Cluster() {
  for (const auto& [pid, command] : Processes()) kill(pid, SIGKILL);
  if (!exit_code_.has_value()) waitpid(pid_, nullptr, 0);
  std::filesystem::remove_all(folder_);
}

bool Cluster::WaitUntilServing() {
  const auto address = [&] { return After(Log(), "gRPC on ", "0123456789.:"); };
  const bool over = WaitUntil(start_deadline_, [&] {
    return Log().find(" is served on http://") != std::string::npos ||
           WaitForExit(milliseconds(0)).has_value();
  });
  if (!over || exit_code_.has_value()) return false;
  grpc_address_ = address();
  http_port_ = std::atoi(After(Log(), " is served on http://127.0.0.1:", "0123456789").c_str());
  return http_port_ != 0 && !grpc_address_.empty();
}

void Cluster::Signal(int signal) const {
  if (!exit_code_.has_value()) kill(pid_, signal);
}

std::optional<int> Cluster::WaitForExit(milliseconds timeout) {
  WaitUntil(timeout, [&] {
    int status = 0;
    if (exit_code_.has_value()) return true;
    if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return true;
  });
  return exit_code_;
}

std::map<pid_t, std::string> Cluster::Processes() const {
  std::map<pid_t, std::string> processes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    // A process that has ended but was not waited for has an empty environment.
    const std::string environment = pid > 0 ? ReadAll(entry.path() / "environ") : "";
    if (environment.find(mark_ + '\0') == std::string::npos) continue;
    std::string command = ReadAll(entry.path() / "cmdline");
    std::replace(command.begin(), command.end(), '\0', ' ');
    processes[pid] = command;
  }
  return processes;
}

pid_t Cluster::WorkerPid(int rank) const {
  for (const auto& [pid, command] : Processes()) {
    if (command.find("/switchyard-worker ") != std::string::npos &&
        command.find(fmt::format("--rank {} ", rank)) != std::string::npos) {
      return pid;
    }
  }
  return 0;
}

pid_t Cluster::CoordinatorPid() const {
  for (const auto& [pid, command] : Processes()) {
    if (command.find("/switchyard-coordinator ") != std::string::npos) return pid;
  }
  return 0;
}

bool Cluster::WaitUntilNothingIsLeft(milliseconds timeout) const {
  return WaitUntil(timeout, [&] { return Processes().empty(); });
}

std::string Cluster::Log() const { return ReadAll(log_path_); }

std::optional<v1::StatusResponse> Cluster::Status() const {
  const auto stub =
      v1::Admin::NewStub(grpc::CreateChannel(grpc_address_, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + seconds(5));
  v1::StatusResponse response;
  if (!stub->Status(&context, v1::StatusRequest(), &response).ok()) return std::nullopt;
  return response;
}

Cluster& ClusterTest::Start(const ClusterOptions& options) {
  return *clusters_.emplace_back(std::make_unique<Cluster>(options));
}

Cluster& ClusterTest::StartServing(const ClusterOptions& options) {
  Cluster& cluster = Start(options);
  EXPECT_TRUE(cluster.WaitUntilServing()) << cluster.Log();
  return cluster;
}

void ClusterTest::TearDown() {
  for (const std::unique_ptr<Cluster>& cluster : clusters_) {
    cluster->Signal(SIGTERM);
    cluster->Signal(SIGTERM);  // at once
    EXPECT_TRUE(cluster->WaitForExit().has_value()) << cluster->Log();
    EXPECT_TRUE(cluster->WaitUntilNothingIsLeft()) << cluster->Log();
    for (const auto& [pid, command] : cluster->Processes()) {
      ADD_FAILURE() << "left behind: " << pid << " " << command;
    }
  }
}

bool PortBecomesFree(int port) {
  return WaitUntil(seconds(5), [port] { return CanListen(port); });
}

}  // namespace switchyard::testing
