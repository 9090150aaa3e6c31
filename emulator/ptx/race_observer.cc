#include "emulator/ptx/race_observer.h"

#include <algorithm>
#include <bit>
#include <string>

#include "emulator/ptx/block.h"
#include "emulator/ptx/kernel.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

bool UsesCopies(const Kernel& kernel) {
  return std::any_of(
      kernel.mnemonics().begin(), kernel.mnemonics().end(), [](const std::string& mnemonic) {
        return mnemonic.starts_with("cp.async.") && !mnemonic.starts_with("cp.async.bulk");
      });
}

RacePlace PlaceOf(const Location& at) {
  const bool shared = at.space == MemorySpace::kShared;
  return {shared, shared ? at.block->cluster_rank() : 0, at.address, at.bytes};
}

AsyncId IdOf(const RaceDomain& domain, uint32_t op) { return uint64_t{domain.id()} << 32 | op; }
uint32_t OpOf(AsyncId id) { return static_cast<uint32_t>(id); }

}  // namespace

RaceObserver::RaceObserver(const Kernel& kernel, const LaunchConfig& config)
    : blocks_per_cluster_(static_cast<uint32_t>(config.cluster.Count())),
      warps_per_block_(static_cast<uint32_t>((config.block.Count() + kWarpSize - 1) / kWarpSize)),
      detector_({.uses_copies = UsesCopies(kernel), .line_text = [&kernel](uint32_t line) {
                   return std::string(kernel.LineText(line));
                 }}) {}

void RaceObserver::OnBlockStart(Block& block) {
  Entry& entry = domains_[block.cluster()];
  if (!entry.domain) {
    entry.domain =
        std::make_unique<RaceDomain>(&detector_, ++last_id_, blocks_per_cluster_, warps_per_block_);
    by_id_[last_id_] = entry.domain.get();
  }
  ++entry.live_blocks;
}

void RaceObserver::OnBlockEnd(Block& block) {
  const auto it = domains_.find(block.cluster());
  if (it == domains_.end() || --it->second.live_blocks > 0) return;
  by_id_.erase(it->second.domain->id());
  domains_.erase(it);
  last_cluster_ = nullptr;
}

void RaceObserver::OnAccess(const WarpAccess& access) {
  const bool shared = access.space == MemorySpace::kShared;
  if (!shared && access.space != MemorySpace::kGlobal) return;
  RaceDomain& domain = DomainOf(access.warp->block());
  const RaceLanes at = {
      access.warp->block().cluster_rank() * warps_per_block_ + access.warp->index(), access.lanes,
      access.op->line};
  uint32_t owners[kWarpSize];
  if (shared) {
    for (LaneMask lanes = access.lanes; lanes != 0; lanes &= lanes - 1) {
      const int lane = std::countr_zero(lanes);
      owners[lane] = access.owners[lane]->cluster_rank();
    }
  }
  domain.AccessLanes(at, {.addresses = access.addresses,
                          .owners = shared ? owners : nullptr,
                          .bytes = access.bytes,
                          .kind = access.kind,
                          .order = access.order,
                          .scope = access.scope});
}

void RaceObserver::OnBarrierArrive(Warp& warp, LaneMask lanes, int id, bool waits) {
  DomainOf(warp.block())
      .BarrierArrive(LanesOf(warp, lanes), warp.block().cluster_rank(), id, waits);
}

void RaceObserver::OnBarrierComplete(Block& block, int id) {
  DomainOf(block).BarrierComplete(block.cluster_rank(), id);
}

void RaceObserver::OnClusterArrive(Warp& warp, LaneMask lanes, Order order) {
  DomainOf(warp.block()).ClusterArrive(LanesOf(warp, lanes), order != Order::kRelaxed);
}

void RaceObserver::OnClusterWait(Warp& warp, LaneMask lanes, Order) {
  DomainOf(warp.block()).ClusterWait(LanesOf(warp, lanes));
}

void RaceObserver::OnWarpSync(Warp& warp, LaneMask lanes) {
  DomainOf(warp.block()).WarpSync(LanesOf(warp, lanes));
}

void RaceObserver::OnFence(Warp& warp, LaneMask lanes, FenceKind kind, Order, Scope scope) {
  RaceDomain& domain = DomainOf(warp.block());
  const RaceLanes at = LanesOf(warp, lanes);
  switch (kind) {
    case FenceKind::kThread:
      return domain.ThreadFence(at, scope);
    case FenceKind::kProxyAsync:
      return domain.ProxyFence(at);
    case FenceKind::kMbarrierInit:
      return domain.MbarrierInitFence(at);
    case FenceKind::kWgmma:
      return domain.WarpSync(at);
    case FenceKind::kProxyOther:
      return;
  }
}

void RaceObserver::OnMbarrierInit(Warp& warp, int lane, const Location& at, uint32_t) {
  DomainOf(warp.block()).MbarrierInit(LanesOf(warp, LaneMask{1} << lane), lane, PlaceOf(at));
}

void RaceObserver::OnMbarrierInvalidate(Warp& warp, int, const Location& at) {
  DomainOf(warp.block()).MbarrierInvalidate(PlaceOf(at));
}

void RaceObserver::OnMbarrierArrive(Warp& warp, int lane, const Location& at) {
  DomainOf(warp.block()).MbarrierArrive(LanesOf(warp, LaneMask{1} << lane), lane, PlaceOf(at));
}

void RaceObserver::OnMbarrierWaitDone(Warp& warp, int lane, const Location& at) {
  DomainOf(warp.block()).MbarrierWaitDone(LanesOf(warp, LaneMask{1} << lane), lane, PlaceOf(at));
}

void RaceObserver::OnMbarrierPhase(const Location& at) {
  DomainOf(*at.block).MbarrierPhase(PlaceOf(at));
}

AsyncId RaceObserver::OnAsyncIssue(Warp& warp, LaneMask lanes, AsyncKind kind) {
  RaceDomain& domain = DomainOf(warp.block());
  return IdOf(domain, domain.AsyncIssue(LanesOf(warp, lanes), kind));
}

AsyncId RaceObserver::OnAsyncMerge(std::span<const AsyncId> parts) {
  RaceDomain* domain = DomainOf(parts.front());
  if (domain == nullptr) return 0;
  std::vector<uint32_t> ops;
  for (const AsyncId part : parts) ops.push_back(OpOf(part));
  return IdOf(*domain, domain->AsyncMerge(ops));
}

void RaceObserver::OnAsyncAccess(AsyncId id, AccessKind kind, Proxy proxy, const Location& at) {
  RaceDomain* domain = DomainOf(id);
  if (domain == nullptr) return;
  uint8_t flags = RaceFlagsOf(kind, Order::kWeak);
  if (proxy == Proxy::kAsync) flags |= kRaceAsync;
  domain->AsyncAccess(OpOf(id), PlaceOf(at), flags);
}

void RaceObserver::OnAsyncArrive(AsyncId id, const Location& mbarrier) {
  RaceDomain* domain = DomainOf(id);
  if (domain != nullptr) domain->AsyncArrive(OpOf(id), PlaceOf(mbarrier));
}

void RaceObserver::OnAsyncWaited(AsyncId id, Warp& warp, LaneMask lanes) {
  RaceDomain* domain = DomainOf(id);
  if (domain != nullptr) domain->AsyncWaited(OpOf(id), LanesOf(warp, lanes));
}

void RaceObserver::OnAsyncEnd(AsyncId id) {
  RaceDomain* domain = DomainOf(id);
  if (domain != nullptr) domain->AsyncEnd(OpOf(id));
}

RaceDomain& RaceObserver::DomainOf(const Block& block) {
  if (block.cluster() != last_cluster_ || last_domain_ == nullptr) {
    last_cluster_ = block.cluster();
    last_domain_ = domains_.at(last_cluster_).domain.get();
  }
  return *last_domain_;
}

RaceDomain* RaceObserver::DomainOf(AsyncId id) {
  const auto domain_id = static_cast<uint32_t>(id >> 32);
  if (last_cluster_ != nullptr && last_domain_->id() == domain_id) return last_domain_;
  const auto it = by_id_.find(domain_id);
  return it == by_id_.end() ? nullptr : it->second;
}

RaceLanes RaceObserver::LanesOf(const Warp& warp, LaneMask lanes) const {
  const auto ops = warp.kernel().ops();
  const uint32_t pc = warp.current_pc();
  return {warp.block().cluster_rank() * warps_per_block_ + warp.index(), lanes,
          pc < ops.size() ? ops[pc].line : 0};
}

}  // namespace emu
