// Shuffles, votes, match, redux, elect: what lanes say to each other.
#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <string>
#include <vector>

#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

uint32_t Value(uint32_t lane) { return lane * 2654435761u; }

// One warp: %a = Value(lane), %i = lane; out[lane] = %d.
void Check(const std::string& body, const std::function<uint32_t(uint32_t)>& want) {
  std::vector<uint64_t> in(32);
  for (uint32_t lane = 0; lane < 32; ++lane) in[lane] = Value(lane);
  const std::vector<uint64_t> out = RunInstruction(body, in);
  for (uint32_t lane = 0; lane < 32; ++lane) ASSERT_EQ(out[lane], want(lane)) << body << lane;
}

TEST(Shuffle, ModesAndSegments) {
  Check("shfl.sync.idx.b32 %d, %a, 5, 31, -1;", [](uint32_t) { return Value(5); });
  Check("shfl.sync.bfly.b32 %d, %a, 16, 31, -1;", [](uint32_t l) { return Value(l ^ 16); });
  Check("shfl.sync.down.b32 %d|%p, %a, 3, 31, -1; @!%p mov.u32 %d, 1;",
        [](uint32_t l) { return l + 3 < 32 ? Value(l + 3) : 1; });
  Check("shfl.sync.up.b32 %d|%p, %a, 3, 0, -1; @!%p mov.u32 %d, 1;",
        [](uint32_t l) { return l >= 3 ? Value(l - 3) : 1; });
  // Segments of 8: mask 0x18 in bits 8 to 12.
  Check("shfl.sync.down.b32 %d, %a, 1, 0x181f, -1;",
        [](uint32_t l) { return l % 8 < 7 ? Value(l + 1) : Value(l); });
  Check("shfl.sync.idx.b32 %d, %a, 2, 0x181f, -1;",
        [](uint32_t l) { return Value(l / 8 * 8 + 2); });
}

TEST(Shuffle, HalfAWarpWaitsForItsMembers) {
  Check(
      "setp.lt.u32 %p, %i, 16; @%p bra Low;"
      " shfl.sync.bfly.b32 %d, %a, 1, 31, 0xffff0000; bra Out;"
      " Low: shfl.sync.bfly.b32 %d, %a, 2, 31, 0xffff; Out:",
      [](uint32_t l) { return Value(l ^ (l < 16 ? 2 : 1)); });
}

TEST(Shuffle, MasksMayDifferBetweenLanes) {
  Check(
      "and.b32 %e, %i, 24; mov.u32 %b, 255; shl.b32 %e, %b, %e;"
      " shfl.sync.bfly.b32 %d, %a, 4, 31, %e; bar.warp.sync %e;",
      [](uint32_t l) { return Value(l ^ 4); });
}

TEST(Vote, EveryMode) {
  const std::string odd = "and.b32 %e, %i, 1; setp.eq.u32 %p, %e, 1; ";
  Check(odd + "vote.sync.ballot.b32 %d, %p, -1;", [](uint32_t) { return 0xaaaaaaaau; });
  Check(odd + "vote.sync.ballot.b32 %d, !%p, 0xffffffff;", [](uint32_t) { return 0x55555555u; });
  Check(odd + "vote.sync.any.pred %q, %p, -1; selp.u32 %d, 1, 0, %q;", [](uint32_t) { return 1u; });
  Check(odd + "vote.sync.all.pred %q, %p, -1; selp.u32 %d, 1, 0, %q;", [](uint32_t) { return 0u; });
  Check(odd + "vote.sync.uni.pred %q, %p, -1; selp.u32 %d, 1, 0, %q;", [](uint32_t) { return 0u; });
}

TEST(Match, AnyAndAll) {
  Check("and.b32 %e, %i, 3; match.any.sync.b32 %d, %e, -1;",
        [](uint32_t l) { return 0x11111111u << l % 4; });
  Check("match.all.sync.b64 %d|%p, %la, -1; @%p mov.u32 %d, 9;", [](uint32_t) { return 0u; });
  Check("mov.u32 %e, 4; match.all.sync.b32 %d|%p, %e, -1; @!%p mov.u32 %d, 9;",
        [](uint32_t) { return ~0u; });
}

TEST(Redux, EveryOperation) {
  uint32_t sum = 0, all = ~0u, any = 0, odd = 0, most = 0;
  int32_t least = 0;
  for (uint32_t l = 0; l < 32; ++l) {
    sum += Value(l);
    all &= Value(l);
    any |= Value(l);
    odd ^= Value(l);
    most = std::max(most, Value(l));
    least = std::min(least, static_cast<int32_t>(Value(l)));
  }
  Check("redux.sync.add.u32 %d, %a, -1;", [=](uint32_t) { return sum; });
  Check("redux.sync.and.b32 %d, %a, -1;", [=](uint32_t) { return all; });
  Check("redux.sync.or.b32 %d, %a, -1;", [=](uint32_t) { return any; });
  Check("redux.sync.xor.b32 %d, %a, -1;", [=](uint32_t) { return odd; });
  Check("redux.sync.max.u32 %d, %a, -1;", [=](uint32_t) { return most; });
  Check("redux.sync.min.s32 %d, %a, -1;", [=](uint32_t) { return static_cast<uint32_t>(least); });
}

TEST(Elect, OneLane) {
  Check("elect.sync %e|%p, -1; selp.u32 %d, 7, 3, %p;",
        [](uint32_t l) { return l == 0 ? 7u : 3u; });
  Check("activemask.b32 %d;", [](uint32_t) { return ~0u; });
}

}  // namespace
}  // namespace emu
