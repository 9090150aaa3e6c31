// What the interpreter tells the checks: the race detector, the uninitialised-read shadow, the
// counters. The one interface between them; every event has an empty default.
//
// One observer per launch, present only if an option asks for a check (MakeObserver). Events of one
// gang (the blocks that one OS thread interleaves) come from one OS thread, those of different
// gangs concurrently. An observer reports a fault of the program by throwing Fault from the event;
// the interpreter adds kernel, block, thread and line.
//
// Order: an access is announced before it is performed. A thread is (block, warp.index() * 32 +
// lane).
#ifndef SWITCHYARD_EMULATOR_PTX_OBSERVER_H_
#define SWITCHYARD_EMULATOR_PTX_OBSERVER_H_

#include <cstdint>
#include <memory>
#include <span>

#include "emulator/ptx/launch.h"
#include "emulator/ptx/op.h"
#include "emulator/ptx/types.h"

namespace emu {

class Block;
class Warp;

enum class MemorySpace : uint8_t { kGlobal, kShared, kLocal, kParam };
enum class AccessKind : uint8_t { kLoad, kStore, kAtomic };
enum class Proxy : uint8_t { kGeneric, kAsync };
// Strength of a memory access or a fence.
enum class Order : uint8_t { kWeak, kVolatile, kRelaxed, kAcquire, kRelease, kAcqRel, kSeqCst };
enum class Scope : uint8_t { kCta, kCluster, kGpu, kSys };

// Where a piece of memory lies. Shared memory belongs to a block of the gang.
struct Location {
  MemorySpace space = MemorySpace::kGlobal;
  const Block* block = nullptr;  // shared: its owner
  uint64_t address = 0;          // shared: offset in the owner's shared memory; else host address
  uint32_t bytes = 0;
};

// One load, store or atomic instruction of a warp.
struct WarpAccess {
  Warp* warp = nullptr;
  const Op* op = nullptr;
  LaneMask lanes = 0;
  AccessKind kind = AccessKind::kLoad;
  Order order = Order::kWeak;
  Scope scope = Scope::kSys;
  MemorySpace space = MemorySpace::kGlobal;  // of all lanes
  uint32_t bytes = 0;                        // per lane
  // Per lane, as in Location; only those in `lanes` are set.
  const uint64_t* addresses = nullptr;
  const Block* const* owners = nullptr;  // kShared: per lane; else null
};

// An asynchronous operation, from its issue to its end: a pseudo-thread that starts with the clock
// that its issuer had at the issue.
using AsyncId = uint64_t;
enum class AsyncKind : uint8_t { kCpAsync, kBulkCopy, kWgmma };

enum class FenceKind : uint8_t {
  kThread,        // fence / membar of a scope
  kProxyAsync,    // fence.proxy.async: generic accesses become visible to the async proxy
  kMbarrierInit,  // fence.mbarrier_init
  kWgmma,         // wgmma.fence
  kProxyOther,    // tensormap, alias
};

class Observer {
 public:
  virtual ~Observer() = default;

  virtual void OnBlockStart(Block&) {}
  virtual void OnBlockEnd(Block&) {}
  virtual void OnWarpExit(Warp&) {}

  // Generic-proxy accesses of the executing warp.
  virtual void OnAccess(const WarpAccess&) {}

  // bar/barrier: lanes of a warp arrive at barrier `id` (0 to 15) of their block; `waits` unless it
  // was bar.arrive. OnBarrierComplete follows the last arrival and releases all that wait.
  virtual void OnBarrierArrive(Warp&, LaneMask, int /*id*/, bool /*waits*/) {}
  virtual void OnBarrierComplete(Block&, int /*id*/) {}
  // barrier.cluster: the same over the threads of a cluster; `wait` is a separate instruction.
  virtual void OnClusterArrive(Warp&, LaneMask, Order) {}
  virtual void OnClusterWait(Warp&, LaneMask, Order) {}
  // bar.warp.sync: these lanes have met.
  virtual void OnWarpSync(Warp&, LaneMask) {}
  virtual void OnFence(Warp&, LaneMask, FenceKind, Order, Scope) {}

  // mbarrier objects, named by their Location (8 bytes). Arrive: one lane's arrival, before it is
  // counted. WaitDone: a test_wait or try_wait of these lanes gave true.
  virtual void OnMbarrierInit(Warp&, int /*lane*/, const Location&, uint32_t /*count*/) {}
  virtual void OnMbarrierInvalidate(Warp&, int /*lane*/, const Location&) {}
  virtual void OnMbarrierArrive(Warp&, int /*lane*/, const Location&) {}
  virtual void OnMbarrierWaitDone(Warp&, int /*lane*/, const Location&) {}
  // The phase ended: pending arrivals and bytes came to zero.
  virtual void OnMbarrierPhase(const Location&) {}

  // Asynchronous operations. Issue: by these lanes of a warp (wgmma: the whole warp). Merge: the
  // parts that four warps issued of one wgmma become one operation. Access: what it reads or writes
  // (wgmma, bulk: async proxy; cp.async: generic). Arrive: its end is announced through an
  // mbarrier. Waited: these lanes waited for its end (wait_group); every operation ends in one or
  // the other, or in End, when nobody waited.
  virtual AsyncId OnAsyncIssue(Warp&, LaneMask, AsyncKind) { return 0; }
  virtual AsyncId OnAsyncMerge(std::span<const AsyncId>) { return 0; }
  virtual void OnAsyncAccess(AsyncId, AccessKind, Proxy, const Location&) {}
  virtual void OnAsyncArrive(AsyncId, const Location& /*mbarrier*/) {}
  virtual void OnAsyncWaited(AsyncId, Warp&, LaneMask) {}
  virtual void OnAsyncEnd(AsyncId) {}

  // Figures for the counters. Tensor work: multiply-accumulates of one instruction; TMA: bytes.
  virtual void OnTensorWork(uint64_t /*macs*/, bool /*warpgroup*/) {}
  virtual void OnBulkBytes(uint64_t /*bytes*/, bool /*load*/) {}
  // At the end of each OS thread's share: how often each op ran, and for how many lanes in sum.
  // Indexed like Kernel::ops().
  struct OpCount {
    uint64_t warps = 0;
    uint64_t lanes = 0;
  };
  virtual void OnOpCounts(const Kernel&, std::span<const OpCount>) {}
};

// The checks that `options` asks for, behind one observer; null if none. What a launch has counted
// is in *counters once the observer is destroyed.
std::unique_ptr<Observer> MakeObserver(const Module& module, const Kernel& kernel,
                                       const LaunchConfig& config, const Options& options,
                                       Counters* counters);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_OBSERVER_H_
