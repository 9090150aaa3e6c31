// One worker process's life: join, load, run steps, leave.
#ifndef SWITCHYARD_WORKER_WORKER_H_
#define SWITCHYARD_WORKER_WORKER_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "base/status.h"

namespace switchyard::worker {

struct WorkerConfig {
  std::string coordinator = "127.0.0.1:7070";  // host:port of its gRPC service
  int rank = -1;                               // the rank to ask for; -1: any
  std::string host;                            // this host as peers reach it; empty: 127.0.0.1
  std::string interface;                       // or the network interface whose address they reach
  std::string backend = "auto";                // cpu, cuda, or auto: cuda where a device is found
  int device = 0;                              // cuda: which GPU of those that are visible
  int host_workers = 1;                        // see BackendOptions
  int num_threads = 0;                         // 0: one per core
  int first_cpu = -1;                          // pin threads from this core on; -1: do not pin
  std::string isa = "auto";
  int64_t memory_bytes = 0;           // what it may use; 0: three quarters of the machine's
  int load_threads = 4;               // for what is read through the page cache
  std::string direct_io = "auto";     // on, off, or auto: where the checkpoint is no part of memory
  bool verify = false;                // hold weights against the checkpoint's manifest
  std::string packed_cache;           // folder of packed weights; empty: none
  int max_load_silence_seconds = 30;  // a disk that gives no byte for so long ends it
  bool cuda_graphs = true;            // decode steps are recorded as CUDA graphs, on a GPU
  int connect_seconds = 30;           // how long to wait for the coordinator
  int peer_timeout_seconds = 30;      // how long one collective waits for a peer
  int max_silence_seconds = 10;       // a coordinator that says nothing for so long counts as lost
};

// Returns OK after an orderly shutdown by the coordinator. UNAVAILABLE: the coordinator or a peer
// was lost. Others: what loading or a step met; the coordinator has been told. `stop` (set by a
// signal) ends it with CANCELLED.
absl::Status RunWorker(const WorkerConfig& config, const std::atomic<bool>& stop);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WORKER_H_
