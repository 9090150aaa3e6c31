#include "emulator/ptx/counters_observer.h"

#include <atomic>
#include <bit>

#include "emulator/ptx/counters_access.h"
#include "emulator/ptx/kernel.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

uint64_t NextSerial() {
  static std::atomic<uint64_t> serial{0};
  return ++serial;
}

}  // namespace

CountersObserver::CountersObserver(const Kernel& kernel, const LaunchConfig& config,
                                   Counters* counters)
    : kernel_(kernel.name()),
      shape_{.threads = static_cast<uint32_t>(config.block.Count()),
             .dynamic_shared_bytes = config.dynamic_shared_bytes},
      num_blocks_(config.grid.Count()),
      serial_(NextSerial()),
      counters_(counters) {}

CountersObserver::~CountersObserver() {
  KernelCounters sum;
  for (const auto& [thread, part] : parts_) sum.Add(*part);
  sum.launches = 1;
  sum.shapes[shape_] = {.launches = 1, .blocks_max = num_blocks_};
  counters_->Add(kernel_, sum);
}

void CountersObserver::OnBlockStart(Block&) { ++Mine().blocks; }

void CountersObserver::OnAccess(const WarpAccess& access) {
  KernelCounters& mine = Mine();
  if (access.space == MemorySpace::kGlobal) {
    KernelCounters::Global& global = access.kind == AccessKind::kLoad    ? mine.loads
                                     : access.kind == AccessKind::kStore ? mine.stores
                                                                         : mine.atomics;
    CountGlobal(access.lanes, access.addresses, access.bytes, &global);
    return;
  }
  if (access.space != MemorySpace::kShared) return;
  LaneMask own = 0;
  for (LaneMask lanes = access.lanes; lanes != 0; lanes &= lanes - 1) {
    const int lane = std::countr_zero(lanes);
    if (access.owners[lane] == &access.warp->block()) own |= LaneMask{1} << lane;
  }
  if (own != access.lanes) ++mine.cluster_shared_requests;
  if (own == 0) return;
  KernelCounters::Shared& shared = access.kind == AccessKind::kLoad    ? mine.shared_loads
                                   : access.kind == AccessKind::kStore ? mine.shared_stores
                                                                       : mine.shared_atomics;
  CountShared(own, access.addresses, access.bytes, &shared);
}

void CountersObserver::OnTensorWork(uint64_t macs, bool warpgroup) {
  (warpgroup ? Mine().wgmma_macs : Mine().mma_macs) += macs;
}

void CountersObserver::OnBulkBytes(uint64_t bytes, bool load) {
  (load ? Mine().bulk_load_bytes : Mine().bulk_store_bytes) += bytes;
}

void CountersObserver::OnOpCounts(const Kernel& kernel, std::span<const OpCount> counts) {
  KernelCounters& mine = Mine();
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i].warps == 0) continue;
    KernelCounters::Opcode& opcode = mine.opcodes[kernel.mnemonics()[kernel.ops()[i].mnemonic]];
    opcode.warps += counts[i].warps;
    opcode.lanes += counts[i].lanes;
    mine.warp_instructions += counts[i].warps;
    mine.thread_instructions += counts[i].lanes;
  }
}

KernelCounters& CountersObserver::Mine() {
  static thread_local uint64_t serial = 0;
  static thread_local KernelCounters* mine = nullptr;
  if (serial != serial_) {
    const std::lock_guard lock(mutex_);
    std::unique_ptr<KernelCounters>& part = parts_[std::this_thread::get_id()];
    if (!part) part = std::make_unique<KernelCounters>();
    mine = part.get();
    serial = serial_;
  }
  return *mine;
}

}  // namespace emu
