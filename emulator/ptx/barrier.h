// The sixteen named barriers of a block, and the barrier of a cluster.
//
// A barrier counts threads, a whole warp at a time for the .aligned forms. Without a count it waits
// for all threads of the block that have not exited.
#ifndef SWITCHYARD_EMULATOR_PTX_BARRIER_H_
#define SWITCHYARD_EMULATOR_PTX_BARRIER_H_

#include <array>
#include <cstdint>
#include <vector>

#include "emulator/ptx/types.h"

namespace emu {

class Block;
class Warp;
struct Cluster;

constexpr int kNumBarriers = 16;

// What bar.red computes over the threads that wait.
enum class BarrierReduction : uint8_t { kNone, kPopc, kAnd, kOr };

struct BarrierArrival {
  int id = 0;
  uint32_t count = 0;  // threads expected; 0: all of the block
  bool waits = true;
  BarrierReduction reduction = BarrierReduction::kNone;
  LaneMask predicate = 0;  // bar.red: lanes whose predicate holds
  int32_t result = -1;     // bar.red: slot of the result in the warp's registers
};

class Barriers {
 public:
  void Reset(size_t num_warps);
  // Lanes of a warp arrive. If they wait, they are parked (Warp::Park) until the barrier completes,
  // which may be at once.
  void Arrive(Block& block, Warp& warp, LaneMask lanes, const BarrierArrival& arrival);
  // A warp, or lanes of it, exited: barriers that wait for all may now be complete.
  void CheckExits(Block& block);
  uint32_t arrived(int id) const { return barriers_[id].arrived; }
  uint32_t expected(int id) const { return barriers_[id].expected; }

 private:
  struct State {
    uint32_t arrived = 0;   // threads
    uint32_t expected = 0;  // 0: all
    BarrierReduction reduction = BarrierReduction::kNone;
    uint32_t reduced = 0;           // threads whose predicate held
    uint32_t reducing = 0;          // threads that take part in the reduction
    std::vector<LaneMask> lanes;    // arrived, by warp
    std::vector<LaneMask> waiting;  // parked, by warp
    std::vector<int32_t> result;    // by warp
  };
  void CompleteIfFull(Block& block, int id);
  void Complete(Block& block, int id);

  std::array<State, kNumBarriers> barriers_;
};

// barrier.cluster.arrive / .wait. Threads that have exited count as arrived.
class ClusterBarrier {
 public:
  void Reset();
  void Arrive(Cluster& cluster, Warp& warp, LaneMask lanes);
  // Whether the phase that these lanes have arrived at has ended.
  bool Done(const Warp& warp, LaneMask lanes) const;
  void CheckExits(Cluster& cluster);

 private:
  uint64_t phase_ = 0;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_BARRIER_H_
