// Messages that travel at once between one rank and others, in both directions: the only way in
// which data moves. All make progress together, so no order of sends and receives can deadlock by
// itself; between two ranks, messages of one direction keep their order.
//
// A send is complete when its receiver has taken all of it. Real devices may complete small sends
// early; a program must not rely on that, and here it cannot.
//
// Owner: the operation that runs. Thread: its thread.
#ifndef SWITCHYARD_EMULATOR_NCCL_EXCHANGE_H_
#define SWITCHYARD_EMULATOR_NCCL_EXCHANGE_H_

#include <cstddef>
#include <vector>

#include "emulator/nccl/channel.h"
#include "emulator/nccl/communicator.h"

namespace emu {

class Exchange {
 public:
  // `comm` outlives the exchange.
  explicit Exchange(Communicator* comm);

  // The memory stays as it is until Run returns. Zero bytes are a message too.
  void Send(int peer, const std::byte* data, size_t num_bytes, const MessageTag& tag);
  void Receive(int peer, std::byte* data, size_t num_bytes, const MessageTag& tag);

  // Moves everything. False when the communicator ended first, or when a message is not the one
  // that was expected; then the communicator has failed on all ranks.
  bool Run();

 private:
  struct Message {
    const std::byte* source = nullptr;  // of a send
    std::byte* target = nullptr;        // of a receive
    size_t num_bytes = 0;
    MessageTag tag;
    size_t moved = 0;
  };
  // One direction with one peer.
  struct Lane {
    int peer = 0;
    bool sends = false;
    Channel* channel = nullptr;
    std::vector<Message> messages;
    size_t current = 0;
  };

  Lane& FindLane(int peer, bool sends);
  // Move what can be moved now; whether the lane is finished.
  bool StepSend(Lane* lane);
  bool StepReceive(Lane* lane);
  void ReportUnexpected(const Lane& lane, const MessageTag& expected, const MessageTag& found);

  Communicator* const comm_;
  std::vector<Lane> lanes_;
  bool failed_ = false;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_EXCHANGE_H_
