#include "emulator/ptx/copy_groups.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "emulator/ptx/block.h"

namespace emu {

void WarpCopy::Perform() {
  for (LaneMask rest = lanes; rest != 0; rest &= rest - 1) {
    const Copy& copy = copies[std::countr_zero(rest)];
    std::memcpy(copy.to, copy.from, copy.copied);
    std::memset(copy.to + copy.copied, 0, copy.bytes - copy.copied);
  }
}

void CopyGroups::Add(std::shared_ptr<WarpCopy> copy) {
  const LaneMask lanes = copy->lanes;
  open_.push_back({std::move(copy), lanes});
}

void CopyGroups::Commit(LaneMask lanes) {
  Group group{.lanes = lanes};
  for (Entry& entry : open_) {
    const LaneMask mine = entry.lanes & lanes;
    if (mine != 0) group.entries.push_back({entry.copy, mine});
    entry.lanes &= ~lanes;
  }
  std::erase_if(open_, [](const Entry& entry) { return entry.lanes == 0; });
  committed_.push_back(std::move(group));
}

void CopyGroups::Finish(Warp& warp, Group& group, LaneMask lanes) {
  group.lanes &= ~lanes;
  for (Entry& entry : group.entries) {
    const LaneMask mine = entry.lanes & lanes;
    if (mine == 0) continue;
    warp.block().gang().async.Finish(*entry.copy);
    entry.lanes &= ~lanes;
    if (entry.copy->ids.empty()) continue;
    for (LaneMask rest = mine; rest != 0; rest &= rest - 1) {
      const int lane = std::countr_zero(rest);
      warp.block().observer()->OnAsyncWaited(entry.copy->ids[lane], warp, LaneMask{1} << lane);
    }
  }
}

void CopyGroups::Wait(Warp& warp, LaneMask lanes, uint32_t keep, bool all) {
  if (all) Commit(lanes);
  // From the newest group back: lanes that have `keep` newer groups wait for it.
  std::array<uint32_t, kWarpSize> newer{};
  for (size_t i = committed_.size(); i-- > 0;) {
    Group& group = committed_[i];
    LaneMask waiting = 0;
    for (LaneMask rest = group.lanes & lanes; rest != 0; rest &= rest - 1) {
      const int lane = std::countr_zero(rest);
      if (newer[lane]++ >= keep) waiting |= LaneMask{1} << lane;
    }
    if (waiting != 0) Finish(warp, group, waiting);
  }
  std::erase_if(committed_, [](const Group& group) { return group.lanes == 0; });
}

void CopyGroups::Clear() {
  open_.clear();
  committed_.clear();
}

std::vector<std::shared_ptr<WarpCopy>> CopyGroups::Pending(LaneMask lanes) const {
  std::vector<std::shared_ptr<WarpCopy>> result;
  for (const Group& group : committed_) {
    for (const Entry& entry : group.entries) {
      if ((entry.lanes & lanes) != 0) result.push_back(entry.copy);
    }
  }
  for (const Entry& entry : open_) {
    if ((entry.lanes & lanes) != 0) result.push_back(entry.copy);
  }
  return result;
}

}  // namespace emu
