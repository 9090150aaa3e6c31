// The groups of cp.async copies of a warp's threads. Each thread has its own sequence of groups;
// since the threads of a warp nearly always commit and wait together, they are kept for the warp,
// each with the lanes that it belongs to.
//
// Owner: the warp. Thread: the gang's.
#ifndef SWITCHYARD_EMULATOR_PTX_COPY_GROUPS_H_
#define SWITCHYARD_EMULATOR_PTX_COPY_GROUPS_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "emulator/ptx/async_queue.h"
#include "emulator/ptx/observer.h"
#include "emulator/ptx/types.h"

namespace emu {

// One cp.async instruction: up to 32 copies that take effect together.
class WarpCopy : public AsyncOp {
 public:
  struct Copy {
    std::byte* to = nullptr;
    const std::byte* from = nullptr;
    uint32_t bytes = 0;   // written
    uint32_t copied = 0;  // of them; the rest becomes zero
  };
  LaneMask lanes = 0;
  std::array<Copy, kWarpSize> copies;
  std::vector<AsyncId> ids;  // by lane, if somebody observes

 private:
  void Perform() override;
};

class CopyGroups {
 public:
  void Add(std::shared_ptr<WarpCopy> copy);
  // These lanes close the group of what they have added since their last commit.
  void Commit(LaneMask lanes);
  // Forces, for these lanes, all groups but the newest `keep`. With all = true what is not
  // committed too.
  void Wait(Warp& warp, LaneMask lanes, uint32_t keep, bool all);
  void Clear();
  // The copies that these lanes have added and not yet waited for, committed or not.
  std::vector<std::shared_ptr<WarpCopy>> Pending(LaneMask lanes) const;

 private:
  struct Entry {
    std::shared_ptr<WarpCopy> copy;
    LaneMask lanes = 0;  // of the copy's lanes, those in this group that have not waited
  };
  struct Group {
    LaneMask lanes = 0;  // that have not waited for it
    std::vector<Entry> entries;
  };
  void Finish(Warp& warp, Group& group, LaneMask lanes);

  std::vector<Entry> open_;
  std::deque<Group> committed_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_COPY_GROUPS_H_
