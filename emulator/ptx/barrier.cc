#include "emulator/ptx/barrier.h"

#include <algorithm>
#include <bit>
#include <string>

#include "emulator/ptx/block.h"

namespace emu {
namespace {

// What a warp's arrival counts for: the hardware counts whole warps.
uint32_t Threads(const Warp& warp, LaneMask lanes) {
  return lanes == warp.live() ? kWarpSize : static_cast<uint32_t>(std::popcount(lanes));
}

}  // namespace

void Barriers::Reset(size_t num_warps) {
  for (State& state : barriers_) {
    if (state.lanes.size() == num_warps && state.arrived == 0) continue;
    state = State{};
    state.lanes.assign(num_warps, 0);
    state.waiting.assign(num_warps, 0);
    state.result.assign(num_warps, kNoSlot);
  }
}

void Barriers::Arrive(Block& block, Warp& warp, LaneMask lanes, const BarrierArrival& arrival) {
  if (arrival.id < 0 || arrival.id >= kNumBarriers) {
    throw Fault(FaultKind::kIllegalOperation,
                "barrier " + std::to_string(arrival.id) + " of 16 does not exist");
  }
  State& state = barriers_[arrival.id];
  if (state.arrived != 0 && state.expected != arrival.count) {
    throw Fault(FaultKind::kIllegalOperation,
                "barrier " + std::to_string(arrival.id) + " with " + std::to_string(arrival.count) +
                    " threads, others arrived for " + std::to_string(state.expected));
  }
  if (arrival.count % kWarpSize != 0) {
    throw Fault(FaultKind::kIllegalOperation, "a barrier's thread count must be a multiple of 32");
  }
  if ((state.lanes[warp.index()] & lanes) != 0 && arrival.count == 0) {
    throw Fault(FaultKind::kIllegalOperation, "a thread arrived twice at a barrier");
  }
  state.expected = arrival.count;
  state.arrived += Threads(warp, lanes);
  state.lanes[warp.index()] |= lanes;
  state.reduction = arrival.reduction;
  state.reduced += static_cast<uint32_t>(std::popcount(arrival.predicate & lanes));
  state.reducing += static_cast<uint32_t>(std::popcount(lanes));
  state.result[warp.index()] = arrival.result;
  if (arrival.waits) {
    state.waiting[warp.index()] |= lanes;
    warp.Park(lanes);
  }
  if (Observer* observer = block.observer()) {
    observer->OnBarrierArrive(warp, lanes, arrival.id, arrival.waits);
  }
  warp.Progress();
  CompleteIfFull(block, arrival.id);
}

void Barriers::CompleteIfFull(Block& block, int id) {
  State& state = barriers_[id];
  if (state.arrived == 0) return;
  if (state.expected != 0) {
    if (state.arrived > state.expected) {
      throw Fault(FaultKind::kIllegalOperation,
                  "more threads than expected arrived at barrier " + std::to_string(id));
    }
    if (state.arrived == state.expected) Complete(block, id);
    return;
  }
  for (const Warp& warp : block.warps()) {
    if ((warp.live() & ~state.lanes[warp.index()]) != 0) return;
  }
  Complete(block, id);
}

void Barriers::Complete(Block& block, int id) {
  State& state = barriers_[id];
  const bool holds = state.reduction == BarrierReduction::kAnd ? state.reduced == state.reducing
                                                               : state.reduced != 0;
  for (Warp& warp : block.warps()) {
    const LaneMask lanes = state.waiting[warp.index()];
    const int32_t result = state.result[warp.index()];
    if (lanes != 0 && result != kNoSlot) {
      if (state.reduction == BarrierReduction::kPopc) {
        for (int lane = 0; lane < kWarpSize; ++lane) {
          if (lanes >> lane & 1) warp.Lanes<uint32_t>(result)[lane] = state.reduced;
        }
      } else {
        LaneMask& predicate = warp.Predicate(result);
        predicate = holds ? predicate | lanes : predicate & ~lanes;
      }
    }
    if (lanes != 0) warp.Unpark(lanes);
    state.lanes[warp.index()] = 0;
    state.waiting[warp.index()] = 0;
    state.result[warp.index()] = kNoSlot;
  }
  state.arrived = state.expected = state.reduced = state.reducing = 0;
  if (Observer* observer = block.observer()) observer->OnBarrierComplete(block, id);
  ++block.gang().progress;
}

void Barriers::CheckExits(Block& block) {
  if (block.live_warps() == 0) return;
  for (int id = 0; id < kNumBarriers; ++id) {
    if (barriers_[id].arrived != 0 && barriers_[id].expected == 0) CompleteIfFull(block, id);
  }
}

}  // namespace emu
