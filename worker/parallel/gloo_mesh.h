// Private to gloo_collectives: one Gloo connection to every peer, as ordered messages of bounded
// size. All of Gloo's types stay in gloo_mesh.cc and all of its exceptions end there.
//
// Connections run in Gloo's synchronous mode: the calling thread itself writes to and reads from
// the socket. With more ranks than cores a small exchange is then about ten times as fast as with
// Gloo's event thread in between (its own collectives and unbound buffers). Thread: one caller;
// Close from any thread.
#ifndef SWITCHYARD_WORKER_PARALLEL_GLOO_MESH_H_
#define SWITCHYARD_WORKER_PARALLEL_GLOO_MESH_H_

#include <cstddef>
#include <memory>

#include "worker/parallel/gloo_collectives.h"

namespace switchyard::worker {

class GlooMesh {
 public:
  // A sender may be ahead of its receiver by two messages. The send buffer that Linux grants by
  // default (net.core.wmem_max) holds them twice over, so ranks which all send before they receive
  // cannot block each other.
  static constexpr int64_t kMaxMessageBytes = 64 * kKiB + 64;

  virtual ~GlooMesh() = default;

  // Connects all ranks; see ConnectGloo.
  static absl::StatusOr<std::unique_ptr<GlooMesh>> Connect(std::shared_ptr<GlooDevice> device,
                                                           RendezvousStore& store,
                                                           const CommunicatorOptions& options);

  // Where the next message is written before Send; kMaxMessageBytes.
  virtual std::byte* outgoing() = 0;
  // The message that Receive took from a peer; kMaxMessageBytes, of which as many as the peer sent
  // are new.
  virtual const std::byte* incoming(int peer) const = 0;

  // UNAVAILABLE when a connection is lost, DEADLINE_EXCEEDED after the timeout, CANCELLED after
  // Close; the messages name the rank. Receive notices within kPatience when another peer than the
  // one it waits for is gone: the one it waits for may never come.
  static constexpr std::chrono::milliseconds kPatience{2000};
  // Send is OK when the peer has already closed: what it said before is still to be received, and
  // then its end.
  virtual absl::Status Send(int peer, int64_t num_bytes) = 0;
  virtual absl::Status Receive(int peer) = 0;
  // The rank that made the last failed call fail.
  virtual int culprit() const = 0;

  // Says that no more is coming from here. Waits up to kLastWordsPatience until peers have said so
  // too, so that what was sent before still arrives; what they send is not read.
  static constexpr std::chrono::milliseconds kLastWordsPatience{1000};
  virtual void EndSending() = 0;
  // Ends all connections: what was sent still arrives, a pending and all later calls fail here, and
  // peers' calls too.
  virtual void Close() = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_GLOO_MESH_H_
