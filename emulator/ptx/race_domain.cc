#include "emulator/ptx/race_domain.h"

#include <bit>
#include <utility>

namespace emu {
namespace {

constexpr int kWarpsPerWarpgroup = 4;

}  // namespace

RaceDomain::RaceDomain(RaceDetector* detector, uint32_t id, uint32_t num_blocks,
                       uint32_t warps_per_block)
    : detector_(detector),
      id_(id),
      warps_per_block_(warps_per_block),
      num_threads_(num_blocks * warps_per_block * kWarpSize),
      threads_(num_threads_),
      warp_epoch_(num_blocks * warps_per_block, 1),
      warp_copies_(num_blocks * warps_per_block),
      barriers_(num_blocks),
      cluster_arrivals_(num_threads_) {
  for (uint32_t block = 0; block < num_blocks; ++block) {
    shared_.push_back(std::make_unique<RaceCells>(/*max_readers=*/~0u));
  }
  if (detector->config().uses_copies) copies_begin_ = num_threads_;
  pseudo_begin_ = num_threads_ + (copies_begin_ == 0 ? 0 : num_threads_);
  const uint32_t num_warps = warp_epoch_.size();
  pseudo_.resize((num_warps + kWarpsPerWarpgroup - 1) / kWarpsPerWarpgroup);
  const ClockPtr nothing(new Clock(id_, pseudo_begin_ + pseudo_.size()));
  for (Thread& thread : threads_) thread.clock = nothing;
}

void RaceDomain::Access(const RaceLanes& at, int lane, const RacePlace& place, uint8_t flags) {
  Touch(ActorOf(at, lane), lane, place, flags);
}

void RaceDomain::AccessLanes(const RaceLanes& at, const Lanes& access) {
  const uint8_t flags = RaceFlagsOf(access.kind, access.order);
  const bool strong = (flags & kRaceAtomic) != 0;
  RacePlace place = {.shared = access.owners != nullptr, .bytes = access.bytes};
  const uint32_t first = at.warp * kWarpSize;
  RaceActor actor = ActorOf(at, 0);
  for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
    const int lane = std::countr_zero(lanes);
    const Thread& thread = threads_[first + lane];
    actor.index = actor.write_index = first + lane;
    actor.clock = thread.clock.get();
    actor.fenced = thread.fenced;
    if (copies_begin_ != 0) {
      actor.copy_index = CopyIndex(actor.index);
      actor.copies_done = thread.copies_done;
      actor.copies_fenced = thread.copies_fenced;
    }
    if (place.shared) place.block = access.owners[lane];
    place.address = access.addresses[lane];
    Touch(actor, lane, place, flags);
    if (strong) Synchronise(at, lane, place, access.kind, access.order, access.scope);
  }
  if (strong) EndSync(at);
}

void RaceDomain::BarrierArrive(const RaceLanes& at, uint32_t block, int id, bool waits) {
  Barrier& barrier = barriers_[block][id];
  if (!barrier.arrived) barrier.arrived = NewBuilder();
  JoinLanes(barrier.arrived.get(), at);
  if (waits) barrier.waiting.push_back(at);
  EndSync(at);
}

void RaceDomain::BarrierComplete(uint32_t block, int id) {
  Barrier& barrier = barriers_[block][id];
  if (!barrier.arrived) return;  // a barrier of exited threads alone
  const ClockPtr clock = barrier.arrived->Finish();
  barrier.arrived.reset();
  for (const RaceLanes& at : barrier.waiting) {
    for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
      threads_[at.warp * kWarpSize + std::countr_zero(lanes)].clock = clock;
    }
  }
  barrier.waiting.clear();
}

void RaceDomain::ClusterArrive(const RaceLanes& at, bool release) {
  for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
    const RaceLanes one = {at.warp, lanes & -lanes, at.line};
    const uint64_t number = cluster_arrivals_[at.warp * kWarpSize + std::countr_zero(lanes)]++;
    ClusterPhase& phase = cluster_phases_[number % cluster_phases_.size()];
    if (phase.number != number) phase = {number, NewBuilder(), {}};
    if (release) {
      JoinLanes(phase.arrived.get(), one);
    } else {
      PublishInits(phase.arrived.get(), at.warp * kWarpSize + std::countr_zero(lanes));
    }
  }
  EndSync(at);
}

void RaceDomain::ClusterWait(const RaceLanes& at) {
  for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
    const RaceLanes one = {at.warp, lanes & -lanes, at.line};
    const uint64_t arrivals = cluster_arrivals_[at.warp * kWarpSize + std::countr_zero(lanes)];
    if (arrivals == 0) continue;
    ClusterPhase& phase = cluster_phases_[(arrivals - 1) % cluster_phases_.size()];
    // Everybody has arrived: the first to leave ends the phase's clock.
    if (phase.arrived) {
      phase.done = phase.arrived->Finish();
      phase.arrived.reset();
    }
    Learn(one, phase.done);
  }
}

void RaceDomain::WarpSync(const RaceLanes& at) {
  const auto builder = NewBuilder();
  JoinLanes(builder.get(), at);
  const ClockPtr clock = builder->Finish();
  for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
    threads_[at.warp * kWarpSize + std::countr_zero(lanes)].clock = clock;
  }
  EndSync(at);
}

RaceActor RaceDomain::ActorOf(const RaceLanes& at, int lane) const {
  const uint32_t index = at.warp * kWarpSize + lane;
  const Thread& thread = threads_[index];
  const uint32_t epoch = warp_epoch_[at.warp];
  return {.domain = id_,
          .index = index,
          .epoch = epoch,
          .clock = thread.clock.get(),
          .fenced = thread.fenced,
          .copy_index = copies_begin_ == 0 ? 0 : CopyIndex(index),
          .copies_done = thread.copies_done,
          .copies_fenced = thread.copies_fenced,
          .write_index = index,
          .write_epoch = epoch,
          .line = at.line};
}

void RaceDomain::AddOwn(ClockBuilder* builder, uint32_t warp, int lane) const {
  const uint32_t index = warp * kWarpSize + lane;
  const Thread& thread = threads_[index];
  builder->See(index, warp_epoch_[warp]);
  builder->Fence(index, thread.fenced);
  if (copies_begin_ == 0) return;
  builder->See(CopyIndex(index), thread.copies_done);
  builder->Fence(CopyIndex(index), thread.copies_fenced);
}

void RaceDomain::JoinLanes(ClockBuilder* builder, const RaceLanes& at) const {
  for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
    const int lane = std::countr_zero(lanes);
    builder->Join(threads_[at.warp * kWarpSize + lane].clock);
    AddOwn(builder, at.warp, lane);
  }
}

void RaceDomain::Learn(const RaceLanes& at, const ClockPtr& clock) {
  if (!clock) return;
  ClockPtr from;
  ClockPtr to;
  for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
    Thread& thread = threads_[at.warp * kWarpSize + std::countr_zero(lanes)];
    if (!from || !(thread.clock == from)) {
      from = thread.clock;
      const auto builder = NewBuilder();
      builder->Join(from);
      builder->Join(clock);
      to = builder->Finish();
    }
    thread.clock = to;
  }
}

ClockPtr RaceDomain::Snapshot(uint32_t warp, int lane) const {
  const auto builder = NewBuilder();
  JoinLanes(builder.get(), {warp, LaneMask{1} << lane, 0});
  return builder->Finish();
}

std::unique_ptr<ClockBuilder> RaceDomain::NewBuilder() const {
  return std::make_unique<ClockBuilder>(id_, pseudo_begin_ + pseudo_.size());
}

}  // namespace emu
