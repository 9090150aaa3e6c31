#include "emulator/nccl/exchange.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace emu {

Exchange::Exchange(Communicator* comm) : comm_(comm) {}

void Exchange::Send(int peer, const std::byte* data, size_t num_bytes, const MessageTag& tag) {
  FindLane(peer, true).messages.push_back({.source = data, .num_bytes = num_bytes, .tag = tag});
}

void Exchange::Receive(int peer, std::byte* data, size_t num_bytes, const MessageTag& tag) {
  FindLane(peer, false).messages.push_back({.target = data, .num_bytes = num_bytes, .tag = tag});
}

Exchange::Lane& Exchange::FindLane(int peer, bool sends) {
  for (Lane& lane : lanes_) {
    if (lane.peer == peer && lane.sends == sends) return lane;
  }
  const int self = comm_->rank();
  Channel& channel =
      sends ? comm_->segment().channel(self, peer) : comm_->segment().channel(peer, self);
  lanes_.push_back({.peer = peer, .sends = sends, .channel = &channel});
  return lanes_.back();
}

bool Exchange::Run() {
  const bool complete = comm_->Await([this] {
    bool all_done = true;
    for (Lane& lane : lanes_) {
      const bool done = lane.sends ? StepSend(&lane) : StepReceive(&lane);
      if (failed_) return true;
      all_done = all_done && done;
    }
    return all_done;
  });
  return complete && !failed_;
}

bool Exchange::StepSend(Lane* lane) {
  bool published = false;
  while (lane->current < lane->messages.size()) {
    Channel::Slot* slot = lane->channel->NextFree();
    if (slot == nullptr) break;
    Message& message = lane->messages[lane->current];
    slot->tag = message.tag;
    slot->bytes = std::min(Channel::kSlotBytes, message.num_bytes - message.moved);
    if (slot->bytes > 0) {
      std::memcpy(slot->data.data(), message.source + message.moved, slot->bytes);
    }
    lane->channel->Publish();
    published = true;
    message.moved += slot->bytes;
    if (message.moved == message.num_bytes) ++lane->current;
  }
  if (published) comm_->segment().rank(lane->peer).doorbell.Ring();
  return lane->current == lane->messages.size() && lane->channel->IsDrained();
}

bool Exchange::StepReceive(Lane* lane) {
  bool released = false;
  while (lane->current < lane->messages.size()) {
    const Channel::Slot* slot = lane->channel->NextFilled();
    if (slot == nullptr) break;
    Message& message = lane->messages[lane->current];
    if (slot->tag != message.tag || slot->bytes > message.num_bytes - message.moved) {
      ReportUnexpected(*lane, message.tag, slot->tag);
      return true;
    }
    if (slot->bytes > 0) {
      std::memcpy(message.target + message.moved, slot->data.data(), slot->bytes);
    }
    message.moved += slot->bytes;
    if (message.moved == message.num_bytes) ++lane->current;
    lane->channel->Release();
    released = true;
  }
  if (released) comm_->segment().rank(lane->peer).doorbell.Ring();
  return lane->current == lane->messages.size();
}

void Exchange::ReportUnexpected(const Lane& lane, const MessageTag& expected,
                                const MessageTag& found) {
  failed_ = true;
  MessageTag mine = expected;
  if (mine.sequence == 0) mine.kind = static_cast<uint32_t>(OperationKind::kReceive);
  comm_->Fail(ncclInvalidUsage, "calls do not match: rank " + std::to_string(lane.peer) +
                                    " calls " + Describe(found) + " to rank " +
                                    std::to_string(comm_->rank()) + ", which calls " +
                                    Describe(mine) + " from it");
}

}  // namespace emu
