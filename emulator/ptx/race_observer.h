// Feeds the race detector from the interpreter's events.
//
// Owner: the launch. Thread: one; race mode runs all gangs on one OS thread.
#ifndef SWITCHYARD_EMULATOR_PTX_RACE_OBSERVER_H_
#define SWITCHYARD_EMULATOR_PTX_RACE_OBSERVER_H_

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "emulator/ptx/observer.h"
#include "emulator/ptx/race_domain.h"

namespace emu {

struct Cluster;

class RaceObserver : public Observer {
 public:
  RaceObserver(const Kernel& kernel, const LaunchConfig& config);

  void OnBlockStart(Block& block) override;
  void OnBlockEnd(Block& block) override;
  void OnAccess(const WarpAccess& access) override;
  void OnBarrierArrive(Warp& warp, LaneMask lanes, int id, bool waits) override;
  void OnBarrierComplete(Block& block, int id) override;
  void OnClusterArrive(Warp& warp, LaneMask lanes, Order order) override;
  void OnClusterWait(Warp& warp, LaneMask lanes, Order order) override;
  void OnWarpSync(Warp& warp, LaneMask lanes) override;
  void OnFence(Warp& warp, LaneMask lanes, FenceKind kind, Order order, Scope scope) override;
  void OnMbarrierInit(Warp& warp, int lane, const Location& at, uint32_t count) override;
  void OnMbarrierInvalidate(Warp& warp, int lane, const Location& at) override;
  void OnMbarrierArrive(Warp& warp, int lane, const Location& at) override;
  void OnMbarrierWaitDone(Warp& warp, int lane, const Location& at) override;
  void OnMbarrierPhase(const Location& at) override;
  AsyncId OnAsyncIssue(Warp& warp, LaneMask lanes, AsyncKind kind) override;
  AsyncId OnAsyncMerge(std::span<const AsyncId> parts) override;
  void OnAsyncAccess(AsyncId id, AccessKind kind, Proxy proxy, const Location& at) override;
  void OnAsyncArrive(AsyncId id, const Location& mbarrier) override;
  void OnAsyncWaited(AsyncId id, Warp& warp, LaneMask lanes) override;
  void OnAsyncEnd(AsyncId id) override;

 private:
  struct Entry {
    std::unique_ptr<RaceDomain> domain;
    uint32_t live_blocks = 0;
  };

  RaceDomain& DomainOf(const Block& block);
  // Null: the operation's domain has ended.
  RaceDomain* DomainOf(AsyncId id);
  RaceLanes LanesOf(const Warp& warp, LaneMask lanes) const;

  const uint32_t blocks_per_cluster_;
  const uint32_t warps_per_block_;
  RaceDetector detector_;
  std::unordered_map<const Cluster*, Entry> domains_;
  std::unordered_map<uint32_t, RaceDomain*> by_id_;
  uint32_t last_id_ = 0;
  const Cluster* last_cluster_ = nullptr;  // and its domain, asked for last
  RaceDomain* last_domain_ = nullptr;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_RACE_OBSERVER_H_
