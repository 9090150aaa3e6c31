#include "worker/parallel/pair_socket.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace switchyard::worker {
namespace {

bool SameEndpoint(const sockaddr_storage& a, const sockaddr_storage& b) {
  if (a.ss_family != b.ss_family) return false;
  if (a.ss_family == AF_INET) {
    const auto& left = reinterpret_cast<const sockaddr_in&>(a);
    const auto& right = reinterpret_cast<const sockaddr_in&>(b);
    return left.sin_port == right.sin_port && left.sin_addr.s_addr == right.sin_addr.s_addr;
  }
  const auto& left = reinterpret_cast<const sockaddr_in6&>(a);
  const auto& right = reinterpret_cast<const sockaddr_in6&>(b);
  return a.ss_family == AF_INET6 && left.sin6_port == right.sin6_port &&
         std::memcmp(&left.sin6_addr, &right.sin6_addr, sizeof(left.sin6_addr)) == 0;
}

// False of what is no connected socket.
bool Endpoints(int fd, sockaddr_storage* local, sockaddr_storage* remote) {
  socklen_t local_length = sizeof(*local), remote_length = sizeof(*remote);
  return getsockname(fd, reinterpret_cast<sockaddr*>(local), &local_length) == 0 &&
         getpeername(fd, reinterpret_cast<sockaddr*>(remote), &remote_length) == 0;
}

}  // namespace

SocketHandle::SocketHandle(int fd) : fd_(fcntl(fd, F_DUPFD_CLOEXEC, 0)) {}

SocketHandle::~SocketHandle() {
  if (fd_ >= 0) close(fd_);
}

bool SocketHandle::WaitReadable(std::chrono::milliseconds wait) const {
  pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
  return poll(&entry, 1, static_cast<int>(wait.count())) > 0;
}

void SocketHandle::SetSendBuffer(int num_bytes) const {
  setsockopt(fd_, SOL_SOCKET, SO_SNDBUF, &num_bytes, sizeof(num_bytes));
}

bool SocketHandle::PeerIsGone() const {
  pollfd entry{.fd = fd_, .events = POLLRDHUP, .revents = 0};
  return poll(&entry, 1, 0) > 0;
}

void SocketHandle::DrainUntil(std::chrono::steady_clock::time_point deadline) const {
  char unread[4096];
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !WaitReadable(left)) return;
    if (recv(fd_, unread, sizeof(unread), MSG_DONTWAIT) <= 0) return;
  }
}

SocketHandle FindPairSocket(const PairAddresses& pair) {
  const bool accepted = SameEndpoint(pair.local, pair.own_listener);
  SocketHandle found;
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return found;
  while (const dirent* entry = readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    sockaddr_storage local{}, remote{};
    if (Endpoints(fd, &local, &remote) && SameEndpoint(local, pair.local) &&
        (accepted || SameEndpoint(remote, pair.peer_listener))) {
      found = SocketHandle(fd);
      break;
    }
  }
  closedir(directory);
  return found;
}

}  // namespace switchyard::worker
