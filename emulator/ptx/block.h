// The running state of blocks: shared memory, barriers, warps; the gang of blocks that one OS
// thread interleaves (one block, a cluster, or the whole grid of a cooperative launch).
#ifndef SWITCHYARD_EMULATOR_PTX_BLOCK_H_
#define SWITCHYARD_EMULATOR_PTX_BLOCK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "emulator/ptx/async_queue.h"
#include "emulator/ptx/barrier.h"
#include "emulator/ptx/launch.h"
#include "emulator/ptx/observer.h"
#include "emulator/ptx/warp.h"
#include "emulator/ptx/warpgroup.h"

namespace emu {

// What all blocks of a launch share.
struct LaunchContext {
  const Module* module = nullptr;
  const Kernel* kernel = nullptr;
  const LaunchConfig* config = nullptr;
  const Options* options = nullptr;
  Observer* observer = nullptr;       // may be null
  const std::byte* params = nullptr;  // 128-byte aligned copy; generic addresses point into it
  std::byte* grid_workspace = nullptr;  // of grid.sync; null unless cooperative
  uint32_t shared_bytes = 0;            // per block, static and dynamic
};

struct Cluster;

// What the blocks of one gang share. `progress` counts events that may let a waiting warp go on:
// stores, arrivals, completions; the scheduler compares it to find out that nobody can.
struct GangState {
  GangState(AsyncCompletion mode, uint64_t seed) : random(seed), async(mode, &random) {}
  Random random;
  AsyncQueue async;
  uint64_t progress = 0;
};

class Block {
 public:
  Block(const LaunchContext& launch, GangState& gang);
  // Ready to run block `index` of the grid as rank `rank` of `cluster`.
  void Start(uint64_t index, Cluster* cluster, uint32_t rank);

  const LaunchContext& launch() const { return *launch_; }
  GangState& gang() const { return *gang_; }
  Observer* observer() const { return launch_->observer; }

  uint64_t index() const { return index_; }           // linear, in the grid
  const Dim3& position() const { return position_; }  // blockIdx
  Cluster* cluster() const { return cluster_; }
  uint32_t cluster_rank() const { return rank_; }

  std::byte* shared() const { return shared_; }  // 1024-byte aligned
  uint32_t shared_bytes() const { return launch_->shared_bytes; }

  std::vector<Warp>& warps() { return warps_; }
  int live_warps() const { return live_warps_; }
  void WarpExited(Warp& warp);
  void LanesExited();
  Barriers& barriers() { return barriers_; }
  // Of the four warps that `warp` belongs to. Throws Fault if the block ends within it.
  Warpgroup& WarpgroupOf(const Warp& warp);
  std::vector<std::unique_ptr<Warpgroup>>& warpgroups() { return warpgroups_; }

 private:
  const LaunchContext* launch_;
  GangState* gang_;
  uint64_t index_ = 0;
  Dim3 position_;
  Cluster* cluster_ = nullptr;
  uint32_t rank_ = 0;
  std::vector<std::byte> shared_storage_;
  std::byte* shared_ = nullptr;
  std::vector<std::byte> registers_;
  std::vector<std::byte> local_;
  std::vector<Warp> warps_;
  int live_warps_ = 0;
  Barriers barriers_;
  std::vector<std::unique_ptr<Warpgroup>> warpgroups_;
};

// The blocks of one cluster; of a launch without clusters, one block.
struct Cluster {
  std::vector<Block*> blocks;  // by rank
  ClusterBarrier barrier;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_BLOCK_H_
