// Each rule of the race detector (race_domain.h) as a short story of a block of eight warps, or of
// two blocks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/race_domain.h"

namespace emu {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kWarps = 8;
constexpr RacePlace kMbarrier = {true, 0, 4096, 8};

RacePlace Shared(uint64_t address, uint32_t bytes = 4, uint32_t block = 0) {
  return {true, block, address, bytes};
}
RacePlace Global(uint64_t address, uint32_t bytes = 4) { return {false, 0, address, bytes}; }

class RaceRules : public ::testing::Test {
 protected:
  RaceRules() {
    block_.MbarrierInit(Lane(0), 0, kMbarrier);
    block_.MbarrierInitFence(Lane(0));
    Barrier(block_);
  }

  // A thread's place in the domain.
  RaceLanes Lane(uint32_t thread) { return {thread / 32, 1u << thread % 32, ++line_}; }
  RaceLanes Warp(uint32_t warp) { return {warp, kAllLanes, ++line_}; }

  void Write(RaceDomain& domain, uint32_t thread, const RacePlace& place) {
    domain.Access(Lane(thread), static_cast<int>(thread % 32), place, kRaceWrite);
  }
  void Read(RaceDomain& domain, uint32_t thread, const RacePlace& place) {
    domain.Access(Lane(thread), static_cast<int>(thread % 32), place, 0);
  }
  void Write(uint32_t thread, const RacePlace& place) { Write(block_, thread, place); }
  void Read(uint32_t thread, const RacePlace& place) { Read(block_, thread, place); }
  void Barrier(RaceDomain& domain, uint32_t block = 0) {
    for (uint32_t warp = 0; warp < kWarps; ++warp) {
      domain.BarrierArrive(Warp(block * kWarps + warp), block, 0, true);
    }
    domain.BarrierComplete(block, 0);
  }
  void Strong(RaceDomain& domain, uint32_t thread, AccessKind kind, Order order, Scope scope) {
    const RaceLanes at = Lane(thread);
    domain.Synchronise(at, static_cast<int>(thread % 32), Global(0x9000), kind, order, scope);
    domain.EndSync(at);
  }
  void Arrive(uint32_t thread) {
    block_.MbarrierArrive(Lane(thread), static_cast<int>(thread % 32), kMbarrier);
  }
  void Wait(uint32_t thread) {
    block_.MbarrierWaitDone(Lane(thread), static_cast<int>(thread % 32), kMbarrier);
  }
  // The report, or nothing.
  static std::string Report(const std::function<void()>& act) {
    try {
      act();
    } catch (const Fault& fault) {
      return std::string(fault.kind() == FaultKind::kRace ? "race: " : "other: ") + fault.message();
    }
    return {};
  }
  // One wgmma of warpgroup `group` that reads a place; the number of the whole operation.
  uint32_t IssueWgmma(uint32_t group, const RacePlace& place) {
    std::array<uint32_t, 4> parts;
    for (uint32_t i = 0; i < 4; ++i) {
      parts[i] = block_.AsyncIssue(Warp(group * 4 + i), AsyncKind::kWgmma);
    }
    const uint32_t op = block_.AsyncMerge(parts);
    block_.AsyncAccess(op, place, kRaceAsync);
    return op;
  }

  uint32_t line_ = 0;
  RaceDetector detector_{RaceDetector::Config()};
  RaceDomain block_{&detector_, 1, 1, kWarps};
  RaceDomain other_{&detector_, 2, 1, kWarps};
};

// --- rule 1: wgmma is a warpgroup's ---

TEST_F(RaceRules, OneWarpsWaitKnowsThatTheWarpgroupHasRead) {
  Write(0, Shared(0));
  block_.ProxyFence(Lane(0));
  Barrier(block_);
  const uint32_t op = IssueWgmma(0, Shared(0));
  EXPECT_THAT(Report([&] { Write(200, Shared(0)); }), HasSubstr("tensor core of the warpgroup"));
  block_.AsyncWaited(op, Warp(1));
  EXPECT_EQ(Report([&] { Write(32, Shared(0)); }), "");
}

TEST_F(RaceRules, AWaitAlsoKnowsWhatTheOtherWarpsDidBeforeTheirIssue) {
  Write(96, Shared(64));
  const uint32_t op = IssueWgmma(0, Shared(128));
  EXPECT_NE(Report([&] { Read(0, Shared(64)); }), "");
  block_.AsyncWaited(op, Warp(0));
  EXPECT_EQ(Report([&] { Read(0, Shared(64)); }), "");
}

// --- rule 2: what orders the lanes of a warp ---

TEST_F(RaceRules, LanesOfAWarpAreNotOrderedByRunningTogether) {
  Write(3, Shared(0));
  EXPECT_THAT(Report([&] { Read(4, Shared(0)); }), HasSubstr("thread 4 (PTX line"));
}

TEST_F(RaceRules, SyncwarpAndWgmmaFenceOrderTheirLanes) {
  Write(3, Shared(0));
  block_.WarpSync({0, 0x18, ++line_});
  EXPECT_EQ(Report([&] { Read(4, Shared(0)); }), "");
  EXPECT_NE(Report([&] { Read(5, Shared(0)); }), "");  // was not there
}

// --- rule 3: two proxies ---

TEST_F(RaceRules, AnOrdinaryWriteNeedsAFenceBeforeTheAsyncProxyReadsIt) {
  Write(5, Shared(0));
  Barrier(block_);
  EXPECT_EQ(Report([&] { Read(0, Shared(0)); }), "");
  EXPECT_THAT(Report([&] { IssueWgmma(0, Shared(0)); }),
              HasSubstr("no fence.proxy.async by the writer"));
}

TEST_F(RaceRules, TheFenceMustBeTheWriters) {
  Write(5, Shared(0));
  Barrier(block_);
  block_.ProxyFence(Lane(6));
  Barrier(block_);
  EXPECT_THAT(Report([&] { IssueWgmma(0, Shared(0)); }), HasSubstr("fence.proxy.async"));
}

TEST_F(RaceRules, TheFenceAloneIsNotAnOrder) {
  Write(200, Shared(0));
  block_.ProxyFence(Lane(200));
  EXPECT_THAT(Report([&] { IssueWgmma(0, Shared(0)); }), HasSubstr("is not ordered after"));
}

TEST_F(RaceRules, FenceThenBarrierIsRight) {
  Write(200, Shared(0));
  block_.ProxyFence(Lane(200));
  Barrier(block_);
  EXPECT_EQ(Report([&] { IssueWgmma(0, Shared(0)); }), "");
}

TEST_F(RaceRules, AFenceDoesNotCoverLaterWrites) {
  block_.ProxyFence(Lane(200));
  Write(200, Shared(0));
  Barrier(block_);
  EXPECT_THAT(Report([&] { IssueWgmma(0, Shared(0)); }), HasSubstr("fence.proxy.async"));
}

TEST_F(RaceRules, ToOverwriteWhatWasReadNeedsOnlyTheOrder) {
  Write(5, Shared(0));
  block_.ProxyFence(Lane(5));
  Barrier(block_);
  Read(7, Shared(0));
  Barrier(block_);
  const uint32_t copy = block_.AsyncIssue(Lane(0), AsyncKind::kBulkCopy);
  EXPECT_EQ(Report([&] { block_.AsyncAccess(copy, Shared(0), kRaceWrite | kRaceAsync); }), "");
}

// --- rule 4: bulk copies and mbarriers ---

TEST_F(RaceRules, WhoWaitsForTheBytesKnowsTheCopyAndItsIssuer) {
  Arrive(0);  // arrive.expect_tx, before everything that follows
  Write(0, Shared(64));
  const uint32_t copy = block_.AsyncIssue(Lane(0), AsyncKind::kBulkCopy);
  block_.AsyncAccess(copy, Shared(0, 32), kRaceWrite | kRaceAsync);
  EXPECT_THAT(Report([&] { Read(40, Shared(0)); }), HasSubstr("a bulk copy of the warp"));
  block_.AsyncArrive(copy, kMbarrier);
  block_.MbarrierPhase(kMbarrier);
  Wait(40);
  EXPECT_EQ(Report([&] { Read(40, Shared(0)); }), "");
  EXPECT_EQ(Report([&] { Read(40, Shared(64)); }), "");
}

TEST_F(RaceRules, TheArrivalThatAnnouncedTheBytesOrdersNothingBehindIt) {
  Arrive(0);
  Write(0, Shared(64));
  block_.MbarrierPhase(kMbarrier);
  Wait(40);
  EXPECT_NE(Report([&] { Read(40, Shared(64)); }), "");
}

TEST_F(RaceRules, TheIssuersLaterWritesAreNotTheCopys) {
  const uint32_t copy = block_.AsyncIssue(Lane(0), AsyncKind::kBulkCopy);
  Write(0, Shared(64));
  block_.AsyncArrive(copy, kMbarrier);
  block_.MbarrierPhase(kMbarrier);
  Wait(40);
  EXPECT_NE(Report([&] { Read(40, Shared(64)); }), "");
}

TEST_F(RaceRules, AWaiterLearnsOfPhasesThatHaveEndedOnly) {
  Write(0, Shared(0));
  Arrive(0);
  block_.MbarrierPhase(kMbarrier);
  Write(1, Shared(4));
  Arrive(1);  // of the next phase
  Wait(40);
  EXPECT_EQ(Report([&] { Read(40, Shared(0)); }), "");
  EXPECT_NE(Report([&] { Read(40, Shared(4)); }), "");
}

TEST_F(RaceRules, ABulkStoreMustHaveReadBeforeItsSourceIsRefilled) {
  Write(0, Shared(0));
  block_.ProxyFence(Lane(0));
  const uint32_t store = block_.AsyncIssue(Lane(0), AsyncKind::kBulkCopy);
  block_.AsyncAccess(store, Shared(0), kRaceAsync);
  EXPECT_NE(Report([&] { Write(0, Shared(0)); }), "");
  block_.AsyncWaited(store, Lane(0));  // wait_group.read
  EXPECT_EQ(Report([&] { Write(0, Shared(0)); }), "");
  EXPECT_NE(Report([&] { Write(40, Shared(0)); }), "");  // has not been told
}

TEST_F(RaceRules, CopiesOfOneThreadToOnePlaceNeedTheWaitBetween) {
  const uint32_t first = block_.AsyncIssue(Lane(0), AsyncKind::kBulkCopy);
  block_.AsyncAccess(first, Shared(0), kRaceWrite | kRaceAsync);
  const uint32_t second = block_.AsyncIssue(Lane(0), AsyncKind::kBulkCopy);
  EXPECT_NE(Report([&] { block_.AsyncAccess(second, Shared(0), kRaceWrite | kRaceAsync); }), "");
}

TEST_F(RaceRules, AnMbarrierIsUsedAfterItsInitialisation) {
  const RacePlace mbarrier = Shared(4104, 8);
  block_.MbarrierInit(Lane(0), 0, mbarrier);
  EXPECT_THAT(Report([&] { block_.MbarrierArrive(Lane(40), 8, mbarrier); }),
              HasSubstr("without an order after its initialisation"));
  Barrier(block_);
  EXPECT_EQ(Report([&] { block_.MbarrierArrive(Lane(40), 8, mbarrier); }), "");
  const uint32_t copy = block_.AsyncIssue(Lane(0), AsyncKind::kBulkCopy);
  EXPECT_THAT(Report([&] { block_.AsyncArrive(copy, mbarrier); }),
              HasSubstr("no fence.mbarrier_init"));
  block_.MbarrierInitFence(Lane(0));
  EXPECT_EQ(Report([&] { block_.AsyncArrive(copy, mbarrier); }), "");
}

// --- cp.async ---

TEST_F(RaceRules, CpAsyncMustBeWaitedForByItsOwnThreadToo) {
  const uint32_t copy = block_.AsyncIssue(Lane(9), AsyncKind::kCpAsync);
  block_.AsyncAccess(copy, Shared(0, 16), kRaceWrite);
  EXPECT_THAT(Report([&] { Read(9, Shared(0)); }), HasSubstr("an asynchronous copy of thread 9"));
  block_.AsyncWaited(copy, Lane(9));
  EXPECT_EQ(Report([&] { Read(9, Shared(0)); }), "");
  EXPECT_NE(Report([&] { Read(10, Shared(0)); }), "");
  Barrier(block_);
  EXPECT_EQ(Report([&] { Read(10, Shared(0)); }), "");
}

TEST_F(RaceRules, CpAsyncThatArrivesOnAnMbarrierIsFencedByItsReader) {
  const uint32_t copy = block_.AsyncIssue(Lane(9), AsyncKind::kCpAsync);
  block_.AsyncAccess(copy, Shared(0, 16), kRaceWrite);
  block_.AsyncArrive(copy, kMbarrier);
  block_.MbarrierPhase(kMbarrier);
  for (uint32_t thread = 128; thread < 256; ++thread) Wait(thread);
  EXPECT_THAT(Report([&] { IssueWgmma(1, Shared(0, 16)); }), HasSubstr("fence.proxy.async"));
  for (uint32_t warp = 4; warp < 8; ++warp) block_.ProxyFence(Warp(warp));
  EXPECT_EQ(Report([&] { IssueWgmma(1, Shared(0, 16)); }), "");
}

// --- barriers ---

TEST_F(RaceRules, WhoOnlyArrivesAtABarrierLearnsNothing) {
  Write(0, Shared(0));
  Write(32, Shared(4));
  block_.BarrierArrive(Warp(0), 0, 1, /*waits=*/false);
  block_.BarrierArrive(Warp(1), 0, 1, /*waits=*/true);
  block_.BarrierComplete(0, 1);
  EXPECT_EQ(Report([&] { Read(32, Shared(0)); }), "");
  EXPECT_NE(Report([&] { Read(0, Shared(4)); }), "");
}

TEST_F(RaceRules, DistributedSharedMemoryIsOrderedByTheClustersBarrier) {
  RaceDomain cluster(&detector_, 3, 2, kWarps);
  Write(cluster, 0, Shared(0, 4, /*block=*/1));  // a thread of block 0 into block 1
  Barrier(cluster, 1);
  EXPECT_THAT(Report([&] { Read(cluster, 256, Shared(0, 4, 1)); }),
              HasSubstr("thread 0 of cluster block 0"));
  for (uint32_t warp = 0; warp < 2 * kWarps; ++warp) cluster.ClusterArrive(Warp(warp), true);
  for (uint32_t warp = 0; warp < 2 * kWarps; ++warp) cluster.ClusterWait(Warp(warp));
  EXPECT_EQ(Report([&] { Read(cluster, 256, Shared(0, 4, 1)); }), "");
}

TEST_F(RaceRules, ARelaxedArrivalAtTheClustersBarrierReleasesNothing) {
  Write(0, Shared(0));
  for (uint32_t warp = 0; warp < kWarps; ++warp) block_.ClusterArrive(Warp(warp), false);
  for (uint32_t warp = 0; warp < kWarps; ++warp) block_.ClusterWait(Warp(warp));
  EXPECT_NE(Report([&] { Read(40, Shared(0)); }), "");
}

// --- global memory, between blocks ---

TEST_F(RaceRules, ReleaseAndAcquireOrderBlocks) {
  Write(block_, 0, Global(0x8000));
  Strong(block_, 0, AccessKind::kStore, Order::kRelease, Scope::kGpu);
  EXPECT_THAT(Report([&] { Read(other_, 0, Global(0x8000)); }),
              HasSubstr("a thread of another block"));
  Strong(other_, 0, AccessKind::kLoad, Order::kAcquire, Scope::kGpu);
  EXPECT_EQ(Report([&] { Read(other_, 0, Global(0x8000)); }), "");
  EXPECT_NE(Report([&] { Read(other_, 1, Global(0x8000)); }), "");  // no barrier since
  Barrier(other_);
  EXPECT_EQ(Report([&] { Read(other_, 1, Global(0x8000)); }), "");
}

TEST_F(RaceRules, ReleaseOfOneThreadIsNotThatOfItsBlock) {
  Write(block_, 1, Global(0x8000));
  Strong(block_, 0, AccessKind::kStore, Order::kRelease, Scope::kGpu);
  Strong(other_, 0, AccessKind::kLoad, Order::kAcquire, Scope::kGpu);
  EXPECT_NE(Report([&] { Read(other_, 0, Global(0x8000)); }), "");
}

TEST_F(RaceRules, RelaxedAtomicsOrderBetweenFencesOnBothSides) {
  Write(block_, 0, Global(0x8000));
  block_.ThreadFence(Lane(0), Scope::kGpu);
  Strong(block_, 0, AccessKind::kAtomic, Order::kRelaxed, Scope::kGpu);
  Strong(other_, 0, AccessKind::kAtomic, Order::kRelaxed, Scope::kGpu);
  EXPECT_NE(Report([&] { Read(other_, 0, Global(0x8000)); }), "");
  other_.ThreadFence(Lane(0), Scope::kGpu);
  EXPECT_EQ(Report([&] { Read(other_, 0, Global(0x8000)); }), "");
}

TEST_F(RaceRules, AFenceOfABlockDoesNotReachOtherBlocks) {
  Write(block_, 0, Global(0x8000));
  block_.ThreadFence(Lane(0), Scope::kCta);
  Strong(block_, 0, AccessKind::kAtomic, Order::kRelaxed, Scope::kGpu);
  Strong(other_, 0, AccessKind::kLoad, Order::kAcquire, Scope::kGpu);
  Strong(block_, 64, AccessKind::kLoad, Order::kAcquire, Scope::kGpu);
  EXPECT_NE(Report([&] { Read(other_, 0, Global(0x8000)); }), "");
  EXPECT_EQ(Report([&] { Read(block_, 64, Global(0x8000)); }), "");
}

TEST_F(RaceRules, AnotherStoreEndsWhatTheLocationCarried) {
  Write(block_, 0, Global(0x8000));
  Strong(block_, 0, AccessKind::kStore, Order::kRelease, Scope::kGpu);
  Strong(block_, 64, AccessKind::kStore, Order::kRelaxed, Scope::kGpu);
  Strong(other_, 0, AccessKind::kLoad, Order::kAcquire, Scope::kGpu);
  EXPECT_NE(Report([&] { Read(other_, 0, Global(0x8000)); }), "");
}

TEST_F(RaceRules, AtomicsDoNotRaceWithEachOtherButWithPlainAccesses) {
  constexpr uint8_t kAtomic = kRaceWrite | kRaceAtomic | kRaceModify;
  block_.Access(Lane(0), 0, Global(0x8000), kAtomic);
  EXPECT_EQ(Report([&] { other_.Access(Lane(0), 0, Global(0x8000), kAtomic); }), "");
  EXPECT_THAT(Report([&] { Read(block_, 40, Global(0x8000)); }), HasSubstr("atomic update"));
}

// --- bytes ---

TEST_F(RaceRules, NeighboursInAWordAreNotConfused) {
  Write(0, Shared(0, 4));
  Barrier(block_);
  Write(0, Shared(0, 2));
  EXPECT_EQ(Report([&] { Write(40, Shared(2, 2)); }), "");
  Barrier(block_);
  Write(1, Shared(0, 1));
  EXPECT_EQ(Report([&] { Write(41, Shared(1, 1)); }), "");
  EXPECT_NE(Report([&] { Read(2, Shared(0, 4)); }), "");
}

TEST_F(RaceRules, LanesThatStoreToOnePlaceInOneInstructionAreNoRace) {
  const uint64_t addresses[32] = {};
  const uint32_t owners[32] = {};
  const RaceDomain::Lanes store = {
      .addresses = addresses, .owners = owners, .bytes = 4, .kind = AccessKind::kStore};
  EXPECT_EQ(Report([&] { block_.AccessLanes(Warp(0), store); }), "");
  EXPECT_NE(Report([&] { block_.AccessLanes(Warp(1), store); }), "");
}

TEST_F(RaceRules, AReportNamesBothSides) {
  Write(7, Shared(16));
  const uint32_t line = line_;
  EXPECT_EQ(Report([&] { Read(70, Shared(16)); }),
            "race: read of 4 bytes at shared offset 16 by thread 70 (PTX line " +
                std::to_string(line + 1) +
                ") is not ordered after the write by thread 7 (PTX line " + std::to_string(line) +
                ")");
}

}  // namespace
}  // namespace emu
