// wgmma is an operation of a warpgroup, four warps of a block. Each warp issues its part; the parts
// of the four warps' n-th operations run together, once all four have issued theirs and the mode
// wants it (at the latest when a warp waits). A wait of one warp blocks until its operations have
// run, which needs the other three to have issued them.
//
// Owner: the block, one per warpgroup. Thread: the gang's.
#ifndef SWITCHYARD_EMULATOR_PTX_WARPGROUP_H_
#define SWITCHYARD_EMULATOR_PTX_WARPGROUP_H_

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "emulator/ptx/observer.h"
#include "emulator/ptx/op.h"

namespace emu {

constexpr int kWarpsPerGroup = 4;

// One warp's part of one wgmma.mma_async, with everything read at issue: descriptors, scale-d, the
// A fragment of the RS form. The accumulator registers are read and written by Run.
class WarpgroupPart {
 public:
  virtual ~WarpgroupPart() = default;
  Warp* warp = nullptr;
  const Op* op = nullptr;
  AsyncId id = 0;

 private:
  friend class Warpgroup;
  // Runs the operation of all four parts. Called on part 0; `parts` are in warp order, all of the
  // same dynamic type. `id` is the merged operation for observer events. Throws Fault if the parts
  // disagree.
  virtual void Run(const std::array<WarpgroupPart*, kWarpsPerGroup>& parts, AsyncId id) = 0;
};

class Warpgroup {
 public:
  // Issues a part; in eager mode it runs as soon as the fourth warp's is there.
  void Issue(std::unique_ptr<WarpgroupPart> part);
  void Commit(Warp& warp);
  // wait_group keep: true when every committed group but the newest `keep` of this warp has run;
  // false: other warps have still to issue theirs (the caller returns Step::kRetry).
  bool Wait(Warp& warp, uint32_t keep);
  // In random mode, called once per scheduler round.
  void RunOneReady();

 private:
  struct Issued {
    std::unique_ptr<WarpgroupPart> part;
    uint64_t group = 0;
  };
  struct Ended {
    AsyncId id = 0;
    uint64_t group = 0;
  };
  struct Lane {
    std::deque<Issued> issued;
    std::deque<Ended> ended;  // run but not waited for
    uint64_t committed = 0;
  };
  bool Ready() const;
  void RunFront();

  std::array<Lane, kWarpsPerGroup> warps_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_WARPGROUP_H_
