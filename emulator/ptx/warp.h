// A warp: 32 lanes with registers and a pc each, and the loop that runs them. The lanes at the
// lowest pc run together until they meet others or part; a lane that must wait for others of its
// warp stays at its instruction (Step::kRetry), a lane that waits at a barrier is parked.
//
// Owner: the block. Thread: the gang's.
#ifndef SWITCHYARD_EMULATOR_PTX_WARP_H_
#define SWITCHYARD_EMULATOR_PTX_WARP_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "emulator/ptx/async_queue.h"
#include "emulator/ptx/copy_groups.h"
#include "emulator/ptx/fault.h"
#include "emulator/ptx/observer.h"
#include "emulator/ptx/op.h"

namespace emu {

class Kernel;

// Why a warp's turn ended without anything done, for the scheduler.
enum class PollKind : uint8_t {
  kNone,
  kGang,    // only warps of its gang, or asynchronous operations, can change what it waits for
  kGlobal,  // so may other blocks, kernels and processes
};

class Warp {
 public:
  void Start(Block* block, uint32_t index, std::byte* registers, std::byte* local, LaneMask lanes);

  Block& block() const { return *block_; }
  const Kernel& kernel() const { return *kernel_; }
  uint32_t index() const { return index_; }    // in the block
  LaneMask full() const { return full_; }      // lanes that ever were
  LaneMask live() const { return live_; }      // not exited
  LaneMask parked() const { return parked_; }  // waiting at a barrier
  bool runnable() const { return (live_ & ~parked_) != 0; }

  // The lanes of a register; T is uint32_t, int32_t, float (32-bit slots) or a 64-bit type.
  template <class T>
  T* Lanes(int32_t slot) const {
    return reinterpret_cast<T*>(registers_ + slot);
  }
  LaneMask& Predicate(int32_t slot) const {
    return *reinterpret_cast<LaneMask*>(registers_ + slot);
  }

  // --- for instructions ---
  void set_jump_target(uint32_t pc) { jump_target_ = pc; }
  uint32_t jump_target() const { return jump_target_; }
  void set_pc(int lane, uint32_t pc) { pc_[lane] = pc; }
  uint32_t pc(int lane) const { return pc_[lane]; }
  uint32_t current_pc() const { return current_pc_; }  // of the executing instruction
  // Ends lanes; the instruction returns Step::kReselect.
  void Exit(LaneMask lanes);
  // Parks lanes at the executing instruction; Unpark lets them go on behind it.
  void Park(LaneMask lanes);
  void Unpark(LaneMask lanes);
  // Whether a .sync instruction with this member mask may run for `active`: true when all members
  // are there; false: return Step::kRetry. Throws Fault if the mask names exited lanes or if an
  // active lane is not in it.
  bool MembersPresent(LaneMask active, LaneMask members) const;
  // Runs `run(lanes)` for the lanes of each member mask (which may differ between lanes) of which
  // all members are there; the others wait.
  template <class F>
  Step RunMembers(int32_t mask_slot, LaneMask active, F run);
  // The same for .aligned instructions: all live lanes.
  bool AllPresent(LaneMask active) const { return active == live_; }
  // The value of a 32-bit register that must be the same in all active lanes.
  uint32_t Uniform32(int32_t slot, LaneMask active, const char* what) const;
  // Tells the scheduler that a poll failed, or may have. What the instruction returns: kYield if it
  // polled last time too, so that the warp does not spin through its turn. `seen` stands for what
  // was looked at and found: a loop that sees something else each time does not poll. The warp
  // counts as waiting once it has polled more than `patience` times in vain: a loop that ends by
  // itself may come here, too.
  Step Polled(PollKind kind, uint64_t seen = 0, uint32_t patience = 0);
  static constexpr uint32_t kLongPatience = 1 << 14;
  void PollSucceeded();
  // Something happened that others may wait for.
  void Progress();

  // Memory. Each checks bounds and throws Fault.
  // A shared (or cluster-shared) address -> host pointer; *owner and *offset may be null.
  std::byte* SharedPointer(uint32_t address, uint32_t bytes, int lane,
                           const Block** owner = nullptr, uint32_t* offset = nullptr) const;
  Location SharedLocation(uint32_t address, uint32_t bytes, int lane) const;
  // A generic address -> host pointer; shared, local and parameter windows included.
  std::byte* GenericPointer(uint64_t address, uint32_t bytes, int lane) const;
  // The value of an address operand, from a 32- or 64-bit slot.
  uint64_t Address(int32_t slot, bool wide, int lane) const {
    return wide ? Lanes<uint64_t>(slot)[lane] : Lanes<uint32_t>(slot)[lane];
  }

  uint32_t local_bytes() const { return local_stride_; }  // per thread
  std::byte* local(int lane) const { return local_ + size_t{local_stride_} * lane; }

  CopyGroups& copy_groups() { return copy_groups_; }  // cp.async
  // cp.async.bulk's .bulk_group.
  AsyncGroups& bulk_groups(int lane) {
    if (bulk_groups_.empty()) bulk_groups_.resize(kWarpSize);
    return bulk_groups_[lane];
  }

  // barrier.cluster: lanes that arrived in this phase, and lanes whose phase has ended.
  LaneMask cluster_arrived() const { return cluster_arrived_; }
  void set_cluster_arrived(LaneMask lanes) { cluster_arrived_ = lanes; }
  LaneMask cluster_passed() const { return cluster_passed_; }
  void ClusterPhaseEnded() { cluster_passed_ |= std::exchange(cluster_arrived_, 0); }
  void ClusterWaited(LaneMask lanes) { cluster_passed_ &= ~lanes; }

  // The carry flags of add.cc and its like.
  LaneMask carry() const { return carry_; }
  void set_carry(LaneMask carry) { carry_ = carry; }

  // Calls of device functions: where each lane goes on when it returns.
  std::vector<uint32_t>& call_stack(int lane) { return call_stacks_[lane]; }

  // --- for the scheduler ---
  // Runs up to `budget` instructions, and tells how many; returns when the warp has ended, cannot
  // go on, or yielded. counts: how often each op ran; may be null.
  uint32_t Run(uint32_t budget, Observer::OpCount* counts);
  // Whether nothing this warp waits for can have changed since it last looked.
  bool Stalled() const;
  PollKind poll() const { return poll_; }
  // For reports: block, thread, line and text.
  std::string Where(int lane) const;
  std::string DescribeWaiting() const;  // one line for each place where lanes of this warp stand

 private:
  // Lanes that run next, together.
  struct Group {
    LaneMask lanes = 0;
    uint32_t pc = 0;
    uint32_t stop = 0;  // the lowest pc above, where other lanes stand
  };
  Group Select(LaneMask ready) const;
  void RunLanes(int64_t& budget, Observer::OpCount* counts);
  void SetPc(LaneMask lanes, uint32_t pc) {
    for (int lane = 0; lane < kWarpSize; ++lane) {
      if (lanes >> lane & 1) pc_[lane] = pc;
    }
  }

  std::byte* registers_ = nullptr;
  std::array<uint32_t, kWarpSize> pc_ = {};
  LaneMask live_ = 0;
  LaneMask parked_ = 0;
  LaneMask full_ = 0;
  uint32_t jump_target_ = 0;
  PollKind poll_ = PollKind::kNone;
  uint32_t current_pc_ = 0;
  LaneMask current_lanes_ = 0;
  uint32_t last_poll_pc_ = 0;
  uint64_t last_seen_ = 0;
  uint32_t since_poll_ = 0;     // instructions
  uint32_t polls_in_vain_ = 0;  // on end, with the gang's progress at polled_at_
  uint64_t polled_at_ = 0;
  LaneMask carry_ = 0;
  LaneMask cluster_arrived_ = 0;
  LaneMask cluster_passed_ = 0;
  uint64_t stalled_at_ = 0;  // the gang's progress when a poll failed or an op was to be retried
  Block* block_ = nullptr;
  const Kernel* kernel_ = nullptr;
  uint32_t index_ = 0;
  std::byte* local_ = nullptr;
  uint32_t local_stride_ = 0;
  CopyGroups copy_groups_;
  std::vector<AsyncGroups> bulk_groups_;  // by lane; empty until used
  std::array<std::vector<uint32_t>, kWarpSize> call_stacks_;
};

template <class F>
Step Warp::RunMembers(int32_t mask_slot, LaneMask active, F run) {
  const uint32_t* masks = Lanes<uint32_t>(mask_slot);
  LaneMask done = 0;
  for (LaneMask rest = active; rest != 0;) {
    const LaneMask members = masks[std::countr_zero(rest)];
    LaneMask group = 0;
    for (int lane = 0; lane < kWarpSize; ++lane) {
      group |= static_cast<LaneMask>(masks[lane] == members) << lane;
    }
    group &= rest;
    rest &= ~group;
    if (!MembersPresent(group, members)) continue;
    run(group);
    done |= group;
  }
  if (done == active) return Step::kNext;
  if (done == 0) return Step::kRetry;
  SetPc(done, current_pc_ + 1);
  SetPc(active & ~done, current_pc_);
  return Step::kReselect;
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_WARP_H_
