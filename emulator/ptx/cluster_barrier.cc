// barrier.cluster. Each thread arrives, then waits for the phase that it arrived at; a phase ends
// when every live thread of the cluster has arrived.
#include "emulator/ptx/barrier.h"
#include "emulator/ptx/block.h"

namespace emu {

void ClusterBarrier::Reset() { phase_ = 0; }

void ClusterBarrier::Arrive(Cluster& cluster, Warp& warp, LaneMask lanes) {
  if ((warp.cluster_arrived() & lanes) != 0) {
    throw Fault(FaultKind::kIllegalOperation,
                "barrier.cluster.arrive twice without a wait between");
  }
  warp.set_cluster_arrived(warp.cluster_arrived() | lanes);
  warp.Progress();
  CheckExits(cluster);
}

bool ClusterBarrier::Done(const Warp& warp, LaneMask lanes) const {
  return (warp.cluster_passed() & lanes) == lanes;
}

void ClusterBarrier::CheckExits(Cluster& cluster) {
  bool any = false;
  for (Block* block : cluster.blocks) {
    for (const Warp& warp : block->warps()) {
      if ((warp.live() & ~warp.cluster_arrived()) != 0) return;
      any |= warp.live() != 0;
    }
  }
  if (!any) return;
  ++phase_;
  for (Block* block : cluster.blocks) {
    for (Warp& warp : block->warps()) warp.ClusterPhaseEnded();
    ++block->gang().progress;
  }
}

}  // namespace emu
