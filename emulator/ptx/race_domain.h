// The race detector for one domain: a cluster's threads, its shared memory, its barriers and its
// asynchronous operations. RaceDetector (race_detector.h) holds what domains share. Speaks in
// indices, not in warps and blocks of the interpreter, so that tests can drive it alone.
//
// A thread's index is warp * 32 + lane, with warps counted over the blocks of the cluster. Indices
// behind the threads belong to asynchronous operations (pseudo-threads).
//
// The rules, as the hardware's public kernels rely on them:
//  - A barrier, an mbarrier phase, __syncwarp and wgmma.fence order; shuffles and votes do not.
//  - Each thread has two clocks, one per proxy. An ordinary write that TMA or wgmma reads (or
//    overwrites) needs fence.proxy.async by the writer, then an order. Reads need only the order.
//  - A bulk copy belongs to a pseudo-thread that starts with its issuer's clock at the issue. Its
//    end is published through the mbarrier whose bytes it counts, never by the arrival that
//    announced them. An mbarrier's waiters learn what was arrived in the phases that have ended.
//  - A wgmma belongs to its warpgroup: it starts with what the four warps knew when they issued it,
//    and a wait of any one of them learns all of it.
//  - cp.async: nobody, its own thread included, may touch the bytes before that thread has waited.
//  - Release and acquire operations order through the location they name; a fence and a relaxed or
//    volatile access count as one. Scope .cta orders inside one block only.
//
// Thread: the launch's. A conflict is thrown as Fault.
#ifndef SWITCHYARD_EMULATOR_PTX_RACE_DOMAIN_H_
#define SWITCHYARD_EMULATOR_PTX_RACE_DOMAIN_H_

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "emulator/ptx/observer.h"
#include "emulator/ptx/race_cell.h"
#include "emulator/ptx/race_clock.h"
#include "emulator/ptx/race_detector.h"
#include "emulator/ptx/types.h"

namespace emu {

// A warp's lanes at one PTX line.
struct RaceLanes {
  uint32_t warp = 0;  // in the domain
  LaneMask lanes = 0;
  uint32_t line = 0;
};

// A piece of memory: of block `block` of the domain, or global.
struct RacePlace {
  bool shared = true;
  uint32_t block = 0;
  uint64_t address = 0;
  uint32_t bytes = 0;
};

class RaceDomain {
 public:
  RaceDomain(RaceDetector* detector, uint32_t id, uint32_t num_blocks, uint32_t warps_per_block);

  uint32_t id() const { return id_; }

  // --- accesses of threads; `flags` as RaceFlags ---
  // The lanes' bytes, one lane after another. addresses: by lane; owners: by lane, the blocks of
  // the domain whose shared memory it is, null for global memory. With a strength (not kWeak), what
  // it orders too.
  struct Lanes {
    const uint64_t* addresses = nullptr;
    const uint32_t* owners = nullptr;
    uint32_t bytes = 0;  // per lane
    AccessKind kind = AccessKind::kLoad;
    Order order = Order::kWeak;
    Scope scope = Scope::kSys;
  };
  void AccessLanes(const RaceLanes& at, const Lanes& access);
  // One lane's bytes.
  void Access(const RaceLanes& at, int lane, const RacePlace& place, uint8_t flags);
  // Which order the access has besides. Call after Access, per lane; EndSync once per instruction.
  void Synchronise(const RaceLanes& at, int lane, const RacePlace& place, AccessKind kind,
                   Order order, Scope scope);
  void EndSync(const RaceLanes& at) { ++warp_epoch_[at.warp]; }

  // --- barriers and fences ---
  void BarrierArrive(const RaceLanes& at, uint32_t block, int id, bool waits);
  void BarrierComplete(uint32_t block, int id);
  void ClusterArrive(const RaceLanes& at, bool release);
  void ClusterWait(const RaceLanes& at);
  void WarpSync(const RaceLanes& at);
  void ThreadFence(const RaceLanes& at, Scope scope);
  void ProxyFence(const RaceLanes& at);
  void MbarrierInitFence(const RaceLanes& at);

  // --- mbarriers ---
  void MbarrierInit(const RaceLanes& at, int lane, const RacePlace& place);
  void MbarrierInvalidate(const RacePlace& place);
  void MbarrierArrive(const RaceLanes& at, int lane, const RacePlace& place);
  void MbarrierWaitDone(const RaceLanes& at, int lane, const RacePlace& place);
  void MbarrierPhase(const RacePlace& place);

  // --- asynchronous operations ---
  // Operations have numbers from 1. kCpAsync: one lane's.
  uint32_t AsyncIssue(const RaceLanes& at, AsyncKind kind);
  uint32_t AsyncMerge(std::span<const uint32_t> parts);
  void AsyncAccess(uint32_t op, const RacePlace& place, uint8_t flags);
  void AsyncArrive(uint32_t op, const RacePlace& mbarrier);
  void AsyncWaited(uint32_t op, const RaceLanes& at);
  void AsyncEnd(uint32_t op) { ops_.erase(op); }

  // "thread 5 of block 1", "an asynchronous copy of thread 0".
  std::string Describe(uint32_t index) const;

 private:
  struct FenceMark {  // what a thread knew at its last fence; null clock: none
    ClockPtr clock;
    uint32_t epoch = 0;
    uint32_t fenced = 0;
    uint32_t copies_done = 0;
    uint32_t copies_fenced = 0;
    Scope scope = Scope::kSys;
  };
  struct Thread {
    ClockPtr clock;
    uint32_t fenced = 0;
    uint32_t copies_done = 0;
    uint32_t copies_fenced = 0;
    FenceMark fence;
    ClockPtr pending_wide;    // learnt by relaxed reads, to be had with the next fence
    ClockPtr pending_narrow;  // the same, published inside this thread's block
  };
  struct Barrier {
    std::unique_ptr<ClockBuilder> arrived;
    std::vector<RaceLanes> waiting;
  };
  struct Mbarrier {
    std::unique_ptr<ClockBuilder> arrived;  // of the phase that runs
    ClockPtr done;                          // of all that have ended
    uint32_t init_index = 0;
    uint32_t init_epoch = 0;
    bool init_fenced = false;
  };
  struct ClusterPhase {
    uint64_t number = ~uint64_t{0};
    std::unique_ptr<ClockBuilder> arrived;
    ClockPtr done;
  };
  struct AsyncOp {
    AsyncKind kind = AsyncKind::kBulkCopy;
    ClockPtr clock;      // the issuer's, at the issue; kCpAsync: without its own epochs
    RaceActor actor;     // its accesses
    uint32_t warp = 0;   // the issuer's
    uint32_t waits = 1;  // events until it can be forgotten
  };
  struct Pseudo {
    uint32_t epoch = 0;
    uint32_t issuer = 0;  // a thread, for reports
  };

  // race_mbarrier.cc
  // A relaxed arrival publishes the initialisations that fence.mbarrier_init has released.
  void PublishInits(ClockBuilder* builder, uint32_t thread) const;
  // race_domain.cc
  RaceActor ActorOf(const RaceLanes& at, int lane) const;
  void Touch(const RaceActor& actor, int lane, const RacePlace& place, uint8_t flags) {
    RaceCells& cells = place.shared ? *shared_[place.block] : detector_->global_cells();
    const auto conflict = cells.Access(actor, place.address, place.bytes, flags);
    if (conflict) Report(actor, lane, place, flags, *conflict);
  }
  void AddOwn(ClockBuilder* builder, uint32_t warp, int lane) const;
  void JoinLanes(ClockBuilder* builder, const RaceLanes& at) const;
  // The lanes learn `clock`. Lanes that shared one clock share the result.
  void Learn(const RaceLanes& at, const ClockPtr& clock);
  ClockPtr Snapshot(uint32_t warp, int lane) const;
  std::unique_ptr<ClockBuilder> NewBuilder() const;
  uint32_t CopyIndex(uint32_t thread) const { return copies_begin_ + thread; }

  // race_report.cc
  [[noreturn]] void Report(const RaceActor& actor, int lane, const RacePlace& place, uint8_t flags,
                           const RaceConflict& conflict) const;

  // race_sync.cc
  ClockPtr FenceSnapshot(uint32_t thread) const;
  void Publish(const RaceLanes& at, int lane, RaceSyncLocation* location, AccessKind kind,
               Order order, Scope scope);
  void Acquire(const RaceLanes& at, int lane, const RaceSyncLocation& location, Order order,
               Scope scope);

  // race_mbarrier.cc
  Mbarrier& CheckedMbarrier(const RaceActor& actor, int lane, const RacePlace& place);

  // race_async.cc
  uint32_t PseudoThread(const Clock& known);
  // Makes the operation a pseudo-thread's.
  void Adopt(AsyncOp* op, uint32_t pseudo, uint32_t line);
  void JoinEnd(ClockBuilder* builder, const AsyncOp& op) const;
  AsyncOp& Op(uint32_t op);

  RaceDetector* detector_;
  const uint32_t id_;
  const uint32_t warps_per_block_;
  const uint32_t num_threads_;
  std::vector<Thread> threads_;
  std::vector<uint32_t> warp_epoch_;
  std::vector<uint32_t> warp_copies_;
  std::vector<std::unique_ptr<RaceCells>> shared_;  // by block
  std::vector<std::array<Barrier, 16>> barriers_;   // by block
  std::map<uint64_t, Mbarrier> mbarriers_;          // by block << 32 | offset
  uint32_t unfenced_inits_ = 0;
  ClockPtr wait_from_, wait_done_, wait_to_;  // the last lane that learnt from an mbarrier
  std::array<ClusterPhase, 4> cluster_phases_;
  std::vector<uint64_t> cluster_arrivals_;  // by thread
  RaceSyncLocations shared_sync_;           // by block << 32 | offset
  std::unordered_map<uint32_t, AsyncOp> ops_;
  std::deque<uint32_t> arrived_ops_;  // may arrive at further mbarriers (multicast)
  uint32_t last_op_ = 0;
  uint32_t copies_begin_ = 0;   // indices of cp.async sequences; 0: no cp.async
  uint32_t pseudo_begin_ = 0;   // of the other operations
  std::vector<Pseudo> pseudo_;  // the first of them: one per warpgroup
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_RACE_DOMAIN_H_
