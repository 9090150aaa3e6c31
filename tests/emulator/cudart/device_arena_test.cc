#include "emulator/cudart/device_arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace emu {
namespace {

constexpr size_t kCapacity = size_t{1} << 20;

TEST(DeviceArenaTest, FreshMemoryIsPoisonedAlsoWhenItsAddressWasUsed) {
  const auto arena = DeviceArena::Create(kCapacity);
  ASSERT_NE(arena, nullptr);
  std::vector<unsigned char*> seen;
  bool reused = false;
  for (int i = 0; i < 20; ++i) {
    auto* p = static_cast<unsigned char*>(arena->Allocate(kCapacity));
    ASSERT_NE(p, nullptr);
    reused |= std::find(seen.begin(), seen.end(), p) != seen.end();
    seen.push_back(p);
    EXPECT_TRUE(std::all_of(p, p + kCapacity, [](unsigned char c) { return c == 0xFF; }));
    std::fill(p, p + kCapacity, 0x11);
    arena->Free(p);
  }
  EXPECT_TRUE(reused) << "addresses are not taken for ever";
  EXPECT_NE(seen[0], seen[1]) << "nor given out again at once";
}

TEST(DeviceArenaTest, CapacityIsALimit) {
  const auto arena = DeviceArena::Create(kCapacity);
  void* half = arena->Allocate(kCapacity / 2);
  EXPECT_EQ(arena->Allocate(kCapacity / 2 + 1), nullptr);
  void* rest = arena->Allocate(kCapacity / 2);
  ASSERT_NE(rest, nullptr);
  EXPECT_EQ(arena->used(), kCapacity);
  arena->Free(half);
  arena->Free(rest);
  EXPECT_EQ(arena->used(), 0u);
}

// The system's limit of mappings may come before the capacity: about 32,000 allocations by default.
TEST(DeviceArenaTest, ManySmallAllocationsEndWithNull) {
  constexpr size_t kMost = 100'000;
  const auto arena = DeviceArena::Create(kMost * 4096);
  std::vector<unsigned char*> live;
  live.reserve(kMost + 1);
  while (auto* p = static_cast<unsigned char*>(arena->Allocate(1))) {
    live.push_back(p);
    ASSERT_EQ(*p, DeviceArena::kPoison);
    ASSERT_LE(live.size(), kMost);
  }
  EXPECT_GT(live.size(), 10'000u);
  EXPECT_EQ(arena->used(), live.size() * 4096) << "what was refused is free again";
  for (unsigned char* p : live) arena->Free(p);
  EXPECT_NE(arena->Allocate(1), nullptr);
}

TEST(DeviceArenaDeathTest, MemoryThatWasFreedFaultsOnTheHostToo) {
  const auto arena = DeviceArena::Create(kCapacity);
  auto* p = static_cast<volatile unsigned char*>(arena->Allocate(100));
  p[99] = 1;
  EXPECT_DEATH(p[4096] = 1, "") << "the page behind";
  arena->Free(const_cast<unsigned char*>(p));
  EXPECT_DEATH(p[0] = 1, "");
}

TEST(DeviceArenaTest, RandomUseLosesNoByte) {
  const auto arena = DeviceArena::Create(kCapacity);
  std::minstd_rand random(3);
  std::vector<void*> live;
  for (int i = 0; i < 2000; ++i) {
    if (live.size() > 5 || (!live.empty() && random() % 3 == 0)) {
      const size_t at = random() % live.size();
      arena->Free(live[at]);
      live.erase(live.begin() + static_cast<ptrdiff_t>(at));
    } else if (void* p = arena->Allocate(1 + random() % (kCapacity / 8))) {
      live.push_back(p);
    }
  }
  for (void* p : live) arena->Free(p);
  EXPECT_EQ(arena->used(), 0u);
  EXPECT_NE(arena->Allocate(kCapacity), nullptr) << "free ranges were joined again";
}

}  // namespace
}  // namespace emu
