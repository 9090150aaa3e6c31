// `switchyard serve`: a whole cluster on this machine, one coordinator and its workers, each a
// process of its own; or this machine's part of a cluster of several.
#ifndef SWITCHYARD_CLI_SERVE_COMMAND_H_
#define SWITCHYARD_CLI_SERVE_COMMAND_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace switchyard::cli {

struct ServeOptions {
  std::string model_path;
  int data_parallel = 1;
  int tensor_parallel = 1;
  std::string host = "127.0.0.1";
  int port = 8000;
  int grpc_port = 7070;      // 0: any free one
  int num_threads = 0;       // of this host's workers together; 0: one per core
  int64_t memory_bytes = 0;  // of this host's workers together; 0: three quarters of the machine's
  std::string isa = "auto";
  std::string backend = "auto";  // of all workers; with cuda, a host's i-th takes GPU i
  // This host's ranks: from first_rank on, num_ranks of them (-1: all that there are).
  int first_rank = 0;
  int num_ranks = -1;
  // "HOST:PORT" of a coordinator on another host, which the workers join; empty: it runs here.
  std::string coordinator;
  std::string log_folder;  // of the processes' logs; empty: they write to stderr
  // Handed on as they are: --compute, --kv-memory and others.
  std::vector<std::string> coordinator_flags;
  std::vector<std::string> worker_flags;
};

// Runs until Ctrl-C (`num_signals` over 0), which drains and ends all processes; a second one ends
// them at once. Returns OK then. UNAVAILABLE, naming the process, when one of them was lost; all
// others are then ended too. On a terminal it shows what every worker is loading. With
// `coordinator`: RunLocalWorkers (local_workers.h).
absl::Status RunServe(const ServeOptions& options, const std::atomic<int>& num_signals);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_SERVE_COMMAND_H_
