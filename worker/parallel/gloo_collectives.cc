// How a collective travels: in every call each rank exchanges messages with every peer, at least
// one each way and as many each way as the larger direction needs. So no rank can be more than one
// message ahead of a peer, and each message's header can be checked against what this rank is
// doing.
#include "worker/parallel/gloo_collectives.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "worker/parallel/connect_watch.h"
#include "worker/parallel/gloo_mesh.h"

namespace switchyard::worker {
namespace {

struct MessageHeader {
  uint64_t call;           // calls of this communicator before this one
  char operation[16];      // its name, cut to fit, ends with a zero
  int64_t offered_bytes;   // that the sender has for the receiver in this call
  int64_t expected_bytes;  // that the sender expects from the receiver
  int32_t failure;         // 0, or the absl::StatusCode with which the sender gives up
  int32_t culprit;         // then: the rank that made it do so
};
constexpr int64_t kPayloadBytes = 64 * kKiB;
static_assert(sizeof(MessageHeader) + kPayloadBytes <= GlooMesh::kMaxMessageBytes);

// The code that another rank gave up with, as far as it is one that ranks give up with.
absl::StatusCode FailureCode(int32_t code) {
  const auto failure = static_cast<absl::StatusCode>(code);
  const bool known = failure == absl::StatusCode::kDeadlineExceeded ||
                     failure == absl::StatusCode::kInternal ||
                     failure == absl::StatusCode::kCancelled;
  return known ? failure : absl::StatusCode::kUnavailable;
}

class GlooCollectives final : public Collectives {
 public:
  GlooCollectives(std::unique_ptr<GlooMesh> mesh, const CommunicatorOptions& options)
      : Collectives(options.rank, options.size), name_(options.name), mesh_(std::move(mesh)) {}

  void Abort() override { mesh_->Close(); }

 private:
  absl::Status DoExchange(std::string_view operation,
                          std::span<const Transfer> transfers) override {
    const absl::Status status = ExchangeAll(operation, transfers);
    if (!status.ok()) {
      GiveUp(status.code());
      return Annotate(status, fmt::format("{} on {}, call {}", operation, name_, call_));
    }
    ++call_;
    return status;
  }

  static int64_t NumMessages(const Transfer& transfer) {
    return std::max<int64_t>(
        1, CeilDiv(std::max(transfer.send_bytes, transfer.recv_bytes), kPayloadBytes));
  }

  absl::Status ExchangeAll(std::string_view operation, std::span<const Transfer> transfers) {
    int64_t num_rounds = 0;
    for (const Transfer& transfer : transfers) {
      num_rounds = std::max(num_rounds, NumMessages(transfer));
    }
    for (int64_t round = 0; round < num_rounds; ++round) {
      // Ranks begin with different peers, so that no rank is everybody's first.
      for (int step = 1; step < size(); ++step) {
        const int peer = (rank() + step) % size();
        if (round >= NumMessages(transfers[peer])) continue;
        SY_RETURN_IF_ERROR(Send(operation, peer, transfers[peer], round));
      }
      for (int step = 1; step < size(); ++step) {
        const int peer = (rank() + size() - step) % size();
        if (round >= NumMessages(transfers[peer])) continue;
        SY_RETURN_IF_ERROR(Receive(operation, peer, transfers[peer], round));
      }
    }
    return absl::OkStatus();
  }

  // Bytes of message `round` when `total` go one way.
  static int64_t PayloadBytes(int64_t total, int64_t round) {
    return std::clamp<int64_t>(total - round * kPayloadBytes, 0, kPayloadBytes);
  }

  absl::Status Send(std::string_view operation, int peer, const Transfer& transfer, int64_t round) {
    MessageHeader header{.call = call_,
                         .operation = {},
                         .offered_bytes = transfer.send_bytes,
                         .expected_bytes = transfer.recv_bytes,
                         .failure = 0,
                         .culprit = 0};
    operation.copy(header.operation, sizeof(header.operation) - 1);
    const int64_t num_bytes = PayloadBytes(transfer.send_bytes, round);
    std::memcpy(mesh_->outgoing(), &header, sizeof(header));
    if (num_bytes > 0) {
      std::memcpy(mesh_->outgoing() + sizeof(header),
                  static_cast<const std::byte*>(transfer.send) + round * kPayloadBytes, num_bytes);
    }
    const absl::Status status = mesh_->Send(peer, sizeof(header) + num_bytes);
    if (!status.ok()) culprit_ = mesh_->culprit();
    return status;
  }

  absl::Status Receive(std::string_view operation, int peer, const Transfer& transfer,
                       int64_t round) {
    const absl::Status status = mesh_->Receive(peer);
    if (!status.ok()) {
      culprit_ = mesh_->culprit();
      return culprit_ == peer || culprit_ == rank() ? status : LastWordsOf(culprit_, status);
    }
    SY_RETURN_IF_ERROR(CheckHeader(HeaderFrom(peer), operation, peer, transfer));
    const int64_t num_bytes = PayloadBytes(transfer.recv_bytes, round);
    if (num_bytes > 0) {
      std::memcpy(static_cast<std::byte*>(transfer.recv) + round * kPayloadBytes,
                  mesh_->incoming(peer) + sizeof(MessageHeader), num_bytes);
    }
    return absl::OkStatus();
  }

  MessageHeader HeaderFrom(int peer) const {
    MessageHeader header;
    std::memcpy(&header, mesh_->incoming(peer), sizeof(header));
    return header;
  }

  // A peer that was found gone may have left word why; `otherwise` if it did not.
  absl::Status LastWordsOf(int peer, absl::Status otherwise) {
    while (mesh_->Receive(peer).ok()) {
      const MessageHeader header = HeaderFrom(peer);
      if (header.failure != 0) return GaveUp(header, peer);
    }
    return otherwise;
  }

  absl::Status GaveUp(const MessageHeader& header, int peer) {
    culprit_ = header.culprit;
    return absl::Status(FailureCode(header.failure),
                        fmt::format("rank {} gave up because of rank {}", peer, header.culprit));
  }

  absl::Status CheckHeader(const MessageHeader& header, std::string_view operation, int peer,
                           const Transfer& transfer) {
    if (header.failure != 0) return GaveUp(header, peer);
    const std::string_view theirs(header.operation,
                                  strnlen(header.operation, sizeof(header.operation)));
    if (header.call == call_ && theirs == operation &&
        header.offered_bytes == transfer.recv_bytes &&
        header.expected_bytes == transfer.send_bytes) {
      return absl::OkStatus();
    }
    culprit_ = peer;
    return absl::InternalError(
        fmt::format("ranks disagree: rank {} sends {} and expects {} bytes in {} (call {}), rank "
                    "{} expects {} and sends {} bytes in {} (call {})",
                    peer, header.offered_bytes, header.expected_bytes, theirs, header.call, rank(),
                    transfer.recv_bytes, transfer.send_bytes, operation, call_));
  }

  // Tells the other ranks who is to blame, as far as they still listen.
  void GiveUp(absl::StatusCode code) {
    const MessageHeader header{.call = call_,
                               .operation = {},
                               .offered_bytes = 0,
                               .expected_bytes = 0,
                               .failure = static_cast<int32_t>(code),
                               .culprit = culprit_};
    std::memcpy(mesh_->outgoing(), &header, sizeof(header));
    for (int peer = 0; peer < size(); ++peer) {
      if (peer != rank() && peer != culprit_) mesh_->Send(peer, sizeof(header)).IgnoreError();
    }
    mesh_->EndSending();
  }

  const std::string name_;
  const std::unique_ptr<GlooMesh> mesh_;
  uint64_t call_ = 0;
  int32_t culprit_ = -1;  // of the first failure
};

}  // namespace

absl::StatusOr<std::unique_ptr<Collectives>> ConnectGloo(std::shared_ptr<GlooDevice> device,
                                                         RendezvousStore& store,
                                                         const CommunicatorOptions& options) {
  SY_CHECK(options.timeout.count() > 0) << "a collective needs a bound on its wait";
  SY_ASSIGN_OR_RETURN(std::unique_ptr<GlooMesh> mesh,
                      GlooMesh::Connect(std::move(device), store, options));
  auto collectives = std::make_unique<GlooCollectives>(std::move(mesh), options);
  {  // a peer may still wait for another one
    const ConnectWatch watch(ConnectWatch::Deadline::max(), options.given_up,
                             [all = collectives.get()] { all->Abort(); });
    SY_RETURN_IF_ERROR(collectives->Barrier());
  }
  return collectives;
}

}  // namespace switchyard::worker
