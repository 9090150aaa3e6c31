// The mbarrier's part of the race detector: what a phase publishes to those that wait for its end.
#include <bit>
#include <string>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/race_domain.h"

namespace emu {
namespace {

uint64_t Key(const RacePlace& place) { return uint64_t{place.block} << 32 | place.address; }

}  // namespace

void RaceDomain::MbarrierInitFence(const RaceLanes& at) {
  if (unfenced_inits_ == 0) return;
  for (auto& [key, mbarrier] : mbarriers_) {
    const bool mine = mbarrier.init_index / kWarpSize == at.warp &&
                      (at.lanes >> mbarrier.init_index % kWarpSize & 1) != 0;
    if (mbarrier.init_fenced || !mine) continue;
    mbarrier.init_fenced = true;
    --unfenced_inits_;
  }
}

void RaceDomain::PublishInits(ClockBuilder* builder, uint32_t thread) const {
  for (const auto& [key, mbarrier] : mbarriers_) {
    if (mbarrier.init_index != thread || !mbarrier.init_fenced) continue;
    builder->See(thread, mbarrier.init_epoch);
  }
}

void RaceDomain::MbarrierInit(const RaceLanes& at, int lane, const RacePlace& place) {
  MbarrierInvalidate(place);
  Mbarrier& mbarrier = mbarriers_[Key(place)];
  mbarrier.init_index = at.warp * kWarpSize + lane;
  mbarrier.init_epoch = warp_epoch_[at.warp];
  ++unfenced_inits_;
}

void RaceDomain::MbarrierInvalidate(const RacePlace& place) {
  const auto it = mbarriers_.find(Key(place));
  if (it == mbarriers_.end()) return;
  if (!it->second.init_fenced) --unfenced_inits_;
  mbarriers_.erase(it);
}

void RaceDomain::MbarrierArrive(const RaceLanes& at, int lane, const RacePlace& place) {
  Mbarrier& mbarrier = CheckedMbarrier(ActorOf(at, lane), lane, place);
  if (!mbarrier.arrived) mbarrier.arrived = NewBuilder();
  JoinLanes(mbarrier.arrived.get(), {at.warp, LaneMask{1} << lane, at.line});
  EndSync(at);
}

void RaceDomain::MbarrierWaitDone(const RaceLanes& at, int lane, const RacePlace& place) {
  const Mbarrier& mbarrier = CheckedMbarrier(ActorOf(at, lane), lane, place);
  Thread& thread = threads_[at.warp * kWarpSize + lane];
  if (!mbarrier.done) return;
  // The lanes of a warp ask one after another, mostly with one clock: the answer is one too.
  if (!(wait_from_ == thread.clock && wait_done_ == mbarrier.done)) {
    wait_from_ = thread.clock;
    wait_done_ = mbarrier.done;
    Learn({at.warp, LaneMask{1} << lane, at.line}, mbarrier.done);
    wait_to_ = thread.clock;
  }
  thread.clock = wait_to_;
}

void RaceDomain::MbarrierPhase(const RacePlace& place) {
  const auto it = mbarriers_.find(Key(place));
  if (it == mbarriers_.end() || !it->second.arrived) return;
  Mbarrier& mbarrier = it->second;
  mbarrier.arrived->Join(mbarrier.done);
  mbarrier.done = mbarrier.arrived->Finish();
  mbarrier.arrived.reset();
}

RaceDomain::Mbarrier& RaceDomain::CheckedMbarrier(const RaceActor& actor, int lane,
                                                  const RacePlace& place) {
  const auto it = mbarriers_.find(Key(place));
  const std::string where = "the mbarrier at shared offset " + std::to_string(place.address);
  if (it == mbarriers_.end()) {
    throw Fault(FaultKind::kUninitialised, lane, where + " was never initialised");
  }
  const Mbarrier& mbarrier = it->second;
  if (mbarrier.init_index != actor.index &&
      actor.clock->seen(mbarrier.init_index) < mbarrier.init_epoch) {
    throw Fault(FaultKind::kRace, lane,
                where + " is used by " + Describe(actor.index) +
                    " without an order after its initialisation by " +
                    Describe(mbarrier.init_index));
  }
  return it->second;
}

}  // namespace emu
