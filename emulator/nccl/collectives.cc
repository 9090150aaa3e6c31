#include "emulator/nccl/collectives.h"

#include <algorithm>
#include <cstring>

#include "emulator/nccl/agreement.h"
#include "emulator/nccl/communicator.h"
#include "emulator/nccl/element_type.h"
#include "emulator/nccl/exchange.h"
#include "emulator/nccl/reducer.h"

namespace emu {
namespace {

// One collective on one rank. In-place forms need no care beyond Copy: a block is overwritten only
// by the rank itself, after it was sent.
class Collective {
 public:
  Collective(Communicator* comm, const Operation& operation, uint64_t round)
      : comm_(comm),
        operation_(operation),
        tag_{.kind = static_cast<uint32_t>(operation.kind),
             .type = static_cast<uint32_t>(operation.type),
             .count = operation.count,
             .sequence = round},
        send_(static_cast<const std::byte*>(operation.send)),
        receive_(static_cast<std::byte*>(operation.receive)),
        block_bytes_(operation.count * ElementBytes(operation.type)) {}

  void Run() {
    switch (operation_.kind) {
      case OperationKind::kBroadcast:
        return Broadcast();
      case OperationKind::kAllGather:
        return AllGather();
      case OperationKind::kAllToAll:
        return AllToAll();
      case OperationKind::kGather:
        return Gather();
      case OperationKind::kScatter:
        return Scatter();
      default:
        return Reducer(comm_, operation_, tag_).Run();
    }
  }

 private:
  bool IsRoot() const { return comm_->rank() == operation_.peer; }
  size_t Offset(int block) const { return static_cast<size_t>(block) * block_bytes_; }

  void Copy(std::byte* to, const std::byte* from) const {
    if (to != from && block_bytes_ > 0) std::memmove(to, from, block_bytes_);
  }
  void Send(Exchange* exchange, int peer, const std::byte* data) const {
    exchange->Send(peer, data, block_bytes_, tag_);
  }
  void Receive(Exchange* exchange, int peer, std::byte* data) const {
    exchange->Receive(peer, data, block_bytes_, tag_);
  }
  template <typename F>
  void ForOthers(F f) const {
    for (int step = 1; step < comm_->num_ranks(); ++step) {
      f((comm_->rank() + step) % comm_->num_ranks());
    }
  }

  void Broadcast() {
    Exchange exchange(comm_);
    if (IsRoot()) {
      ForOthers([&](int peer) { Send(&exchange, peer, send_); });
      Copy(receive_, send_);
    } else {
      Receive(&exchange, operation_.peer, receive_);
    }
    exchange.Run();
  }

  void AllGather() {
    Exchange exchange(comm_);
    Copy(receive_ + Offset(comm_->rank()), send_);
    ForOthers([&](int peer) {
      Send(&exchange, peer, send_);
      Receive(&exchange, peer, receive_ + Offset(peer));
    });
    exchange.Run();
  }

  void AllToAll() {
    Exchange exchange(comm_);
    Copy(receive_ + Offset(comm_->rank()), send_ + Offset(comm_->rank()));
    ForOthers([&](int peer) {
      Send(&exchange, peer, send_ + Offset(peer));
      Receive(&exchange, peer, receive_ + Offset(peer));
    });
    exchange.Run();
  }

  void Gather() {
    Exchange exchange(comm_);
    if (IsRoot()) {
      Copy(receive_ + Offset(comm_->rank()), send_);
      ForOthers([&](int peer) { Receive(&exchange, peer, receive_ + Offset(peer)); });
    } else {
      Send(&exchange, operation_.peer, send_);
    }
    exchange.Run();
  }

  void Scatter() {
    Exchange exchange(comm_);
    if (IsRoot()) {
      Copy(receive_, send_ + Offset(comm_->rank()));
      ForOthers([&](int peer) { Send(&exchange, peer, send_ + Offset(peer)); });
    } else {
      Receive(&exchange, operation_.peer, receive_);
    }
    exchange.Run();
  }

  Communicator* const comm_;
  const Operation& operation_;
  const MessageTag tag_;
  const std::byte* const send_;
  std::byte* const receive_;
  const size_t block_bytes_;
};

}  // namespace

void RunCollective(Communicator* comm, const Operation& operation) {
  const uint64_t round = comm->NextCollectiveRound();
  if (!Agree(comm, round, SignatureOf(operation)) || operation.count == 0) return;
  Collective(comm, operation, round).Run();
}

void RunPointToPoint(Communicator* comm, const std::vector<Operation>& operations) {
  Exchange exchange(comm);
  for (const Operation& operation : operations) {
    const size_t bytes = operation.count * ElementBytes(operation.type);
    const MessageTag tag = {.kind = static_cast<uint32_t>(OperationKind::kSend),
                            .type = static_cast<uint32_t>(operation.type),
                            .count = operation.count};
    if (operation.kind == OperationKind::kSend) {
      exchange.Send(operation.peer, static_cast<const std::byte*>(operation.send), bytes, tag);
    } else {
      exchange.Receive(operation.peer, static_cast<std::byte*>(operation.receive), bytes, tag);
    }
  }
  exchange.Run();
}

}  // namespace emu
