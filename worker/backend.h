// What a rank computes on and talks over: a device's ops, and communicators in the memory of that
// device.
#ifndef SWITCHYARD_WORKER_BACKEND_H_
#define SWITCHYARD_WORKER_BACKEND_H_

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "kernels/ops.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/rendezvous.h"

namespace switchyard::worker {

// Owner: the worker. Outlives the communicators that it connects. Thread: one caller.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual kernels::Ops& ops() = 0;
  // What the device is, for people: "NVIDIA H100 80GB HBM3", "avx512, 8 threads".
  virtual std::string Describe() const = 0;
  // Memory of the device; 0 where it is the machine's.
  virtual int64_t memory_bytes() const = 0;
  // Of these, what is taken right now, by whomever; 0 where it is the machine's.
  virtual int64_t used_bytes() const = 0;
  // Connects this rank with the others of a communicator. Errors: those of ConnectGloo.
  virtual absl::StatusOr<std::unique_ptr<Collectives>> Connect(
      RendezvousStore& store, const CommunicatorOptions& options) = 0;
};

struct BackendOptions {
  std::string backend = "auto";  // cpu, cuda, or auto: cuda where devices are found
  // cuda: which GPU of those that are visible. cpu: which worker of this host, see KeepToNode.
  int device = 0;
  // Workers of this host. auto: all of them compute on GPUs or none, for the coordinator takes one
  // kind.
  int host_workers = 1;
  // cpu: see kernels::CpuBackendOptions and GlooDeviceOptions
  int num_threads = 0;
  int first_cpu = -1;
  std::string isa = "auto";
  std::string interface;
  std::string host;
};

// INVALID_ARGUMENT for an unknown name or what the backend refuses; NOT_FOUND, in one line, for
// cuda without a device or without the CUDA libraries. Logs which one it is, and for auto why.
absl::StatusOr<std::unique_ptr<Backend>> MakeBackend(const BackendOptions& options);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_BACKEND_H_
