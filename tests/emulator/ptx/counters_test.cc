// What one access costs, and the figures as JSON.
#include "emulator/ptx/counters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "emulator/ptx/counters_access.h"

namespace emu {
namespace {

using ::testing::HasSubstr;

std::array<uint64_t, 32> Strided(uint64_t base, uint64_t stride) {
  std::array<uint64_t, 32> addresses;
  for (size_t lane = 0; lane < addresses.size(); ++lane) addresses[lane] = base + lane * stride;
  return addresses;
}

KernelCounters::Global GlobalOf(const std::array<uint64_t, 32>& addresses, uint32_t bytes,
                                LaneMask lanes = kAllLanes) {
  KernelCounters::Global global;
  CountGlobal(lanes, addresses.data(), bytes, &global);
  return global;
}

KernelCounters::Shared SharedOf(const std::array<uint64_t, 32>& addresses, uint32_t bytes,
                                LaneMask lanes = kAllLanes) {
  KernelCounters::Shared shared;
  CountShared(lanes, addresses.data(), bytes, &shared);
  return shared;
}

TEST(CountersTest, SectorsOfOneRequest) {
  const auto coalesced = GlobalOf(Strided(4096, 4), 4);
  EXPECT_EQ(coalesced.sectors, 4u);
  EXPECT_EQ(coalesced.bytes_used, 128u);
  EXPECT_EQ(GlobalOf(Strided(4096 + 4, 4), 4).sectors, 5u);    // one word off
  EXPECT_EQ(GlobalOf(Strided(4096, 32), 4).sectors, 32u);      // a sector per lane
  EXPECT_EQ(GlobalOf(Strided(4096, 16), 16).sectors, 16u);     // 16 bytes per lane
  EXPECT_EQ(GlobalOf(Strided(4096, 4), 4, 0xff).sectors, 1u);  // eight lanes
  EXPECT_EQ(coalesced.ideal_sectors, 4u);
  EXPECT_EQ(GlobalOf(Strided(4096 + 4, 4), 4).ideal_sectors, 4u);  // however they lie
  EXPECT_EQ(GlobalOf(Strided(4096, 32), 4).ideal_sectors, 4u);
  EXPECT_EQ(GlobalOf(Strided(4096, 4), 4, 0x1).ideal_sectors, 1u);  // no less than one
  const auto broadcast = GlobalOf(Strided(4096, 0), 4);
  EXPECT_EQ(broadcast.sectors, 1u);
  EXPECT_EQ(broadcast.bytes_used, 4u);
  auto reversed = Strided(4096, 4);
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(GlobalOf(reversed, 4).sectors, 4u);
  EXPECT_EQ(GlobalOf(Strided(4096 + 24, 4), 4, 0x3).sectors, 1u);
  EXPECT_EQ(GlobalOf(Strided(4096 + 28, 4), 4, 0x3).sectors, 2u);
}

TEST(CountersTest, WavefrontsOfSharedMemory) {
  EXPECT_EQ(SharedOf(Strided(0, 4), 4).wavefronts, 1u);
  EXPECT_EQ(SharedOf(Strided(0, 8), 4).wavefronts, 2u);     // every second bank
  EXPECT_EQ(SharedOf(Strided(0, 128), 4).wavefronts, 32u);  // one bank
  EXPECT_EQ(SharedOf(Strided(0, 132), 4).wavefronts, 1u);   // padded
  EXPECT_EQ(SharedOf(Strided(64, 0), 4).wavefronts, 1u);    // broadcast
  EXPECT_EQ(SharedOf(Strided(0, 2), 2).wavefronts, 1u);     // two lanes in a word
  EXPECT_EQ(SharedOf(Strided(0, 16), 16).wavefronts, 4u);
  EXPECT_EQ(SharedOf(Strided(0, 16), 16).ideal_wavefronts, 4u);
  EXPECT_EQ(SharedOf(Strided(0, 128), 16).wavefronts, 32u);  // rows of 128 bytes, no swizzle
  EXPECT_EQ(SharedOf(Strided(0, 128), 16).ideal_wavefronts, 4u);
  EXPECT_EQ(SharedOf(Strided(0, 80), 16).wavefronts, 4u);  // rows of 80 bytes
  EXPECT_EQ(SharedOf(Strided(0, 8), 8, 0xffff).wavefronts, 1u);
}

TEST(CountersTest, GathersLaunchesByKernel) {
  Counters counters;
  KernelCounters one;
  one.launches = 1;
  one.loads = {.requests = 2, .sectors = 8, .bytes_used = 200};
  one.opcodes["add.f32"] = {.warps = 3, .lanes = 96};
  one.shapes[{.threads = 128, .dynamic_shared_bytes = 512}] = {.launches = 1, .blocks_max = 7};
  counters.Add("a", one);
  one.shapes = {{{.threads = 64}, {.launches = 1, .blocks_max = 9}}};
  counters.Add("a", one);
  one.shapes = {{{.threads = 64}, {.launches = 1, .blocks_max = 2}}};
  counters.Add("a", one);
  counters.Add("b", one);
  EXPECT_EQ(counters.Of("a").launches, 3u);
  EXPECT_EQ(counters.Of("a").loads.sectors, 24u);
  EXPECT_EQ(counters.Of("a").opcodes.at("add.f32").lanes, 288u);
  EXPECT_EQ(counters.Of("c").launches, 0u);
  const std::string json = counters.Json();
  EXPECT_THAT(json, HasSubstr("\"a\": {\n      \"launches\": 3,"));
  EXPECT_THAT(json, HasSubstr("\"bytes_moved\": 768"));
  EXPECT_THAT(json, HasSubstr("\"add.f32\": {\"warps\": 9, \"lanes\": 288}"));
  EXPECT_THAT(json, HasSubstr("\"shapes\": [\n"
                              "        {\"threads\": 64, \"dynamic_shared_bytes\": 0, "
                              "\"launches\": 2, \"blocks_max\": 9},\n"
                              "        {\"threads\": 128, \"dynamic_shared_bytes\": 512, "
                              "\"launches\": 1, \"blocks_max\": 7}\n      ],"));
  EXPECT_EQ(Counters().Json(), "{\n  \"kernels\": {}\n}\n");
}

}  // namespace
}  // namespace emu
