// A bell in shared memory, one per rank: rung by whoever changed something that the rank may wait
// for, in this process or another. Waiting costs no processor time beyond a short spin.
//
// The order that loses no ring:  ticket = Ticket(); look at the world; if nothing to do,
// Wait(ticket). A ring after Ticket() makes Wait return at once. A sleeper that was killed leaves
// its count behind, which costs later ringers a needless system call and nothing else.
#ifndef SWITCHYARD_EMULATOR_NCCL_DOORBELL_H_
#define SWITCHYARD_EMULATOR_NCCL_DOORBELL_H_

#include <atomic>
#include <chrono>
#include <cstdint>

namespace emu {

class alignas(64) Doorbell {
 public:
  uint32_t Ticket() const { return value_.load(std::memory_order_acquire); }

  // Returns after a ring since `ticket`, after `timeout` (zero: none), or for no reason.
  void Wait(uint32_t ticket, std::chrono::milliseconds timeout);

  void Ring();

 private:
  // Shared memory begins as zeros: both members must mean "nothing yet" then.
  std::atomic<uint32_t> value_;
  std::atomic<uint32_t> num_sleepers_;
};
static_assert(std::atomic<uint32_t>::is_always_lock_free, "used between processes");

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_DOORBELL_H_
