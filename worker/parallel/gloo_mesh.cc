#include "worker/parallel/gloo_mesh.h"

#include <gloo/common/error.h>
#include <gloo/transport/buffer.h>
#include <gloo/transport/context.h>
#include <gloo/transport/device.h>
#include <gloo/transport/pair.h>
#include <gloo/transport/tcp/address.h>
#include <gloo/transport/tcp/device.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "worker/parallel/connect_watch.h"
#include "worker/parallel/pair_socket.h"

namespace switchyard::worker {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSendBufferBytes = 1 << 20;  // the system may grant less

class TcpDevice final : public GlooDevice {
 public:
  explicit TcpDevice(std::shared_ptr<gloo::transport::Device> device) : device(std::move(device)) {}
  const std::shared_ptr<gloo::transport::Device> device;
};

// One peer's pair of Gloo buffers. Slot 0 of both sides; a message is one remote write.
struct Connection {
  gloo::transport::Pair* pair = nullptr;
  std::vector<std::byte> staging;
  std::unique_ptr<gloo::transport::Buffer> receive;
  std::unique_ptr<gloo::transport::Buffer> send;
  SocketHandle socket;
};

class TcpMesh final : public GlooMesh {
 public:
  TcpMesh(std::shared_ptr<TcpDevice> device, const CommunicatorOptions& options)
      : options_(options),
        device_(std::move(device)),
        context_(device_->device->createContext(options.rank, options.size)),
        outgoing_(kMaxMessageBytes),
        connections_(options.size) {
    context_->setTimeout(options.timeout);
  }
  ~TcpMesh() override {
    Close();
    // Pairs that did not get as far as synchronous mode may still be served by the device's thread:
    // not after this.
    for (const Connection& connection : connections_) {
      if (connection.pair != nullptr && !connection.socket.valid()) connection.pair->close();
    }
  }

  // May throw what Gloo throws; Connect catches.
  absl::Status ConnectAll(RendezvousStore& store);

  std::byte* outgoing() override { return outgoing_.data(); }
  const std::byte* incoming(int peer) const override { return connections_[peer].staging.data(); }

  absl::Status Send(int peer, int64_t num_bytes) override {
    SY_CHECK_LE(num_bytes, kMaxMessageBytes);
    if (connections_[peer].socket.PeerIsGone()) return absl::OkStatus();
    return Talk(peer, [&](Connection& connection) {
      connection.send->send(0, num_bytes);
      connection.send->waitSend();
    });
  }

  absl::Status Receive(int peer) override {
    SY_RETURN_IF_ERROR(AwaitMessage(peer));
    return ReceiveNow(peer);
  }

  int culprit() const override { return culprit_; }

  void EndSending() override {
    ShutdownAll(SHUT_WR);
    const Clock::time_point deadline = Clock::now() + kLastWordsPatience;
    for (const Connection& connection : connections_) {
      if (connection.socket.valid()) connection.socket.DrainUntil(deadline);
    }
  }
  void Close() override {
    closed_ = true;
    ShutdownAll(SHUT_RDWR);
  }

 private:
  void ShutdownAll(int how) {
    for (const Connection& connection : connections_) {
      if (connection.socket.valid()) connection.socket.Shutdown(how);
    }
  }
  template <typename Action>
  absl::Status Talk(int peer, Action&& action);
  absl::Status ReceiveNow(int peer) {
    return Talk(peer, [](Connection& connection) { connection.receive->waitRecv(); });
  }
  absl::Status AwaitMessage(int peer);
  absl::Status GreetAll();
  absl::Status Blame(int rank, absl::Status status);

  std::string Key(int rank) const { return fmt::format("{}/{}", options_.name, rank); }
  std::string CreatePairs();
  absl::StatusOr<std::vector<std::string>> GatherAddresses(RendezvousStore& store,
                                                           Clock::time_point deadline) const;
  std::string MissingRanks(RendezvousStore& store) const;
  absl::Status ConnectPair(int peer, const std::string& addresses);
  void EndConnecting();
  absl::Status GaveUpOn(int peer) const;

  const CommunicatorOptions options_;
  // In the order of their dependence: buffers go before pairs (of the context), pairs before the
  // device.
  const std::shared_ptr<TcpDevice> device_;
  const std::shared_ptr<gloo::transport::Context> context_;
  size_t address_bytes_ = 0;
  std::atomic<bool> closed_{false};
  std::mutex connecting_;  // of sockets, while they come
  int culprit_ = -1;
  std::vector<std::byte> outgoing_;
  std::vector<Connection> connections_;  // [size]; empty at this rank
};

absl::Status TcpMesh::Blame(int rank, absl::Status status) {
  culprit_ = rank;
  return status;
}

template <typename Action>
absl::Status TcpMesh::Talk(int peer, Action&& action) {
  const Clock::time_point start = Clock::now();
  try {
    action(connections_[peer]);
    return absl::OkStatus();
  } catch (const std::exception& error) {
    if (closed_) return Blame(options_.rank, absl::CancelledError("the communicator is closed"));
    if (Clock::now() - start >= options_.timeout) {
      return Blame(peer, absl::DeadlineExceededError(fmt::format(
                             "no word from rank {} within {} ms", peer, options_.timeout.count())));
    }
    return Blame(peer,
                 absl::UnavailableError(fmt::format("rank {} is lost: {}", peer, error.what())));
  }
}

// Returns when there is something to read from the peer. It may itself wait in vain for a rank that
// is gone, so look at the others from time to time.
absl::Status TcpMesh::AwaitMessage(int peer) {
  const Clock::time_point deadline = Clock::now() + options_.timeout;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (connections_[peer].socket.WaitReadable(
            std::clamp(left, std::chrono::milliseconds(0), kPatience))) {
      return absl::OkStatus();
    }
    for (int other = 0; other < options_.size; ++other) {
      if (other != options_.rank && connections_[other].socket.PeerIsGone()) {
        return Blame(other, absl::UnavailableError(fmt::format("rank {} is lost", other)));
      }
    }
    if (Clock::now() >= deadline) {
      return Blame(peer, absl::DeadlineExceededError(fmt::format(
                             "no word from rank {} within {} ms", peer, options_.timeout.count())));
    }
  }
}

// Starts listening for every peer; returns the addresses, [size] of address_bytes_ each.
std::string TcpMesh::CreatePairs() {
  std::string addresses;
  for (int peer = 0; peer < options_.size; ++peer) {
    if (peer == options_.rank) continue;
    Connection& connection = connections_[peer];
    connection.pair = context_->createPair(peer).get();
    connection.staging.resize(kMaxMessageBytes);
    connection.receive =
        connection.pair->createRecvBuffer(0, connection.staging.data(), kMaxMessageBytes);
    connection.send = connection.pair->createSendBuffer(0, outgoing_.data(), kMaxMessageBytes);
    const std::vector<char> address = connection.pair->address().bytes();
    address_bytes_ = address.size();
    addresses.resize(peer * address_bytes_);  // zeros in this rank's own place
    addresses.append(address.begin(), address.end());
  }
  addresses.resize(options_.size * address_bytes_);
  return addresses;
}

std::string TcpMesh::MissingRanks(RendezvousStore& store) const {
  std::vector<int> missing;
  for (int rank = 0; rank < options_.size; ++rank) {
    const Clock::time_point soon = Clock::now() + std::chrono::milliseconds(200);
    if (!store.Wait(Key(rank), soon).ok()) missing.push_back(rank);
  }
  return fmt::format("{}", fmt::join(missing, ", "));
}

absl::StatusOr<std::vector<std::string>> TcpMesh::GatherAddresses(
    RendezvousStore& store, Clock::time_point deadline) const {
  std::vector<std::string> addresses(options_.size);
  for (int rank = 0; rank < options_.size; ++rank) {
    if (rank == options_.rank) continue;
    absl::StatusOr<std::string> value =
        WaitUnlessGivenUp(store, Key(rank), deadline, options_.given_up);
    if (absl::IsDeadlineExceeded(value.status())) {
      return absl::DeadlineExceededError(fmt::format("no word within {} ms from rank {}",
                                                     options_.connect_timeout.count(),
                                                     MissingRanks(store)));
    }
    SY_RETURN_IF_ERROR(value.status());
    if (value->size() != options_.size * address_bytes_) {
      return absl::InternalError(
          fmt::format("rank {} published {} bytes of addresses, {} are expected: is it of another "
                      "build or size?",
                      rank, value->size(), options_.size * address_bytes_));
    }
    addresses[rank] = *std::move(value);
  }
  return addresses;
}

absl::Status TcpMesh::ConnectPair(int peer, const std::string& addresses) {
  Connection& connection = connections_[peer];
  const char* const begin = addresses.data() + options_.rank * address_bytes_;
  using gloo::transport::tcp::Address;
  const Address own(connection.pair->address().bytes());  // Gloo forgets it on connecting
  const Address theirs(std::vector<char>(begin, begin + address_bytes_));
  try {
    connection.pair->connect(theirs.bytes());
    connection.pair->setSync(true, /*busyPoll=*/false);
  } catch (const std::exception& error) {
    if (closed_) return GaveUpOn(peer);
    return absl::UnavailableError(
        fmt::format("rank {} cannot be connected: {}", peer, error.what()));
  }
  const auto& local = dynamic_cast<const Address&>(connection.pair->address());
  SocketHandle socket = FindPairSocket({.local = local.getSockaddr(),
                                        .own_listener = own.getSockaddr(),
                                        .peer_listener = theirs.getSockaddr()});
  const std::lock_guard lock(connecting_);
  if (closed_) return GaveUpOn(peer);
  connection.socket = std::move(socket);
  if (!connection.socket.valid()) {
    return absl::InternalError(
        fmt::format("no socket found between {} and {}", own.str(), theirs.str()));
  }
  return absl::OkStatus();
}

// Ends the wait for peers that published their address and went away, or do not greet. A pair that
// is read from cannot be closed, its socket can.
void TcpMesh::EndConnecting() {
  closed_ = true;
  const std::lock_guard lock(connecting_);
  for (const Connection& connection : connections_) {
    if (connection.socket.valid()) {
      connection.socket.Shutdown(SHUT_RDWR);
    } else if (connection.pair != nullptr) {
      connection.pair->close();
    }
  }
}

absl::Status TcpMesh::GaveUpOn(int peer) const {
  if (options_.given_up && options_.given_up()) {
    return absl::CancelledError("connecting was given up");
  }
  return absl::DeadlineExceededError(
      fmt::format("rank {} did not connect within {} ms", peer, options_.connect_timeout.count()));
}

// A first message of full size each way. Gloo fits a socket's send buffer to the largest message so
// far, and never again once that was the largest possible: then it can be set to what is needed.
// And Gloo's thread may read the first message before the pair is in synchronous mode, which is why
// the socket may have nothing to await.
absl::Status TcpMesh::GreetAll() {
  for (int peer = 0; peer < options_.size; ++peer) {
    if (peer == options_.rank) continue;
    SY_RETURN_IF_ERROR(Send(peer, kMaxMessageBytes));
    connections_[peer].socket.SetSendBuffer(kSendBufferBytes);
  }
  for (int peer = 0; peer < options_.size; ++peer) {
    if (peer == options_.rank) continue;
    const absl::Status status = ReceiveNow(peer);
    if (!status.ok()) return closed_ ? GaveUpOn(peer) : status;
  }
  return absl::OkStatus();
}

absl::Status TcpMesh::ConnectAll(RendezvousStore& store) {
  const Clock::time_point deadline = Clock::now() + options_.connect_timeout;
  SY_RETURN_IF_ERROR(store.Put(Key(options_.rank), CreatePairs()));
  SY_ASSIGN_OR_RETURN(const std::vector<std::string> addresses, GatherAddresses(store, deadline));

  const ConnectWatch watch(deadline, options_.given_up, [this] { EndConnecting(); });
  for (int peer = 0; peer < options_.size; ++peer) {
    if (peer != options_.rank) SY_RETURN_IF_ERROR(ConnectPair(peer, addresses[peer]));
  }
  return GreetAll();
}

}  // namespace

absl::StatusOr<std::unique_ptr<GlooMesh>> GlooMesh::Connect(std::shared_ptr<GlooDevice> device,
                                                            RendezvousStore& store,
                                                            const CommunicatorOptions& options) {
  try {
    auto tcp = std::dynamic_pointer_cast<TcpDevice>(std::move(device));
    SY_CHECK(tcp != nullptr) << "a device that OpenGlooDevice made";
    auto mesh = std::make_unique<TcpMesh>(std::move(tcp), options);
    SY_RETURN_IF_ERROR(
        Annotate(mesh->ConnectAll(store), fmt::format("communicator {}", options.name)));
    return mesh;
  } catch (const std::exception& error) {
    return absl::UnavailableError(fmt::format("communicator {}: {}", options.name, error.what()));
  }
}

absl::StatusOr<std::shared_ptr<GlooDevice>> OpenGlooDevice(const GlooDeviceOptions& options) {
  // Gloo writes to sockets without MSG_NOSIGNAL: a lost peer must be an error here, not the end of
  // the process.
  std::signal(SIGPIPE, SIG_IGN);
  gloo::transport::tcp::attr attributes;
  attributes.iface = options.interface;
  attributes.hostname = options.host;
  if (options.interface.empty() && options.host.empty()) attributes.hostname = "127.0.0.1";
  try {
    return std::make_shared<TcpDevice>(gloo::transport::tcp::CreateDevice(attributes));
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(
        fmt::format("cannot listen on interface \"{}\", host \"{}\": {}", options.interface,
                    attributes.hostname, error.what()));
  }
}

}  // namespace switchyard::worker
