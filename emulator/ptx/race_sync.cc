// Fences, and accesses that order: release, acquire, and their relaxed halves beside a fence.
#include <algorithm>
#include <bit>
#include <utility>

#include "emulator/ptx/race_domain.h"

namespace emu {
namespace {

bool Releases(Order order) {
  return order == Order::kRelease || order == Order::kAcqRel || order == Order::kSeqCst;
}
bool Acquires(Order order) {
  return order == Order::kAcquire || order == Order::kAcqRel || order == Order::kSeqCst;
}

}  // namespace

void RaceDomain::ThreadFence(const RaceLanes& at, Scope scope) {
  for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
    const int lane = std::countr_zero(lanes);
    const RaceLanes one = {at.warp, LaneMask{1} << lane, at.line};
    Thread& thread = threads_[at.warp * kWarpSize + lane];
    Learn(one, std::exchange(thread.pending_narrow, {}));
    if (scope != Scope::kCta) Learn(one, std::exchange(thread.pending_wide, {}));
    thread.fence = {.clock = thread.clock,
                    .epoch = warp_epoch_[at.warp],
                    .fenced = thread.fenced,
                    .copies_done = thread.copies_done,
                    .copies_fenced = thread.copies_fenced,
                    .scope = scope};
  }
  EndSync(at);
}

void RaceDomain::ProxyFence(const RaceLanes& at) {
  ClockPtr from;
  ClockPtr to;
  for (LaneMask lanes = at.lanes; lanes != 0; lanes &= lanes - 1) {
    Thread& thread = threads_[at.warp * kWarpSize + std::countr_zero(lanes)];
    thread.fenced = warp_epoch_[at.warp];
    thread.copies_fenced = thread.copies_done;
    // A copy whose end an mbarrier announced has no thread left to fence it: who learnt of it may.
    if (copies_begin_ == 0) continue;
    if (!from || !(thread.clock == from)) {
      from = thread.clock;
      const auto builder = NewBuilder();
      builder->Join(from);
      builder->FenceSeen(copies_begin_, copies_begin_ + num_threads_);
      to = builder->Finish();
    }
    thread.clock = to;
  }
  MbarrierInitFence(at);
  EndSync(at);
}

void RaceDomain::Synchronise(const RaceLanes& at, int lane, const RacePlace& place, AccessKind kind,
                             Order order, Scope scope) {
  RaceSyncLocations& locations = place.shared ? shared_sync_ : detector_->global_sync();
  const uint64_t key = place.shared ? uint64_t{place.block} << 32 | place.address : place.address;
  const auto found = locations.find(key);
  if (kind != AccessKind::kStore && found != locations.end()) {
    Acquire(at, lane, found->second, order, scope);
  }
  if (kind == AccessKind::kLoad) return;
  const bool publishes = Releases(order) || threads_[at.warp * kWarpSize + lane].fence.clock;
  if (publishes) {
    RaceSyncLocation& location = found != locations.end() ? found->second : locations[key];
    Publish(at, lane, &location, kind, order, scope);
  } else if (kind == AccessKind::kStore && found != locations.end()) {
    locations.erase(found);  // the value that carried the order is gone
  }
}

void RaceDomain::Publish(const RaceLanes& at, int lane, RaceSyncLocation* location, AccessKind kind,
                         Order order, Scope scope) {
  const uint32_t thread = at.warp * kWarpSize + lane;
  const uint32_t block = at.warp / warps_per_block_;
  ClockPtr mine;
  if (Releases(order)) {
    mine = Snapshot(at.warp, lane);
  } else {
    mine = FenceSnapshot(thread);
    scope = std::min(scope, threads_[thread].fence.scope);
  }
  // A read-modify-write carries on what it found; a store replaces it.
  const auto carry_on = [&](const ClockPtr& found) {
    if (kind != AccessKind::kAtomic || !found) return mine;
    const auto builder = NewBuilder();
    builder->Join(mine);
    builder->Join(found);
    return builder->Finish();
  };
  const bool same_block = location->narrow_domain == id_ && location->narrow_block == block;
  location->narrow = same_block ? carry_on(location->narrow) : mine;
  location->narrow_domain = id_;
  location->narrow_block = block;
  if (scope != Scope::kCta) {
    location->wide = carry_on(location->wide);
  } else if (kind == AccessKind::kStore) {
    location->wide = {};
  }
}

void RaceDomain::Acquire(const RaceLanes& at, int lane, const RaceSyncLocation& location,
                         Order order, Scope scope) {
  const RaceLanes one = {at.warp, LaneMask{1} << lane, at.line};
  const bool near =
      location.narrow_domain == id_ && location.narrow_block == at.warp / warps_per_block_;
  if (Acquires(order)) {
    if (near) Learn(one, location.narrow);
    if (scope != Scope::kCta) Learn(one, location.wide);
    return;
  }
  Thread& thread = threads_[at.warp * kWarpSize + lane];
  const auto remember = [&](ClockPtr* pending, const ClockPtr& clock) {
    if (!clock || *pending == clock) return;
    const auto builder = NewBuilder();
    builder->Join(*pending);
    builder->Join(clock);
    *pending = builder->Finish();
  };
  if (near) remember(&thread.pending_narrow, location.narrow);
  if (scope != Scope::kCta) remember(&thread.pending_wide, location.wide);
}

ClockPtr RaceDomain::FenceSnapshot(uint32_t thread) const {
  const FenceMark& mark = threads_[thread].fence;
  const auto builder = NewBuilder();
  builder->Join(mark.clock);
  builder->See(thread, mark.epoch);
  builder->Fence(thread, mark.fenced);
  if (copies_begin_ != 0) {
    builder->See(CopyIndex(thread), mark.copies_done);
    builder->Fence(CopyIndex(thread), mark.copies_fenced);
  }
  return builder->Finish();
}

}  // namespace emu
