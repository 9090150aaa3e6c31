#include "bench/serving/own_server.h"

#include <arpa/inet.h>
#include <fmt/ranges.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

namespace switchyard::bench {
namespace {

constexpr std::chrono::seconds kStartDeadline(60);
constexpr std::chrono::milliseconds kLook(50);
constexpr int kLooksAtTheEnd = 100;

// A port that was free a moment ago.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool found = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return found ? ntohs(address.sin_port) : 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OwnServer>> OwnServer::Start(const std::string& model,
                                                            const std::vector<std::string>& flags) {
  const int port = FreePort();
  std::vector<std::string> argv = {cli::ProgramFolder() + "/switchyard",
                                   "serve",
                                   "--model",
                                   model,
                                   "--port",
                                   fmt::format("{}", port),
                                   "--grpc-port",
                                   "0"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  SY_ASSIGN_OR_RETURN(cli::ChildProcess child,
                      cli::ChildProcess::Start(argv, /*inherited_fd=*/-1, "/dev/null"));
  std::unique_ptr<OwnServer> server(new OwnServer(std::move(child), port));
  const auto deadline = std::chrono::steady_clock::now() + kStartDeadline;
  while (std::chrono::steady_clock::now() < deadline) {
    const auto ready = cli::HttpClient(server->address_).Get("/readyz");
    if (ready.ok() && ready->status == 200) return server;
    if (server->child_.Poll().has_value()) break;
    std::this_thread::sleep_for(kLook);
  }
  return absl::UnavailableError(
      fmt::format("{} does not serve: start it by hand to see why", fmt::join(argv, " ")));
}

OwnServer::OwnServer(cli::ChildProcess child, int port)
    : child_(std::move(child)), address_{"127.0.0.1", fmt::format("{}", port)} {}

OwnServer::~OwnServer() {
  child_.Signal(SIGTERM);
  for (int i = 0; i < kLooksAtTheEnd && !child_.Poll().has_value(); ++i) {
    std::this_thread::sleep_for(kLook);
  }
}

}  // namespace switchyard::bench
