#include "emulator/ptx/check_set.h"

#include "emulator/ptx/counters_observer.h"
#include "emulator/ptx/race_observer.h"
#include "emulator/ptx/shadow_observer.h"

namespace emu {

void CheckSet::OnBlockStart(Block& block) {
  for (const auto& check : checks_) check->OnBlockStart(block);
}

void CheckSet::OnBlockEnd(Block& block) {
  for (const auto& check : checks_) check->OnBlockEnd(block);
}

void CheckSet::OnWarpExit(Warp& warp) {
  for (const auto& check : checks_) check->OnWarpExit(warp);
}

void CheckSet::OnAccess(const WarpAccess& access) {
  for (const auto& check : checks_) check->OnAccess(access);
}

void CheckSet::OnBarrierArrive(Warp& warp, LaneMask lanes, int id, bool waits) {
  for (const auto& check : checks_) check->OnBarrierArrive(warp, lanes, id, waits);
}

void CheckSet::OnBarrierComplete(Block& block, int id) {
  for (const auto& check : checks_) check->OnBarrierComplete(block, id);
}

void CheckSet::OnClusterArrive(Warp& warp, LaneMask lanes, Order order) {
  for (const auto& check : checks_) check->OnClusterArrive(warp, lanes, order);
}

void CheckSet::OnClusterWait(Warp& warp, LaneMask lanes, Order order) {
  for (const auto& check : checks_) check->OnClusterWait(warp, lanes, order);
}

void CheckSet::OnWarpSync(Warp& warp, LaneMask lanes) {
  for (const auto& check : checks_) check->OnWarpSync(warp, lanes);
}

void CheckSet::OnFence(Warp& warp, LaneMask lanes, FenceKind kind, Order order, Scope scope) {
  for (const auto& check : checks_) check->OnFence(warp, lanes, kind, order, scope);
}

void CheckSet::OnMbarrierInit(Warp& warp, int lane, const Location& at, uint32_t count) {
  for (const auto& check : checks_) check->OnMbarrierInit(warp, lane, at, count);
}

void CheckSet::OnMbarrierInvalidate(Warp& warp, int lane, const Location& at) {
  for (const auto& check : checks_) check->OnMbarrierInvalidate(warp, lane, at);
}

void CheckSet::OnMbarrierArrive(Warp& warp, int lane, const Location& at) {
  for (const auto& check : checks_) check->OnMbarrierArrive(warp, lane, at);
}

void CheckSet::OnMbarrierWaitDone(Warp& warp, int lane, const Location& at) {
  for (const auto& check : checks_) check->OnMbarrierWaitDone(warp, lane, at);
}

void CheckSet::OnMbarrierPhase(const Location& at) {
  for (const auto& check : checks_) check->OnMbarrierPhase(at);
}

AsyncId CheckSet::OnAsyncIssue(Warp& warp, LaneMask lanes, AsyncKind kind) {
  AsyncId id = 0;
  for (const auto& check : checks_) {
    const AsyncId theirs = check->OnAsyncIssue(warp, lanes, kind);
    if (theirs != 0) id = theirs;
  }
  return id;
}

AsyncId CheckSet::OnAsyncMerge(std::span<const AsyncId> parts) {
  AsyncId id = 0;
  for (const auto& check : checks_) {
    const AsyncId theirs = check->OnAsyncMerge(parts);
    if (theirs != 0) id = theirs;
  }
  return id;
}

void CheckSet::OnAsyncAccess(AsyncId id, AccessKind kind, Proxy proxy, const Location& at) {
  for (const auto& check : checks_) check->OnAsyncAccess(id, kind, proxy, at);
}

void CheckSet::OnAsyncArrive(AsyncId id, const Location& mbarrier) {
  for (const auto& check : checks_) check->OnAsyncArrive(id, mbarrier);
}

void CheckSet::OnAsyncWaited(AsyncId id, Warp& warp, LaneMask lanes) {
  for (const auto& check : checks_) check->OnAsyncWaited(id, warp, lanes);
}

void CheckSet::OnAsyncEnd(AsyncId id) {
  for (const auto& check : checks_) check->OnAsyncEnd(id);
}

void CheckSet::OnTensorWork(uint64_t macs, bool warpgroup) {
  for (const auto& check : checks_) check->OnTensorWork(macs, warpgroup);
}

void CheckSet::OnBulkBytes(uint64_t bytes, bool load) {
  for (const auto& check : checks_) check->OnBulkBytes(bytes, load);
}

void CheckSet::OnOpCounts(const Kernel& kernel, std::span<const OpCount> counts) {
  for (const auto& check : checks_) check->OnOpCounts(kernel, counts);
}

std::unique_ptr<Observer> MakeObserver(const Module&, const Kernel& kernel,
                                       const LaunchConfig& config, const Options& options,
                                       Counters* counters) {
  std::vector<std::unique_ptr<Observer>> checks;
  if (options.race) checks.push_back(std::make_unique<RaceObserver>(kernel, config));
  if (options.initcheck) checks.push_back(std::make_unique<ShadowObserver>());
  if (options.counters && counters != nullptr) {
    checks.push_back(std::make_unique<CountersObserver>(kernel, config, counters));
  }
  if (checks.empty()) return nullptr;
  if (checks.size() == 1) return std::move(checks.front());
  return std::make_unique<CheckSet>(std::move(checks));
}

}  // namespace emu
