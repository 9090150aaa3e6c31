// The asynchronous operations' part of the race detector.
#include <bit>
#include <string>
#include <utility>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/race_domain.h"

namespace emu {
namespace {

// Operations whose end an mbarrier announced may announce it to others (multicast): how many of
// them are kept.
constexpr size_t kArrivedKept = 256;
// Pseudo-threads beyond which they are shared, which may hide a race between two of them.
constexpr size_t kMaxPseudo = 8192;
constexpr uint32_t kWarpsPerWarpgroup = 4;

}  // namespace

uint32_t RaceDomain::AsyncIssue(const RaceLanes& at, AsyncKind kind) {
  const int lane = std::countr_zero(at.lanes);
  AsyncOp op;
  op.kind = kind;
  op.warp = at.warp;
  if (kind == AsyncKind::kCpAsync) {
    const uint32_t index = at.warp * kWarpSize + lane;
    op.clock = threads_[index].clock;
    op.actor = ActorOf(at, lane);
    op.actor.write_index = CopyIndex(index);
    op.actor.write_epoch = ++warp_copies_[at.warp];
  } else {
    const auto builder = NewBuilder();
    JoinLanes(builder.get(), at);
    op.clock = builder->Finish();
    if (kind == AsyncKind::kBulkCopy) {
      Adopt(&op, PseudoThread(*op.clock), at.line);
    } else {
      op.actor.line = at.line;
    }
  }
  EndSync(at);
  ops_.emplace(++last_op_, std::move(op));
  return last_op_;
}

uint32_t RaceDomain::AsyncMerge(std::span<const uint32_t> parts) {
  AsyncOp op;
  op.kind = AsyncKind::kWgmma;
  op.waits = parts.size();
  const auto builder = NewBuilder();
  uint32_t line = 0;
  for (const uint32_t part : parts) {
    builder->Join(Op(part).clock);
    op.warp = Op(part).warp;
    line = Op(part).actor.line;
    ops_.erase(part);
  }
  op.clock = builder->Finish();
  Adopt(&op, op.warp / kWarpsPerWarpgroup, line);
  ops_.emplace(++last_op_, std::move(op));
  return last_op_;
}

void RaceDomain::AsyncAccess(uint32_t op, const RacePlace& place, uint8_t flags) {
  const AsyncOp& known = Op(op);
  if (known.kind == AsyncKind::kCpAsync && (flags & kRaceWrite)) flags |= kRaceCopy;
  Touch(known.actor, -1, place, flags);
}

void RaceDomain::AsyncArrive(uint32_t op, const RacePlace& place) {
  const AsyncOp& known = Op(op);
  Mbarrier& mbarrier = CheckedMbarrier(known.actor, -1, place);
  if (known.kind == AsyncKind::kBulkCopy && !mbarrier.init_fenced) {
    throw Fault(
        FaultKind::kRace,
        "a bulk copy counts its bytes on the mbarrier at shared offset " +
            std::to_string(place.address) +
            ", whose initialisation no fence.mbarrier_init made visible to the async proxy");
  }
  if (!mbarrier.arrived) mbarrier.arrived = NewBuilder();
  JoinEnd(mbarrier.arrived.get(), known);
  arrived_ops_.push_back(op);
  if (arrived_ops_.size() <= kArrivedKept) return;
  ops_.erase(arrived_ops_.front());
  arrived_ops_.pop_front();
}

void RaceDomain::AsyncWaited(uint32_t op, const RaceLanes& at) {
  AsyncOp& known = Op(op);
  if (known.kind == AsyncKind::kCpAsync) {
    // Waits end a thread's copies in the order of their issue.
    Thread& thread = threads_[known.actor.index];
    if (thread.copies_done < known.actor.write_epoch) {
      thread.copies_done = known.actor.write_epoch;
    }
  } else {
    const auto builder = NewBuilder();
    JoinEnd(builder.get(), known);
    Learn(at, builder->Finish());
  }
  if (--known.waits == 0) ops_.erase(op);
}

uint32_t RaceDomain::PseudoThread(const Clock& known) {
  // One whose last operation's end the issuer knows can serve again: to know of the new operation
  // is then to know of the old one.
  const uint32_t num_warpgroups =
      (warp_epoch_.size() + kWarpsPerWarpgroup - 1) / kWarpsPerWarpgroup;
  for (uint32_t i = num_warpgroups; i < pseudo_.size(); ++i) {
    if (pseudo_[i].epoch <= known.seen(pseudo_begin_ + i)) return i;
  }
  if (pseudo_.size() >= kMaxPseudo) return num_warpgroups + last_op_ % 1024;
  pseudo_.emplace_back();
  return pseudo_.size() - 1;
}

void RaceDomain::Adopt(AsyncOp* op, uint32_t pseudo, uint32_t line) {
  pseudo_[pseudo].issuer = op->warp * kWarpSize;
  ++pseudo_[pseudo].epoch;
  op->actor = {.domain = id_,
               .index = pseudo_begin_ + pseudo,
               .epoch = pseudo_[pseudo].epoch,
               .clock = op->clock.get(),
               .fenced = pseudo_[pseudo].epoch,
               .write_index = pseudo_begin_ + pseudo,
               .write_epoch = pseudo_[pseudo].epoch,
               .line = line};
}

void RaceDomain::JoinEnd(ClockBuilder* builder, const AsyncOp& op) const {
  builder->Join(op.clock);
  builder->See(op.actor.index, op.actor.epoch);
  if (op.kind != AsyncKind::kCpAsync) return;
  builder->Fence(op.actor.index, op.actor.fenced);
  builder->See(op.actor.write_index, op.actor.write_epoch);
}

RaceDomain::AsyncOp& RaceDomain::Op(uint32_t op) {
  const auto it = ops_.find(op);
  if (it == ops_.end()) {
    throw Fault(FaultKind::kIllegalOperation, "an asynchronous operation is used after its end");
  }
  return it->second;
}

}  // namespace emu
