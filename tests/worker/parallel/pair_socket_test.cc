// A rank that dials several peers from one ephemeral port must still watch the right connection.
#include "worker/parallel/pair_socket.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace switchyard::worker {
namespace {

class Socket {
 public:
  Socket() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  }
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Socket() { Close(); }

  void Bind(const sockaddr_storage& to) {
    ASSERT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(sockaddr_in)), 0);
  }
  void Listen() { ASSERT_EQ(listen(fd_, 1), 0); }
  void Connect(const sockaddr_storage& to) {
    ASSERT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(sockaddr_in)), 0);
  }
  Socket Accept() { return Socket(accept(fd_, nullptr, nullptr)); }
  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  sockaddr_storage local() const {
    sockaddr_storage name{};
    socklen_t length = sizeof(name);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &length), 0);
    return name;
  }
  void EndSending() { shutdown(fd_, SHUT_WR); }
  // Bytes up to the other side's end, -1 if it reset the connection.
  int64_t HearAll() {
    std::vector<char> bytes(1 << 16);
    int64_t total = 0;
    for (;;) {
      const ssize_t count = recv(fd_, bytes.data(), bytes.size(), 0);
      if (count <= 0) return count < 0 ? -1 : total;
      total += count;
    }
  }
  // Until the pipe is full; bytes.
  int64_t SayAllThatFits() {
    const std::vector<char> bytes(1 << 16);
    int64_t total = 0;
    for (;;) {
      const ssize_t count = send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count <= 0) return total;
      total += count;
    }
  }
  void Say(char c) { EXPECT_EQ(send(fd_, &c, 1, 0), 1); }

 private:
  int fd_;
};

sockaddr_storage Loopback() {
  sockaddr_storage any{};
  auto& in = reinterpret_cast<sockaddr_in&>(any);
  in.sin_family = AF_INET;
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return any;
}

// A listener, and a connection to it that `dialler` made.
struct Peer {
  explicit Peer(Socket& dialler) {
    listener.Bind(Loopback());
    listener.Listen();
    address = listener.local();
    dialler.Connect(address);
    accepted = std::make_unique<Socket>(listener.Accept());
  }
  Socket listener;
  sockaddr_storage address;
  std::unique_ptr<Socket> accepted;
};

char Hear(const SocketHandle& socket) {
  char c = 0;
  return recv(socket.fd(), &c, 1, MSG_DONTWAIT) == 1 ? c : '-';
}

class PairSocketTest : public ::testing::Test {
 protected:
  PairSocketTest() {
    first_.Bind(Loopback());
    second_.Bind(first_.local());
    one_ = std::make_unique<Peer>(first_);
    two_ = std::make_unique<Peer>(second_);
    own_listener_.Bind(Loopback());
  }
  Socket first_, second_;  // one local address
  Socket own_listener_;
  std::unique_ptr<Peer> one_, two_;
};

TEST_F(PairSocketTest, TheDiallingEndIsKnownByWhereItGoes) {
  one_->accepted->Say('1');
  two_->accepted->Say('2');
  for (const auto& [peer, word] : {std::pair(&one_, '1'), std::pair(&two_, '2')}) {
    const SocketHandle found = FindPairSocket({.local = first_.local(),
                                               .own_listener = own_listener_.local(),
                                               .peer_listener = (*peer)->address});
    ASSERT_TRUE(found.valid());
    EXPECT_EQ(Hear(found), word);
  }
}

TEST_F(PairSocketTest, TheAcceptingEndIsKnownByItsListenersAddress) {
  second_.Say('2');
  two_->listener.Close();
  const SocketHandle found = FindPairSocket({.local = two_->address,
                                             .own_listener = two_->address,
                                             .peer_listener = own_listener_.local()});
  ASSERT_TRUE(found.valid());
  EXPECT_EQ(Hear(found), '2');
}

TEST_F(PairSocketTest, ThePeersEndIsSeen) {
  const SocketHandle found = FindPairSocket({.local = first_.local(),
                                             .own_listener = own_listener_.local(),
                                             .peer_listener = two_->address});
  EXPECT_FALSE(found.PeerIsGone());
  one_->accepted->Close();
  EXPECT_FALSE(found.PeerIsGone());
  two_->accepted->Close();
  EXPECT_TRUE(found.WaitReadable(std::chrono::seconds(5)));
  EXPECT_TRUE(found.PeerIsGone());
}

TEST_F(PairSocketTest, WhoDrainsBeforeClosingIsHeardToTheEnd) {
  two_->accepted->Say('2');  // is never read
  const int64_t num_sent = second_.SayAllThatFits();
  std::jthread peer;
  {
    const SocketHandle found = FindPairSocket({.local = second_.local(),
                                               .own_listener = own_listener_.local(),
                                               .peer_listener = two_->address});
    found.Shutdown(SHUT_WR);
    peer = std::jthread([&] {
      EXPECT_EQ(two_->accepted->HearAll(), num_sent);
      two_->accepted->EndSending();
    });
    found.DrainUntil(std::chrono::steady_clock::now() + std::chrono::seconds(30));
  }
  second_.Close();
}

TEST_F(PairSocketTest, NoSocketIsInvalid) {
  EXPECT_FALSE(FindPairSocket({.local = own_listener_.local(),
                               .own_listener = own_listener_.local(),
                               .peer_listener = one_->address})
                   .valid());
}

}  // namespace
}  // namespace switchyard::worker
