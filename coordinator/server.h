// A coordinator process: reads the checkpoint's small files, opens the two fronts (HTTP, gRPC),
// runs the loop, shuts down in order.
#ifndef SWITCHYARD_COORDINATOR_SERVER_H_
#define SWITCHYARD_COORDINATOR_SERVER_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "coordinator/gateway/logprob_memory.h"

namespace switchyard {

struct ServerConfig {
  std::string model_path;
  std::string model_name;            // what requests call it; empty: the folder's name
  std::string tool_parser = "auto";  // or none, deepseek, deepseek_v31, hermes, llama
  std::string host = "127.0.0.1";    // of the HTTP API
  int port = 8000;                   // 0: the system picks one
  std::string api_keys;              // a file of them; empty: none is asked for
  bool metrics_need_key = false;
  std::string metrics_compat = "none";    // or vllm: its names, too
  std::vector<std::string> cors_origins;  // pages whose scripts may use the HTTP API
  int max_logprobs = 20;                  // likeliest tokens beside each; -1: the whole vocabulary
  int64_t logprob_bytes = gateway::LogprobMemory::kDefaultBytes;
  std::string grpc_host = "127.0.0.1";  // of workers, gRPC clients and `switchyard status`
  int grpc_port = 7070;
  int data_parallel = 1;
  int tensor_parallel = 1;
  std::string compute = "bf16";               // or f32, w8a8
  std::string weights = "stored";             // or q8, q4
  int max_batched_tokens = 512;               // of one group in one step
  std::optional<int32_t> micro_batch_tokens;  // see PlanRequest
  int max_running = 64;                       // requests of one group at a time
  int max_waiting = 1024;
  double max_stretch = 2;    // of a step in which requests write, by a prompt; 0: any
  int max_prompt_chunk = 0;  // of one prompt in a step that others need; 0: half of the step
  bool prefix_cache = true;
  bool overlap = true;
  std::string drafts = "auto";  // or off, mtp, ngram
  int draft_tokens = 1;         // of one request in one step, at most
  int kv_blocks = 0;            // of one group; 0: what memory leaves
  int64_t kv_bytes = 0;         // of one rank, in place of kv_blocks
  // Of one rank, for prompts in progress.
  int64_t prompt_bytes = core::PlanRequest::kSixteenth;
  bool verify = false;       // workers hold weights against the checkpoint's manifest
  int gather_seconds = 120;  // for all workers to join
  int load_seconds = 60;     // a loading worker makes progress so often
  int step_seconds = 300;    // a plan that left must be answered within this
  int drain_seconds = 30;
  int max_silence_seconds = 10;  // a worker that says nothing for so long counts as lost
  int announce_fd = -1;  // a JSON line with both addresses is written there once they listen
};

// Serves until `num_signals` is over 0 (then drains; over 1: at once) or the cluster is lost.
// Returns OK after a drain.
absl::Status RunServer(const ServerConfig& config, const std::atomic<int>& num_signals);

}  // namespace switchyard

#endif  // SWITCHYARD_COORDINATOR_SERVER_H_
