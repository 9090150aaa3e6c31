#include "emulator/ptx/warp.h"

#include <algorithm>
#include <bit>

#include "emulator/ptx/block.h"

namespace emu {
namespace {

constexpr uint64_t kNeverStalled = ~uint64_t{0};
constexpr uint32_t kAtEnd = ~uint32_t{0};
// Instructions after which a warp that polled counts as computing again.
constexpr uint32_t kPollMemory = 8192;

}  // namespace

void Warp::Start(Block* block, uint32_t index, std::byte* registers, std::byte* local,
                 LaneMask lanes) {
  block_ = block;
  kernel_ = block->launch().kernel;
  index_ = index;
  registers_ = registers;
  local_ = local;
  local_stride_ = kernel_->local_bytes();
  full_ = live_ = lanes;
  parked_ = 0;
  pc_.fill(0);
  poll_ = PollKind::kNone;
  stalled_at_ = kNeverStalled;
  last_poll_pc_ = kAtEnd;
  since_poll_ = 0;
  polls_in_vain_ = 0;
  polled_at_ = 0;
  cluster_arrived_ = cluster_passed_ = 0;
  copy_groups_.Clear();
  bulk_groups_.clear();
  for (auto& stack : call_stacks_) stack.clear();
}

void Warp::Exit(LaneMask lanes) {
  live_ &= ~lanes;
  Progress();
  if (live_ == 0) {
    block_->WarpExited(*this);
  } else {
    block_->LanesExited();
  }
}

void Warp::Park(LaneMask lanes) {
  SetPc(lanes, current_pc_);
  parked_ |= lanes;
}

void Warp::Unpark(LaneMask lanes) {
  parked_ &= ~lanes;
  for (int lane = 0; lane < kWarpSize; ++lane) pc_[lane] += lanes >> lane & 1;
  stalled_at_ = kNeverStalled;
}

Step Warp::Polled(PollKind kind, uint64_t seen, uint32_t patience) {
  const bool again = last_poll_pc_ == current_pc_;
  const bool changed = again && last_seen_ != seen;
  const uint64_t progress = block_->gang().progress;
  polls_in_vain_ = again && !changed && polled_at_ == progress ? polls_in_vain_ + 1 : 0;
  polled_at_ = progress;
  last_poll_pc_ = current_pc_;
  last_seen_ = seen;
  if (changed) {
    poll_ = PollKind::kNone;
    stalled_at_ = kNeverStalled;
    return Step::kNext;
  }
  poll_ = kind;
  since_poll_ = 0;
  stalled_at_ = polls_in_vain_ >= patience ? progress : kNeverStalled;
  return again ? Step::kYield : Step::kNext;
}

void Warp::PollSucceeded() {
  poll_ = PollKind::kNone;
  stalled_at_ = kNeverStalled;
  last_poll_pc_ = kAtEnd;
}

void Warp::Progress() { ++block_->gang().progress; }

bool Warp::Stalled() const { return stalled_at_ == block_->gang().progress; }

Warp::Group Warp::Select(LaneMask ready) const {
  Group group{.lanes = 0, .pc = kAtEnd, .stop = kAtEnd};
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if (ready >> lane & 1) group.pc = std::min(group.pc, pc_[lane]);
  }
  const LaneMask present = live_ & ~parked_;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if (!(present >> lane & 1)) continue;
    if (pc_[lane] == group.pc) {
      group.lanes |= LaneMask{1} << lane;
    } else if (pc_[lane] > group.pc) {
      group.stop = std::min(group.stop, pc_[lane]);
    }
  }
  return group;
}

uint32_t Warp::Run(uint32_t budget, Observer::OpCount* counts) {
  int64_t left = budget;
  try {
    RunLanes(left, counts);
    return static_cast<uint32_t>(budget - left);
  } catch (Fault& fault) {
    if (fault.where().empty()) {
      const int lane = fault.lane() >= 0 ? fault.lane() : std::countr_zero(current_lanes_);
      fault.set_where(Where(std::min(lane, kWarpSize - 1)));
    }
    throw;
  }
}

void Warp::RunLanes(int64_t& budget, Observer::OpCount* counts) {
  const Op* const ops = kernel_->ops().data();
  LaneMask waiting = 0;  // lanes that must wait for others of the warp, or for other warps
  const int64_t full_budget = budget;
  while (budget > 0) {
    const LaneMask ready = live_ & ~parked_ & ~waiting;
    if (ready == 0) {
      if (waiting != 0) stalled_at_ = block_->gang().progress;
      return;
    }
    const Group group = Select(ready);
    const bool together = group.lanes == (live_ & ~parked_);
    waiting &= ~group.lanes;
    current_lanes_ = group.lanes;
    uint32_t pc = group.pc;
    while (true) {
      const Op& op = ops[pc];
      LaneMask active = group.lanes;
      if (op.guard != kNoSlot) {
        const LaneMask guard = Predicate(op.guard);
        active &= op.guard_negated ? ~guard : guard;
      }
      current_pc_ = pc;
      --budget;
      if (counts != nullptr) {
        ++counts[pc].warps;
        counts[pc].lanes += static_cast<uint64_t>(std::popcount(active));
      }
      const Step step = active != 0 ? op.execute(*this, op, active) : Step::kNext;
      if (step == Step::kNext) [[likely]] {
        ++pc;
        if (pc < group.stop && budget > 0) continue;
        SetPc(group.lanes, pc);
        break;
      }
      if (step == Step::kJump) {
        if (active == group.lanes && together && budget > 0) {
          pc = jump_target_;
          continue;
        }
        SetPc(active, jump_target_);
        SetPc(group.lanes & ~active, pc + 1);
        break;
      }
      SetPc(group.lanes & ~active, pc + 1);
      if (step == Step::kReselect) break;
      SetPc(active, step == Step::kRetry ? pc : pc + 1);
      if (step == Step::kYield) return;
      waiting |= active;
      break;
    }
  }
  if (poll_ != PollKind::kNone &&
      (since_poll_ += static_cast<uint32_t>(full_budget)) > kPollMemory) {
    PollSucceeded();
  }
}

bool Warp::MembersPresent(LaneMask active, LaneMask members) const {
  members &= full_;
  if ((members & ~live_) != 0) {
    throw Fault(FaultKind::kIllegalOperation, "the member mask names lanes that have exited");
  }
  if ((active & ~members) != 0) {
    throw Fault(FaultKind::kIllegalOperation, std::countr_zero(active & ~members),
                "executed by a lane that its member mask does not name");
  }
  return active == members;
}

uint32_t Warp::Uniform32(int32_t slot, LaneMask active, const char* what) const {
  const uint32_t* lanes = Lanes<uint32_t>(slot);
  const uint32_t value = lanes[std::countr_zero(active)];
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if ((active >> lane & 1) && lanes[lane] != value) {
      throw Fault(FaultKind::kIllegalOperation, lane, std::string(what) + " differs between lanes");
    }
  }
  return value;
}

}  // namespace emu
