// `switchyard serve` as a person starts it: a child process with a coordinator and workers of its
// own, found again by a mark in their environment, so that a test can kill any of them and see what
// is left behind.
#ifndef SWITCHYARD_TESTS_INTEGRATION_CLUSTER_FIXTURE_H_
#define SWITCHYARD_TESTS_INTEGRATION_CLUSTER_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/admin.pb.h"

namespace switchyard::testing {

// Polls until `done` or the deadline; the last answer of `done`.
bool WaitUntil(std::chrono::milliseconds timeout, const std::function<bool()>& done);

struct ClusterOptions {
  std::string model_path = "models/tiny-r1";  // from the repository's root
  int data_parallel = 1;
  int tensor_parallel = 1;
  int port = 0;  // of HTTP; 0: any
  int grpc_port = 0;
  std::vector<std::string> more_flags;
  std::vector<std::string> launcher;  // a command that starts `serve`, given as its arguments
  std::chrono::milliseconds start_deadline = std::chrono::seconds(30);
};

// A port that nobody listens on right now.
int FreePort();

// One `switchyard serve`. Kills what it started when it goes. One thread.
class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Until it says that it serves; false when it ends first, or at its start deadline.
  bool WaitUntilServing();
  int http_port() const { return http_port_; }
  const std::string& grpc_address() const { return grpc_address_; }

  // Signals `serve` itself.
  void Signal(int signal) const;
  // The exit code of `serve` (128 + signal if one ended it); none if it still runs after `timeout`.
  std::optional<int> WaitForExit(std::chrono::milliseconds timeout = std::chrono::seconds(30));

  // 0 if there is none.
  pid_t WorkerPid(int rank) const;
  pid_t CoordinatorPid() const;
  // Every process of this cluster that still runs, `serve` included, with its command line.
  std::map<pid_t, std::string> Processes() const;
  // Whether all of them end in time.
  bool WaitUntilNothingIsLeft(std::chrono::milliseconds timeout = std::chrono::seconds(10)) const;

  // What `serve` and its children wrote so far.
  std::string Log() const;
  // As `switchyard status` sees it; none if nobody answers.
  std::optional<v1::StatusResponse> Status() const;

 private:
  const std::chrono::milliseconds start_deadline_;
  std::string mark_;      // NAME=value in the environment of every process
  std::string log_path_;  // in a folder that goes with this object
  std::string folder_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
  int http_port_ = 0;
  std::string grpc_address_;
};

// Starts clusters and, at the test's end, asserts that none of their processes is left.
class ClusterTest : public ::testing::Test {
 protected:
  // Starts one and waits until it serves; adds a failure with its log if it does not.
  Cluster& StartServing(const ClusterOptions& options = {});
  Cluster& Start(const ClusterOptions& options);
  void TearDown() override;

 private:
  std::vector<std::unique_ptr<Cluster>> clusters_;
};

// Whether a server can listen on this port of 127.0.0.1 again, at the latest in 5 s.
bool PortBecomesFree(int port);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_INTEGRATION_CLUSTER_FIXTURE_H_
