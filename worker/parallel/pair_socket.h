// Private to gloo_mesh: the socket under a Gloo pair. Gloo holds a lock while it waits for a peer
// and tells no descriptors, so only the socket itself, found among those of the process, can show
// that a peer is gone or end a wait from another thread.
#ifndef SWITCHYARD_WORKER_PARALLEL_PAIR_SOCKET_H_
#define SWITCHYARD_WORKER_PARALLEL_PAIR_SOCKET_H_

#include <sys/socket.h>

#include <chrono>
#include <utility>

namespace switchyard::worker {

// A second handle on a connection's socket: a duplicate keeps meaning this socket, however
// descriptors are reused. Thread: any.
class SocketHandle {
 public:
  SocketHandle() = default;
  explicit SocketHandle(int fd);  // duplicates it
  SocketHandle(SocketHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  SocketHandle& operator=(SocketHandle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~SocketHandle();

  bool valid() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void Shutdown(int how) const { shutdown(fd_, how); }
  // Whether something came (bytes, or the end) within `wait`.
  bool WaitReadable(std::chrono::milliseconds wait) const;
  void SetSendBuffer(int num_bytes) const;
  bool PeerIsGone() const;
  // Throws away what comes until the peer has ended too, or `deadline`. A socket that is closed
  // with bytes unread resets the connection, and what was sent last may be lost.
  void DrainUntil(std::chrono::steady_clock::time_point deadline) const;

 private:
  int fd_ = -1;
};

// What tells a pair's socket from all others of this process.
struct PairAddresses {
  sockaddr_storage local;          // of the connected socket
  sockaddr_storage own_listener;   // where this rank listened for the peer, before one dialled
  sockaddr_storage peer_listener;  // where the peer listened for this rank
};

// Invalid if there is none. The accepting end has its listener's address, and no other socket here
// has that. The dialling end's local address is not enough: the system shares an ephemeral port
// between connections that go to different places.
SocketHandle FindPairSocket(const PairAddresses& pair);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_PAIR_SOCKET_H_
