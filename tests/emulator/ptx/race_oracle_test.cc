// The race detector against happens-before by brute force, on random small programs: threads of two
// blocks, shared and global memory, every kind of synchronisation. Both must stop at the same
// access, for the same reason, or both find nothing.
#include "tests/emulator/ptx/race_oracle.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/race_domain.h"
#include "emulator/ptx/random.h"

namespace emu {
namespace {

constexpr int kDomains = 2;
constexpr int kWarps = 4;  // per domain: one warpgroup
constexpr int kLanes = 2;
constexpr int kThreadsPerDomain = kWarps * kLanes;
constexpr int kThreads = kDomains * kThreadsPerDomain;
constexpr LaneMask kBoth = (1u << kLanes) - 1;
constexpr uint32_t kMbarrierAt = 512;
constexpr uint64_t kGlobalBase = 0x10000;
constexpr int kBytes = 24;  // of shared memory, and of global memory, that programs touch

using Node = RaceOracle::Node;

// One random program, run on both sides at once.
class Program {
 public:
  explicit Program(uint64_t seed) : random_(seed), oracle_(kThreads) {
    for (int d = 0; d < kDomains; ++d) {
      auto& side = sides_[d];
      side.domain = std::make_unique<RaceDomain>(&detector_, d + 1, 1, kWarps);
      side.domain->MbarrierInit(At(d * kThreadsPerDomain), 0, Mbarrier());
      side.domain->MbarrierInitFence(At(d * kThreadsPerDomain));
      oracle_.Step(d * kThreadsPerDomain);
      FullBarrier(d);
    }
  }

  // Empty: the two agreed to the end. Else what they said.
  std::string Run(int steps) {
    try {
      for (int i = 0; i < steps && oracle_.size() < kMaxNodes - 64 && !stopped_; ++i) Step();
    } catch (const Fault& fault) {
      return "step " + std::to_string(oracle_.size()) + ": only the detector: " + fault.message();
    }
    return trouble_;
  }
  bool stopped() const { return stopped_; }
  int size() const { return oracle_.size(); }

 private:
  struct AsyncOp {
    AsyncKind kind = AsyncKind::kBulkCopy;
    uint32_t id = 0;
    int thread = 0;
    Node issue = RaceOracle::kNone;
    Node access = RaceOracle::kNone;
    Node end = RaceOracle::kNone;
    bool write = false;
  };
  struct Side {
    std::unique_ptr<RaceDomain> domain;
    std::vector<Node> mbarrier_arrived;
    Node mbarrier_done = RaceOracle::kNone;
    std::deque<AsyncOp> bulk;                    // issued
    std::array<bool, kWarps> half_arrived = {};  // bar.arrive on barrier 1
    std::vector<Node> half_nodes;
    std::array<int, kWarps> cluster = {};  // 0: free, 1: arrived, 2: may leave
    std::vector<Node> cluster_nodes;
    Node cluster_done = RaceOracle::kNone;
    std::array<bool, kWarps> wgmma_issued = {};
    std::array<uint32_t, kWarps> wgmma_parts = {};
    std::vector<Node> wgmma_nodes;
    std::vector<AsyncOp> wgmma;  // merged, in order
    std::array<size_t, kWarps> wgmma_waited = {};
    Node location = RaceOracle::kNone;  // published through shared offset 256
  };

  static int Lane(int thread) { return thread % kLanes; }
  static uint32_t Warp(int thread) { return thread % kThreadsPerDomain / kLanes; }
  Side& SideOf(int thread) { return sides_[thread / kThreadsPerDomain]; }
  RaceLanes At(int thread) { return {Warp(thread), LaneMask{1} << Lane(thread), ++line_}; }
  RaceLanes WarpAt(int warp) { return {static_cast<uint32_t>(warp), kBoth, ++line_}; }
  static RacePlace Mbarrier() { return {true, 0, kMbarrierAt, 8}; }
  int Thread(int d, int warp, int lane) { return d * kThreadsPerDomain + warp * kLanes + lane; }

  void Step() {
    const int thread = static_cast<int>(random_.Below(kThreads));
    const int d = thread / kThreadsPerDomain;
    switch (random_.Below(24)) {
      case 0:
        return FullBarrier(d);
      case 1:
        return HalfBarrier(d);
      case 2:
        return WarpSync(thread);
      case 3:
        return Arrive(thread);
      case 4:
        return Phase(d);
      case 5:
        return Wait(thread);
      case 6:
        return IssueBulk(thread);
      case 7:
        return PerformBulk(d);
      case 8:
        return EndBulk(d);
      case 9:
        return IssueCopy(thread);
      case 10:
        return PerformCopy(thread);
      case 11:
        return WaitCopies(thread);
      case 12:
        return ProxyFence(thread);
      case 13:
        return Synchronise(thread);
      case 14:
        return Synchronise(thread);
      case 15:
        return Fence(thread);
      case 16:
        return ClusterStep(thread);
      case 17:
        return IssueWgmma(thread);
      case 18:
        return WaitWgmma(thread);
      case 19:
        return ArriveCopies(thread);
      default:
        return Touch(thread);
    }
  }

  // --- accesses ---
  struct Target {
    RacePlace place;
    uint64_t key = 0;  // of its first byte, for the oracle
  };
  Target PickTarget(int thread, bool shared) {
    const uint32_t bytes = 1u << random_.Below(3);
    const uint64_t offset = random_.Below(kBytes / bytes) * bytes;
    const int d = thread / kThreadsPerDomain;
    return {{shared, 0, shared ? offset : kGlobalBase + offset, bytes},
            shared ? (uint64_t(d) + 1) << 32 | offset : kGlobalBase + offset};
  }
  Verdict Judge(const RaceOracle::Actor& actor, const Target& target, bool write) const {
    Verdict first = Verdict::kOrdered;
    for (uint32_t i = 0; i < target.place.bytes && first == Verdict::kOrdered; ++i) {
      first = oracle_.Check(actor, target.key + i, write);
    }
    return first;
  }
  // Runs the access on both sides; `perform` calls the detector.
  template <class Perform>
  void Both(const RaceOracle::Actor& actor, const Target& target, bool write, Verdict verdict,
            Perform perform) {
    std::optional<Fault> fault;
    try {
      perform();
    } catch (const Fault& found) {
      fault = found;
    }
    for (uint32_t i = 0; i < target.place.bytes; ++i) oracle_.Record(actor, target.key + i, write);
    stopped_ = verdict != Verdict::kOrdered;
    if (!fault && !stopped_) return;
    const bool agree = fault && stopped_ && fault->kind() == FaultKind::kRace &&
                       (fault->message().find("fence.proxy.async") != std::string::npos) ==
                           (verdict == Verdict::kNotFenced);
    if (!agree) {
      trouble_ = "the oracle says " + std::to_string(int(verdict)) + ", the detector " +
                 (fault ? fault->message() : "nothing");
    }
    stopped_ = true;
  }
  // Mostly programs without a fault, so that they grow long.
  bool Skip(Verdict verdict) { return verdict != Verdict::kOrdered && random_.Below(40) != 0; }

  void Touch(int thread) {
    const Target target = PickTarget(thread, random_.Below(3) != 0);
    const bool write = random_.Below(2) == 0;
    const Node at = oracle_.Step(thread);
    const RaceOracle::Actor actor = {.thread = thread, .at = at};
    const Verdict verdict = Judge(actor, target, write);
    if (Skip(verdict)) return;
    Both(actor, target, write, verdict, [&] {
      SideOf(thread).domain->Access(At(thread), Lane(thread), target.place,
                                    write ? uint8_t{kRaceWrite} : uint8_t{0});
    });
  }

  void PerformOp(AsyncOp* op, bool write) {
    const bool copy = op->kind == AsyncKind::kCpAsync;
    const Target target = PickTarget(op->thread, true);
    const Node at = oracle_.Add({op->issue});
    const RaceOracle::Actor actor = {.thread = op->thread, .at = at, .async = !copy, .copy = copy};
    const Verdict verdict = Judge(actor, target, write);
    if (Skip(verdict)) return;
    op->access = at;
    oracle_.SetEnd(at, RaceOracle::kNone);
    Both(actor, target, write, verdict, [&] {
      uint8_t flags = write ? kRaceWrite : 0;
      if (!copy) flags |= kRaceAsync;
      SideOf(op->thread).domain->AsyncAccess(op->id, target.place, flags);
    });
  }
  Node EndOp(AsyncOp* op, Node also = RaceOracle::kNone) {
    if (op->end == RaceOracle::kNone) {
      op->end = oracle_.Add({op->access, op->issue, also});
      if (op->access != RaceOracle::kNone) oracle_.SetEnd(op->access, op->end);
    }
    return op->end;
  }

  // --- barriers ---
  void FullBarrier(int d) { FinishBarrier(d, 0, {}, {}); }
  void HalfBarrier(int d) {
    Side& side = sides_[d];
    if (random_.Below(2) == 0) {
      FinishBarrier(d, 1, side.half_arrived, side.half_nodes);
      side.half_arrived = {};
      side.half_nodes.clear();
      return;
    }
    const int warp = static_cast<int>(random_.Below(kWarps));
    if (side.half_arrived[warp] || CountHalf(side) == kWarps - 1) return;
    side.half_arrived[warp] = true;
    for (int lane = 0; lane < kLanes; ++lane) {
      side.half_nodes.push_back(oracle_.Step(Thread(d, warp, lane)));
    }
    side.domain->BarrierArrive(WarpAt(warp), 0, 1, /*waits=*/false);
  }
  static int CountHalf(const Side& side) {
    int count = 0;
    for (const bool arrived : side.half_arrived) count += arrived;
    return count;
  }
  void FinishBarrier(int d, int id, const std::array<bool, kWarps>& arrived,
                     std::vector<Node> nodes) {
    Side& side = sides_[d];
    std::vector<int> waiting;
    for (int warp = 0; warp < kWarps; ++warp) {
      if (arrived[warp]) continue;
      side.domain->BarrierArrive(WarpAt(warp), 0, id, /*waits=*/true);
      for (int lane = 0; lane < kLanes; ++lane) {
        waiting.push_back(Thread(d, warp, lane));
        nodes.push_back(oracle_.Step(waiting.back()));
      }
    }
    Node all = RaceOracle::kNone;
    for (const Node node : nodes) all = oracle_.Add({all, node});
    side.domain->BarrierComplete(0, id);
    for (const int thread : waiting) oracle_.Step(thread, all);
  }
  void WarpSync(int thread) {
    const int d = thread / kThreadsPerDomain;
    const int warp = static_cast<int>(Warp(thread));
    Node all = RaceOracle::kNone;
    for (int lane = 0; lane < kLanes; ++lane) {
      all = oracle_.Add({all, oracle_.last(Thread(d, warp, lane))});
    }
    for (int lane = 0; lane < kLanes; ++lane) oracle_.Step(Thread(d, warp, lane), all);
    SideOf(thread).domain->WarpSync(WarpAt(warp));
  }
  void ClusterStep(int thread) {
    const int d = thread / kThreadsPerDomain;
    const int warp = static_cast<int>(Warp(thread));
    Side& side = sides_[d];
    if (side.cluster[warp] == 0) {
      for (int lane = 0; lane < kLanes; ++lane) {
        side.cluster_nodes.push_back(oracle_.Step(Thread(d, warp, lane)));
      }
      side.domain->ClusterArrive(WarpAt(warp), true);
      side.cluster[warp] = 1;
      for (const int state : side.cluster) {
        if (state == 0) return;
      }
      // Leaving is enough for all that arrived: the phase is over.
      side.cluster_done = RaceOracle::kNone;
      for (const Node node : side.cluster_nodes) {
        side.cluster_done = oracle_.Add({side.cluster_done, node});
      }
      side.cluster_nodes.clear();
      side.cluster.fill(2);
    } else if (side.cluster[warp] == 2) {
      for (int lane = 0; lane < kLanes; ++lane) {
        oracle_.Step(Thread(d, warp, lane), side.cluster_done);
      }
      side.domain->ClusterWait(WarpAt(warp));
      side.cluster[warp] = 3;
      for (const int state : side.cluster) {
        if (state != 3) return;
      }
      side.cluster.fill(0);
    }
  }

  // --- mbarrier, bulk copies ---
  void Arrive(int thread) {
    SideOf(thread).mbarrier_arrived.push_back(oracle_.Step(thread));
    SideOf(thread).domain->MbarrierArrive(At(thread), Lane(thread), Mbarrier());
  }
  void Phase(int d) {
    Side& side = sides_[d];
    for (const Node node : side.mbarrier_arrived) {
      side.mbarrier_done = oracle_.Add({side.mbarrier_done, node});
    }
    side.mbarrier_arrived.clear();
    side.domain->MbarrierPhase(Mbarrier());
  }
  void Wait(int thread) {
    oracle_.Step(thread, SideOf(thread).mbarrier_done);
    SideOf(thread).domain->MbarrierWaitDone(At(thread), Lane(thread), Mbarrier());
  }
  void IssueBulk(int thread) {
    Side& side = SideOf(thread);
    AsyncOp op = {.kind = AsyncKind::kBulkCopy, .thread = thread, .issue = oracle_.Step(thread)};
    op.id = side.domain->AsyncIssue(At(thread), op.kind);
    op.write = random_.Below(2) == 0;
    side.bulk.push_back(op);
  }
  void PerformBulk(int d) {
    Side& side = sides_[d];
    if (side.bulk.empty()) return;
    AsyncOp& op = side.bulk[random_.Below(side.bulk.size())];
    if (op.access == RaceOracle::kNone) PerformOp(&op, op.write);
  }
  void EndBulk(int d) {
    Side& side = sides_[d];
    if (side.bulk.empty()) return;
    const size_t which = random_.Below(side.bulk.size());
    AsyncOp op = side.bulk[which];
    side.bulk.erase(side.bulk.begin() + which);
    const Node end = EndOp(&op);
    if (random_.Below(2) == 0) {
      side.mbarrier_arrived.push_back(end);
      side.domain->AsyncArrive(op.id, Mbarrier());
    } else {
      oracle_.Step(op.thread, end);
      side.domain->AsyncWaited(op.id, At(op.thread));
    }
  }

  // --- cp.async ---
  void IssueCopy(int thread) {
    AsyncOp op = {.kind = AsyncKind::kCpAsync, .thread = thread, .issue = oracle_.Step(thread)};
    op.id = SideOf(thread).domain->AsyncIssue(At(thread), op.kind);
    copies_[thread].push_back(op);
  }
  void PerformCopy(int thread) {
    for (AsyncOp& op : copies_[thread]) {
      if (op.access == RaceOracle::kNone && op.end == RaceOracle::kNone) {
        return PerformOp(&op, /*write=*/true);
      }
    }
  }
  Node EndCopies(int thread) {
    for (AsyncOp& op : copies_[thread]) last_copy_end_[thread] = EndOp(&op, last_copy_end_[thread]);
    return last_copy_end_[thread];
  }
  void WaitCopies(int thread) {
    oracle_.Step(thread, EndCopies(thread));
    for (const AsyncOp& op : copies_[thread]) {
      SideOf(thread).domain->AsyncWaited(op.id, At(thread));
    }
    copies_[thread].clear();
  }
  void ArriveCopies(int thread) {
    if (copies_[thread].empty()) return;
    SideOf(thread).mbarrier_arrived.push_back(EndCopies(thread));
    for (const AsyncOp& op : copies_[thread]) {
      SideOf(thread).domain->AsyncArrive(op.id, Mbarrier());
    }
  }

  // --- wgmma ---
  void IssueWgmma(int thread) {
    const int d = thread / kThreadsPerDomain;
    Side& side = sides_[d];
    const int warp = static_cast<int>(Warp(thread));
    if (side.wgmma_issued[warp]) return;
    side.wgmma_issued[warp] = true;
    for (int lane = 0; lane < kLanes; ++lane) {
      side.wgmma_nodes.push_back(oracle_.Step(Thread(d, warp, lane)));
    }
    side.wgmma_parts[warp] = side.domain->AsyncIssue(WarpAt(warp), AsyncKind::kWgmma);
    for (const bool issued : side.wgmma_issued) {
      if (!issued) return;
    }
    AsyncOp op = {.kind = AsyncKind::kWgmma, .thread = Thread(d, 0, 0)};
    for (const Node node : side.wgmma_nodes) op.issue = oracle_.Add({op.issue, node});
    op.id = side.domain->AsyncMerge(side.wgmma_parts);
    PerformOp(&op, /*write=*/false);
    const Node previous = side.wgmma.empty() ? RaceOracle::kNone : side.wgmma.back().end;
    EndOp(&op, previous);
    side.wgmma.push_back(op);
    side.wgmma_nodes.clear();
    side.wgmma_issued = {};
  }
  void WaitWgmma(int thread) {
    const int d = thread / kThreadsPerDomain;
    Side& side = sides_[d];
    const int warp = static_cast<int>(Warp(thread));
    while (side.wgmma_waited[warp] < side.wgmma.size()) {
      const AsyncOp& op = side.wgmma[side.wgmma_waited[warp]++];
      for (int lane = 0; lane < kLanes; ++lane) oracle_.Step(Thread(d, warp, lane), op.end);
      side.domain->AsyncWaited(op.id, WarpAt(warp));
    }
  }

  // --- fences, release and acquire ---
  void ProxyFence(int thread) {
    oracle_.Fence(thread);
    SideOf(thread).domain->ProxyFence(At(thread));
  }
  void Fence(int thread) {
    fence_[thread] = oracle_.Step(thread, pending_[thread]);
    pending_[thread] = RaceOracle::kNone;
    SideOf(thread).domain->ThreadFence(At(thread), Scope::kGpu);
  }
  void Synchronise(int thread) {
    const bool shared = random_.Below(2) == 0;
    Node& location = shared ? SideOf(thread).location : global_location_;
    const RacePlace place = {shared, 0, shared ? 256u : kGlobalBase + 4096, 4};
    const auto kind = static_cast<AccessKind>(random_.Below(3));
    constexpr Order kOrders[3][3] = {{Order::kRelaxed, Order::kAcquire, Order::kVolatile},
                                     {Order::kRelaxed, Order::kRelease, Order::kVolatile},
                                     {Order::kRelaxed, Order::kRelease, Order::kAcqRel}};
    const Order order = kOrders[static_cast<int>(kind)][random_.Below(3)];
    const bool acquires = order == Order::kAcquire || order == Order::kAcqRel;
    const bool releases = order == Order::kRelease || order == Order::kAcqRel;
    const Node found = kind == AccessKind::kStore ? RaceOracle::kNone : location;
    const Node at = oracle_.Step(thread, acquires ? found : RaceOracle::kNone);
    if (!acquires) pending_[thread] = oracle_.Add({pending_[thread], found});
    if (kind != AccessKind::kLoad) {
      const Node mine = releases ? at : fence_[thread];
      location = mine == RaceOracle::kNone ? found : oracle_.Add({found, mine});
    }
    const RaceLanes lanes = At(thread);
    SideOf(thread).domain->Synchronise(lanes, Lane(thread), place, kind, order, Scope::kGpu);
    SideOf(thread).domain->EndSync(lanes);
  }

  Random random_;
  RaceOracle oracle_;
  RaceDetector detector_{{.global_readers = ~0u}};
  std::array<Side, kDomains> sides_;
  std::array<std::vector<AsyncOp>, kThreads> copies_;
  std::vector<Node> last_copy_end_ = std::vector<Node>(kThreads, RaceOracle::kNone);
  std::vector<Node> fence_ = std::vector<Node>(kThreads, RaceOracle::kNone);
  std::vector<Node> pending_ = std::vector<Node>(kThreads, RaceOracle::kNone);
  Node global_location_ = RaceOracle::kNone;
  uint32_t line_ = 0;
  bool stopped_ = false;
  std::string trouble_;
};

TEST(RaceOracle, RandomProgramsAreJudgedAlike) {
  int faulty = 0;
  int clean = 0;
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    Program program(seed);
    const std::string trouble = program.Run(400);
    ASSERT_EQ(trouble, "") << "seed " << seed << ", after " << program.size() << " events";
    program.stopped() ? ++faulty : ++clean;
  }
  // Both kinds occur, or nothing was tested.
  EXPECT_GT(faulty, 400);
  EXPECT_GT(clean, 400);
}

}  // namespace
}  // namespace emu
