#include "emulator/ptx/warpgroup.h"

#include <algorithm>
#include <utility>

#include "emulator/ptx/block.h"

namespace emu {

void Warpgroup::Issue(std::unique_ptr<WarpgroupPart> part) {
  Warp& warp = *part->warp;
  Lane& lane = warps_[warp.index() % kWarpsPerGroup];
  if (Observer* observer = warp.block().observer()) {
    part->id = observer->OnAsyncIssue(warp, warp.live(), AsyncKind::kWgmma);
  }
  lane.issued.push_back({std::move(part), lane.committed});
  warp.Progress();
  if (warp.block().gang().async.mode() == AsyncCompletion::kEager && Ready()) RunFront();
}

void Warpgroup::Commit(Warp& warp) { ++warps_[warp.index() % kWarpsPerGroup].committed; }

bool Warpgroup::Ready() const {
  return std::all_of(warps_.begin(), warps_.end(),
                     [](const Lane& lane) { return !lane.issued.empty(); });
}

void Warpgroup::RunFront() {
  std::array<WarpgroupPart*, kWarpsPerGroup> parts;
  std::array<AsyncId, kWarpsPerGroup> ids;
  for (int i = 0; i < kWarpsPerGroup; ++i) {
    parts[i] = warps_[i].issued.front().part.get();
    ids[i] = parts[i]->id;
  }
  Warp& warp = *parts[0]->warp;
  Observer* observer = warp.block().observer();
  const AsyncId id = observer == nullptr ? 0 : observer->OnAsyncMerge(ids);
  parts[0]->Run(parts, id);
  for (Lane& lane : warps_) {
    if (observer != nullptr) lane.ended.push_back({id, lane.issued.front().group});
    lane.issued.pop_front();
  }
  warp.Progress();
}

bool Warpgroup::Wait(Warp& warp, uint32_t keep) {
  Lane& lane = warps_[warp.index() % kWarpsPerGroup];
  const uint64_t target = lane.committed > keep ? lane.committed - keep : 0;
  while (!lane.issued.empty() && lane.issued.front().group < target) {
    if (!Ready()) return false;
    RunFront();
  }
  while (!lane.ended.empty() && lane.ended.front().group < target) {
    warp.block().observer()->OnAsyncWaited(lane.ended.front().id, warp, warp.live());
    lane.ended.pop_front();
  }
  return true;
}

void Warpgroup::RunOneReady() {
  if (Ready()) RunFront();
}

}  // namespace emu
