// Several checks behind one observer: every event goes to each. Asynchronous operations keep the
// numbers that the race detector, the only check that tells them apart, gives them.
#ifndef SWITCHYARD_EMULATOR_PTX_CHECK_SET_H_
#define SWITCHYARD_EMULATOR_PTX_CHECK_SET_H_

#include <memory>
#include <utility>
#include <vector>

#include "emulator/ptx/observer.h"

namespace emu {

class CheckSet : public Observer {
 public:
  explicit CheckSet(std::vector<std::unique_ptr<Observer>> checks) : checks_(std::move(checks)) {}

  void OnBlockStart(Block& block) override;
  void OnBlockEnd(Block& block) override;
  void OnWarpExit(Warp& warp) override;
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
  void OnTensorWork(uint64_t macs, bool warpgroup) override;
  void OnBulkBytes(uint64_t bytes, bool load) override;
  void OnOpCounts(const Kernel& kernel, std::span<const OpCount> counts) override;

 private:
  std::vector<std::unique_ptr<Observer>> checks_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_CHECK_SET_H_
