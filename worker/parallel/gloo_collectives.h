// Collectives between processes and hosts over TCP, by Gloo. The only place that sees Gloo's types
// and exceptions.
//
// A lost peer is an error on every rank within seconds, whatever the timeout: its connections
// break; each rank that meets a broken connection tells the others who is to blame and ends its
// own. Orderly end: a rank may destroy its communicator when its last call has returned and no peer
// is more than two seconds behind in that call (the coordinator's leave sees to it). OpenGlooDevice
// makes the process ignore SIGPIPE.
#ifndef SWITCHYARD_WORKER_PARALLEL_GLOO_COLLECTIVES_H_
#define SWITCHYARD_WORKER_PARALLEL_GLOO_COLLECTIVES_H_

#include <memory>
#include <string>

#include "worker/parallel/collectives.h"
#include "worker/parallel/rendezvous.h"

namespace switchyard::worker {

struct GlooDeviceOptions {
  // Network interface whose address peers dial, such as "eth0". Empty: `host` decides.
  std::string interface;
  // Name or address of this host as peers reach it. Both empty: 127.0.0.1, for a cluster on one
  // machine.
  std::string host;
};

// One listening address and one thread of network events, shared by the communicators of a process.
// Opaque.
class GlooDevice {
 public:
  virtual ~GlooDevice() = default;
};

// INVALID_ARGUMENT, naming the option, for an interface or host that this machine does not have.
absl::StatusOr<std::shared_ptr<GlooDevice>> OpenGlooDevice(const GlooDeviceOptions& options);

// Connects every rank of the communicator with every other; returns when all are connected.
// DEADLINE_EXCEEDED names the ranks that did not come, UNAVAILABLE says what could not be
// connected, CANCELLED when the start-up was given up. `store` is used until it returns.
absl::StatusOr<std::unique_ptr<Collectives>> ConnectGloo(std::shared_ptr<GlooDevice> device,
                                                         RendezvousStore& store,
                                                         const CommunicatorOptions& options);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_GLOO_COLLECTIVES_H_
