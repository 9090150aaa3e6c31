// Live device memory: bounds, names, and what was freed.
#include "emulator/ptx/memory_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "emulator/ptx/shadow_memory.h"

namespace emu {
namespace {

using ::testing::HasSubstr;

class MemoryRegistry : public ::testing::Test {
 protected:
  // Addresses only: nothing is read or written through them.
  static void* At(uint64_t address) { return reinterpret_cast<void*>(address); }
  static constexpr uint64_t kA = 0x100000;
  static constexpr uint64_t kB = 0x200000;

  MemoryRegistry() {
    RegisterMemory(At(kA), 4096, "first");
    RegisterMemory(At(kB), 100, "second");
  }
  ~MemoryRegistry() override {
    UnregisterMemory(At(kA));
    UnregisterMemory(At(kB));
  }
};

TEST_F(MemoryRegistry, HoldsWholeAccessesOnly) {
  EXPECT_TRUE(IsLiveMemory(kA, 4096));
  EXPECT_TRUE(IsLiveMemory(kA + 4092, 4));
  EXPECT_FALSE(IsLiveMemory(kA + 4093, 4));
  EXPECT_FALSE(IsLiveMemory(kA - 1, 1));
  EXPECT_TRUE(IsLiveMemory(kB + 96, 4));
  EXPECT_FALSE(IsLiveMemory(kB + 100, 1));
}

TEST_F(MemoryRegistry, AnAccessMayNotSpanTwoNeighbours) {
  constexpr uint64_t kC = 0x250000;
  RegisterMemory(At(kC), 64, "left");
  RegisterMemory(At(kC + 64), 64, "right");
  EXPECT_TRUE(IsLiveMemory(kC + 60, 4));
  EXPECT_TRUE(IsLiveMemory(kC + 64, 4));
  EXPECT_FALSE(IsLiveMemory(kC + 60, 8));
  UnregisterMemory(At(kC));
  UnregisterMemory(At(kC + 64));
}

TEST_F(MemoryRegistry, NamesTheNearestAllocation) {
  const Fault behind = DescribeBadAccess(kA + 4100, 4, 7);
  EXPECT_EQ(behind.kind(), FaultKind::kIllegalAddress);
  EXPECT_EQ(behind.lane(), 7);
  EXPECT_THAT(behind.message(), HasSubstr("4 bytes behind the end of \"first\" (4096 bytes"));
  EXPECT_THAT(DescribeBadAccess(kB - 8, 4, 0).message(), HasSubstr("8 bytes before \"second\""));
  EXPECT_THAT(DescribeBadAccess(kB + 98, 4, 0).message(),
              HasSubstr("the last 2 are behind the end of \"second\""));
}

TEST_F(MemoryRegistry, AUseAfterFreeIsNamedAsSuch) {
  EXPECT_TRUE(IsLiveMemory(kB, 4));  // and is in this thread's memory now
  UnregisterMemory(At(kB));
  EXPECT_FALSE(IsLiveMemory(kB, 4));
  const Fault fault = DescribeBadAccess(kB + 8, 4, 0);
  EXPECT_EQ(fault.kind(), FaultKind::kUseAfterFree);
  EXPECT_THAT(fault.message(),
              HasSubstr("inside \"second\" (100 bytes at 0x200000), which was freed"));
}

TEST_F(MemoryRegistry, MemoryThatIsUsedAgainIsLive) {
  UnregisterMemory(At(kB));
  RegisterMemory(At(kB + 16), 64, "third");
  EXPECT_TRUE(IsLiveMemory(kB + 16, 64));
  EXPECT_EQ(DescribeBadAccess(kB + 16 + 60, 8, 0).kind(), FaultKind::kIllegalAddress);
  EXPECT_EQ(FindMemory(kB + 20).label, "third");
  EXPECT_EQ(FindMemory(kB).bytes, 0u);
  UnregisterMemory(At(kB + 16));
}

TEST_F(MemoryRegistry, OtherThreadsSeeEveryChange) {
  for (int round = 0; round < 100; ++round) {
    bool live = false;
    std::thread([&] { live = IsLiveMemory(kB, 4); }).join();
    EXPECT_TRUE(live);
    UnregisterMemory(At(kB));
    std::thread([&] { live = IsLiveMemory(kB, 4); }).join();
    EXPECT_FALSE(live);
    RegisterMemory(At(kB), 100, "second");
  }
}

TEST_F(MemoryRegistry, RemembersALimitedNumberOfFreedRanges) {
  UnregisterMemory(At(kB));
  for (uint64_t i = 0; i < 5000; ++i) {
    RegisterMemory(At(0x300000 + i * 64), 64, "short");
    UnregisterMemory(At(0x300000 + i * 64));
  }
  EXPECT_EQ(DescribeBadAccess(kB, 4, 0).kind(), FaultKind::kIllegalAddress);
  EXPECT_EQ(DescribeBadAccess(0x300000 + 4999 * 64, 4, 0).kind(), FaultKind::kUseAfterFree);
}

TEST(ShadowMemory, KnowsWhichBytesWereWritten) {
  std::vector<char> memory(4096);
  const auto base = reinterpret_cast<uint64_t>(memory.data());
  uint64_t first = 0;
  EXPECT_FALSE(FindUnwritten(base, 16, &first));  // no shadow: counts as written
  ShadowMemory(memory.data(), memory.size());
  EXPECT_TRUE(FindUnwritten(base, 16, &first));
  EXPECT_EQ(first, base);
  MarkWritten(memory.data() + 100, 50);
  EXPECT_FALSE(FindUnwritten(base + 100, 50, &first));
  EXPECT_TRUE(FindUnwritten(base + 148, 4, &first));
  EXPECT_EQ(first, base + 150);
  CopyWritten(memory.data() + 1000, memory.data() + 98, 4);
  EXPECT_TRUE(FindUnwritten(base + 1000, 4, &first));
  EXPECT_FALSE(FindUnwritten(base + 1002, 2, &first));
  MarkWritten(memory.data() - 8, 16);  // the part outside is nobody's
  EXPECT_FALSE(FindUnwritten(base, 8, &first));
  UnregisterMemory(memory.data());
  EXPECT_FALSE(FindUnwritten(base + 200, 4, &first));
}

}  // namespace
}  // namespace emu
