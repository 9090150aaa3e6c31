// Blocks that one OS thread interleaves: one block, a cluster, or the whole grid of a cooperative
// launch. Warps take turns; when none can go on, pending asynchronous operations take effect; when
// there are none either, the gang is deadlocked, or waits for somebody outside.
//
// Owner and thread: one worker of a launch, which reuses it for one gang after another.
#ifndef SWITCHYARD_EMULATOR_PTX_GANG_H_
#define SWITCHYARD_EMULATOR_PTX_GANG_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "emulator/ptx/block.h"

namespace emu {

class Gang {
 public:
  // REQUIRES: `launch` outlives the gang.
  explicit Gang(const LaunchContext& launch);

  // How many gangs a launch has.
  static uint64_t Count(const LaunchContext& launch);
  // Begins gang number `index`.
  void Start(uint64_t index);

  enum class State : uint8_t {
    kEnded,  // every thread has exited and every copy has taken effect
    kRunning,
    kPolling,   // every warp waits; some look at global memory, which others may change
    kDeadlock,  // every warp waits for another of the gang
  };
  // One turn for every warp. Throws Fault.
  State Round(std::vector<Observer::OpCount>* counts);

  // A line for every place where lanes stand.
  std::string DescribeWaiting() const;

 private:
  void RunWarp(Warp& warp, Observer::OpCount* counts);
  State Judge();
  void End();

  const LaunchContext* launch_;
  bool random_;
  GangState state_;
  uint64_t steps_ = 0;  // instructions of warps since Start
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<Cluster> clusters_;
  std::vector<Warp*> order_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_GANG_H_
