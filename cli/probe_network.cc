#include "cli/probe_network.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/units.h"

namespace switchyard::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr int64_t kChunkBytes = kMiB;
constexpr std::array<char, 8> kMagic = {'s', 'y', 'p', 'r', 'o', 'b', 'e', '1'};

// What the connecting side says first on each stream.
struct Hello {
  std::array<char, 8> magic = kMagic;
  uint32_t streams = 0;
  uint32_t stream = 0;
  uint64_t bytes = 0;  // each way
};
static_assert(sizeof(Hello) == 24);

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

  // No single send or receive waits for longer.
  void SetTimeout(seconds timeout) const {
    const timeval value{.tv_sec = timeout.count(), .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof(value));
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }

  absl::Status Send(const void* data, int64_t num_bytes) const {
    const char* from = static_cast<const char*>(data);
    while (num_bytes > 0) {
      const ssize_t count = send(fd_, from, static_cast<size_t>(num_bytes), MSG_NOSIGNAL);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Fault("sending");
      from += count;
      num_bytes -= count;
    }
    return absl::OkStatus();
  }

  absl::Status Receive(void* data, int64_t num_bytes) const {
    char* to = static_cast<char*>(data);
    while (num_bytes > 0) {
      const ssize_t count = recv(fd_, to, static_cast<size_t>(num_bytes), 0);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Fault("receiving");
      if (count == 0) return absl::UnavailableError("the other host ended the probe");
      to += count;
      num_bytes -= count;
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status Fault(std::string_view what) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return absl::DeadlineExceededError(fmt::format("the other host stands still: {}", what));
    }
    return absl::UnavailableError(fmt::format("{}: {}", what, std::strerror(errno)));
  }

  int fd_;
};

struct Address {
  std::string host;
  std::string port;
};

// "host:port", "[::1]:port".
absl::StatusOr<Address> ParseAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  int number = -1;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  std::string host = text.substr(0, colon == std::string::npos ? 0 : colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || error != std::errc() || end != port.data() + port.size() || number < 0 ||
      number > 65535) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is not HOST:PORT", text));
  }
  return Address{.host = std::move(host), .port = port};
}

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<AddressList> Resolve(const Address& address, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &list);
  if (code == 0) return AddressList(list, freeaddrinfo);
  return absl::UnavailableError(fmt::format("{}: {}", address.host, gai_strerror(code)));
}

absl::StatusOr<Socket> Connect(const addrinfo* list, seconds timeout) {
  absl::Status last = absl::UnavailableError("no address");
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    Socket to(socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    if (to.fd() < 0) continue;
    to.SetTimeout(timeout);
    if (connect(to.fd(), at->ai_addr, at->ai_addrlen) == 0) return to;
    last = absl::UnavailableError(std::strerror(errno));
  }
  return last;
}

// Sends and receives `bytes`, both at once; the last byte back says that all has come.
absl::Status Fill(const Socket& stream, int64_t bytes) {
  const std::vector<char> zeros(static_cast<size_t>(kChunkBytes));
  absl::Status sent;
  std::thread sender([&] {
    for (int64_t left = bytes; left > 0 && sent.ok(); left -= kChunkBytes) {
      sent = stream.Send(zeros.data(), std::min(left, kChunkBytes));
    }
  });
  std::vector<char> chunk(static_cast<size_t>(kChunkBytes));
  absl::Status received;
  for (int64_t left = bytes; left > 0 && received.ok(); left -= kChunkBytes) {
    received = stream.Receive(chunk.data(), std::min(left, kChunkBytes));
  }
  if (!received.ok()) shutdown(stream.fd(), SHUT_RDWR);  // so that the sender ends
  sender.join();
  SY_RETURN_IF_ERROR(received);
  SY_RETURN_IF_ERROR(sent);
  char done = 0;
  SY_RETURN_IF_ERROR(stream.Send(&done, 1));
  return stream.Receive(&done, 1);
}

// Bytes per second one way, while all streams carry `bytes` both ways.
absl::StatusOr<double> FillAll(const std::vector<Socket>& streams, int64_t bytes) {
  std::vector<absl::Status> statuses(streams.size());
  std::vector<std::thread> threads;
  const Clock::time_point begin = Clock::now();
  for (size_t i = 0; i < streams.size(); ++i) {
    threads.emplace_back([&, i] { statuses[i] = Fill(streams[i], bytes); });
  }
  for (std::thread& thread : threads) thread.join();
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  for (const absl::Status& status : statuses) SY_RETURN_IF_ERROR(status);
  return double(bytes) * double(streams.size()) / std::max(elapsed, 1e-9);
}

absl::Status CheckHello(const Hello& hello, const Hello& first) {
  if (hello.magic != kMagic) return absl::InvalidArgumentError("what connected is no probe");
  if (hello.streams < 1 || hello.streams > kMaxProbeStreams ||
      hello.bytes > uint64_t(kMaxProbeStreamBytes) || hello.streams != first.streams ||
      hello.bytes != first.bytes) {
    return absl::InvalidArgumentError(
        fmt::format("the other host asks for {} streams of {} bytes; at most {} of {}, all alike",
                    hello.streams, hello.bytes, kMaxProbeStreams, kMaxProbeStreamBytes));
  }
  return absl::OkStatus();
}

absl::StatusOr<Socket> Accept(int listener, seconds patience) {
  pollfd waiting{.fd = listener, .events = POLLIN, .revents = 0};
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
  const int ready = poll(&waiting, 1, static_cast<int>(milliseconds.count()));
  if (ready == 0) return absl::DeadlineExceededError("no other host came");
  Socket stream(ready < 0 ? -1 : accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (stream.fd() < 0) return absl::UnavailableError(std::strerror(errno));
  return stream;
}

int PortOf(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof(bound);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                                           : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

}  // namespace

absl::StatusOr<NetworkProbeListener> NetworkProbeListener::Open(const std::string& address) {
  SY_ASSIGN_OR_RETURN(const Address parsed, ParseAddress(address));
  SY_ASSIGN_OR_RETURN(const AddressList list, Resolve(parsed, AI_PASSIVE));
  std::string fault = "no address";
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    Socket bound(socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol));
    const int on = 1;
    setsockopt(bound.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bound.fd() >= 0 && bind(bound.fd(), at->ai_addr, at->ai_addrlen) == 0 &&
        listen(bound.fd(), kMaxProbeStreams) == 0) {
      const int fd = dup(bound.fd());
      if (fd >= 0) return NetworkProbeListener(fd, PortOf(fd));
    }
    fault = std::strerror(errno);
  }
  return absl::UnavailableError(fmt::format("{}: cannot be listened on: {}", address, fault));
}

NetworkProbeListener::NetworkProbeListener(NetworkProbeListener&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), port_(other.port_) {}

NetworkProbeListener::~NetworkProbeListener() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<double> NetworkProbeListener::Answer(seconds patience, seconds timeout) const {
  std::vector<Socket> streams;
  Hello first;
  do {
    SY_ASSIGN_OR_RETURN(Socket stream, Accept(fd_, streams.empty() ? patience : timeout));
    stream.SetTimeout(timeout);
    Hello hello;
    SY_RETURN_IF_ERROR(stream.Receive(&hello, sizeof(hello)));
    if (streams.empty()) first = hello;
    SY_RETURN_IF_ERROR(CheckHello(hello, first));
    streams.push_back(std::move(stream));
  } while (streams.size() < first.streams);
  for (const Socket& stream : streams) {
    const char go = 1;
    SY_RETURN_IF_ERROR(stream.Send(&go, 1));
  }
  return FillAll(streams, static_cast<int64_t>(first.bytes));
}

absl::StatusOr<double> ProbeNetwork(const std::string& address,
                                    const NetworkProbeOptions& options) {
  SY_ASSIGN_OR_RETURN(const Address parsed, ParseAddress(address));
  SY_ASSIGN_OR_RETURN(const AddressList list, Resolve(parsed, 0));
  Hello hello{.streams = static_cast<uint32_t>(options.streams),
              .bytes = static_cast<uint64_t>(options.bytes_per_stream)};
  SY_RETURN_IF_ERROR(CheckHello(hello, hello));
  std::vector<Socket> streams;
  for (; hello.stream < hello.streams; ++hello.stream) {
    absl::StatusOr<Socket> stream = Connect(list.get(), options.timeout);
    if (!stream.ok()) return Annotate(stream.status(), address);
    SY_RETURN_IF_ERROR(Annotate(stream->Send(&hello, sizeof(hello)), address));
    streams.push_back(*std::move(stream));
  }
  for (const Socket& stream : streams) {
    char go = 0;
    SY_RETURN_IF_ERROR(Annotate(stream.Receive(&go, 1), address));
  }
  absl::StatusOr<double> rate = FillAll(streams, options.bytes_per_stream);
  if (!rate.ok()) return Annotate(rate.status(), address);
  return rate;
}

}  // namespace switchyard::cli
