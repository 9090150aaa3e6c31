// Loads, stores, vectors, spaces, atomics and cp.async.
#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <string>
#include <vector>

#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

std::string KernelText(const std::string& body) {
  return Header() + R"(
.visible .entry k(.param .u64 in, .param .u64 out) {
  .reg .pred %p<4>; .reg .b16 %h<8>; .reg .b32 %r<16>, %t; .reg .f32 %f<4>; .reg .f64 %fd<4>;
  .reg .b64 %rd<12>, %i, %o; .reg .b128 %q<2>; .shared .align 16 .b8 s[2048]; .local .align 8 .b8 l[32];
  mov.u32 %t, %tid.x; ld.param.u64 %i, [in]; ld.param.u64 %o, [out];
)" + body +
         "\nret; }";
}

struct Io {
  std::vector<uint64_t> in = std::vector<uint64_t>(256), out = std::vector<uint64_t>(256);
};

void RunText(const std::string& body, Io& io, uint32_t threads = 32, uint32_t blocks = 1,
             Options options = Unchecked()) {
  const auto module = ParseOrDie(KernelText(body));
  ASSERT_NE(module, nullptr);
  Params params;
  params.Add(io.in.data()).Add(io.out.data());
  LaunchConfig config;
  config.block.x = threads;
  config.grid.x = blocks;
  const LaunchResult result = RunKernel(*module, "k", config, params, options);
  ASSERT_TRUE(result.ok) << result.fault;
}

// out[t] = what `load` puts into %rd1 from the bytes at %rd0 = in + t * stride.
TEST(Load, EveryWidthExtends) {
  struct Case {
    const char* load;
    int bytes;
    bool is_signed;
  };
  for (const Case& c : {Case{"ld.global.u8 %h1, [%rd0]; cvt.u64.u16 %rd1, %h1;", 1, false},
                        Case{"ld.global.s8 %h1, [%rd0]; cvt.s64.s16 %rd1, %h1;", 1, true},
                        Case{"ld.global.s8 %r1, [%rd0]; cvt.s64.s32 %rd1, %r1;", 1, true},
                        Case{"ld.global.nc.u16 %h1, [%rd0]; cvt.u64.u16 %rd1, %h1;", 2, false},
                        Case{"ld.s16 %r1, [%rd0]; cvt.s64.s32 %rd1, %r1;", 2, true},
                        Case{"ld.global.s32 %rd1, [%rd0];", 4, true},
                        Case{"ld.relaxed.sys.global.u32 %rd1, [%rd0];", 4, false},
                        Case{"ld.volatile.global.u64 %rd1, [%rd0];", 8, false},
                        Case{"ldu.global.u32 %rd1, [%rd0];", 4, false},
                        Case{"ldu.global.s8 %r1, [%rd0]; cvt.s64.s32 %rd1, %r1;", 1, true}}) {
    Io io;
    for (size_t i = 0; i < io.in.size(); ++i) io.in[i] = 0x9182838485868788 * (i + 1);
    RunText("mul.wide.u32 %rd0, %t, " + std::to_string(c.bytes) + "; add.u64 %rd0, %rd0, %i;" +
                c.load +
                "mul.wide.u32 %rd2, %t, 8; add.u64 %rd2, %rd2, %o; st.global.u64 [%rd2], %rd1;",
            io);
    for (int t = 0; t < 32; ++t) {
      uint64_t want = 0;
      std::memcpy(&want, reinterpret_cast<const char*>(io.in.data()) + t * c.bytes, c.bytes);
      if (c.is_signed) {
        const int up = 64 - 8 * c.bytes;
        want = static_cast<uint64_t>(static_cast<int64_t>(want << up) >> up);
      }
      EXPECT_EQ(io.out[t], want) << c.load;
    }
  }
}

TEST(Memory, VectorsThroughSharedLocalAndWideRegisters) {
  Io io;
  for (size_t i = 0; i < io.in.size(); ++i) io.in[i] = i * 0x0101010101 + 77;
  // 16 bytes a thread: global -> shared -> local (through a generic address) -> global.
  RunText(R"(
  mul.wide.u32 %rd0, %t, 16; add.u64 %rd1, %rd0, %i; ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1];
  shl.b32 %r5, %t, 4; mov.u32 %r6, s; add.u32 %r5, %r5, %r6;
  st.shared.v2.b32 [%r5], {%r1, %r2}; st.shared.v2.b32 [%r5+8], {%r3, %r4};
  ld.shared.b128 %q0, [%r5]; mov.b128 {%rd2, %rd3}, %q0;
  mov.u64 %rd4, l; cvta.local.u64 %rd4, %rd4; st.v2.u64 [%rd4+16], {%rd2, %rd3};
  ld.local.v2.u64 {%rd5, %rd6}, [l+16];
  cvta.shared.u64 %rd7, %rd0; mov.u32 %r7, s; cvt.u64.u32 %rd8, %r7; add.u64 %rd7, %rd7, %rd8;
  ld.u64 %rd9, [%rd7+8]; sub.u64 %rd6, %rd6, %rd9; add.u64 %rd6, %rd6, %rd3;
  add.u64 %rd1, %rd0, %o; st.global.v2.u64 [%rd1], {%rd5, %rd6};)",
          io);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(io.out[i], io.in[i]);
}

TEST(Atomics, EveryOperation) {
  // 64 threads of 4 blocks on one word each.
  Io io;
  auto& o = io.out;
  o[1] = 0xffffffff;                    // min.u32
  o[3] = 0xffffffff;                    // and.b32
  o[8] = std::bit_cast<uint64_t>(0.5);  // add.f64
  Options options = Unchecked();
  options.os_threads = 2;
  RunText(R"(
  mov.u32 %r1, %ctaid.x; mov.u32 %r2, %ntid.x; mad.lo.u32 %t, %r1, %r2, %t;
  atom.global.add.u32 %r3, [%o], 3; atom.global.min.u32 %r3, [%o+8], %t; red.global.max.s32 [%o+16], %t;
  not.b32 %r4, %t; red.global.and.b32 [%o+24], %r4; red.global.or.b32 [%o+32], %t;
  red.global.xor.b32 [%o+40], %t; red.global.inc.u32 [%o+48], 99; mov.f32 %f1, 0f3F000000;
  red.global.add.f32 [%o+56], %f1; red.global.add.f64 [%o+64], 0d3FE0000000000000;
  cvt.u64.u32 %rd1, %t; atom.acq_rel.gpu.global.add.u64 %rd2, [%o+72], %rd1;
  red.global.dec.u32 [%o+80], 9; atom.global.exch.b64 %rd2, [%o+88], 5;
  red.global.add.noftz.bf16x2 [%o+96], 0x3f803f80;
  mov.u32 %r5, 0x3c00; cvt.u16.u32 %h1, %r5; red.global.add.noftz.f16 [%o+104], %h1;
Again: ld.relaxed.gpu.global.u32 %r6, [%o+112]; add.u32 %r7, %r6, 7;
  atom.global.cas.b32 %r8, [%o+112], %r6, %r7; setp.ne.u32 %p1, %r8, %r6; @%p1 bra Again;
  red.global.add.v2.f32 [%o+120], {%f1, %f1};)",
          io, 64, 4, options);
  EXPECT_EQ(o[0], 256u * 3);
  EXPECT_EQ(o[1], 0u);
  EXPECT_EQ(o[2], 255u);
  EXPECT_EQ(static_cast<uint32_t>(o[3]), 0xffffff00u);
  EXPECT_EQ(o[4], 255u);
  EXPECT_EQ(o[5], 0u);
  EXPECT_EQ(o[6], 56u);
  EXPECT_EQ(std::bit_cast<float>(static_cast<uint32_t>(o[7])), 128.0F);
  EXPECT_EQ(std::bit_cast<double>(o[8]), 128.5);
  EXPECT_EQ(o[9], 255u * 128);
  EXPECT_EQ(o[10], 4u);  // 0, 9, 8, ...: 256 steps of a cycle of 10
  EXPECT_EQ(o[11], 5u);
  EXPECT_EQ(o[12], 0x43804380u);  // bf16 256
  EXPECT_EQ(o[13], 0x5c00u);      // f16 256
  EXPECT_EQ(o[14], 256u * 7);
  EXPECT_EQ(o[15], 0x4300000043000000u);
}

TEST(CopyAsync, TakesEffectByItsWaitInEveryMode) {
  for (const auto mode :
       {AsyncCompletion::kEager, AsyncCompletion::kLate, AsyncCompletion::kRandom}) {
    Io io;
    for (size_t i = 0; i < io.in.size(); ++i) io.in[i] = ~i;
    Options options = Unchecked();
    options.async = mode;
    // Two groups of 8 bytes; the source of the second is cut to 4 (the rest becomes zero). Before
    // the first wait its bytes are read too.
    RunText(R"(
  mul.wide.u32 %rd0, %t, 8; add.u64 %rd1, %rd0, %i; mov.u32 %r1, s; mad.lo.u32 %r1, %t, 8, %r1;
  cp.async.ca.shared.global [%r1], [%rd1], 8; cp.async.commit_group;
  cp.async.ca.shared.global [%r1+1024], [%rd1+8], 8, 4; cp.async.commit_group;
  ld.shared.u64 %rd2, [%r1]; cp.async.wait_group 1; ld.shared.u64 %rd3, [%r1];
  cp.async.wait_all; ld.shared.u64 %rd4, [%r1+1024];
  add.u64 %rd1, %rd0, %o; st.global.u64 [%rd1], %rd3; st.global.u64 [%rd1+256], %rd4;
  st.global.u64 [%rd1+512], %rd2;)",
            io, 32, 1, options);
    for (uint64_t t = 0; t < 32; ++t) {
      EXPECT_EQ(io.out[t], ~t);
      EXPECT_EQ(io.out[32 + t], ~(t + 1) & 0xffffffff);
      if (mode == AsyncCompletion::kLate) {
        EXPECT_EQ(io.out[64 + t], ~uint64_t{0});
      }
    }
  }
}

// Hints change nothing that a program can see.
TEST(Memory, CachePoliciesAndHintsAreTaken) {
  Io io;
  for (size_t i = 0; i < io.in.size(); ++i) io.in[i] = 7 * i;
  RunText(R"(
  createpolicy.fractional.L2::evict_last.b64 %rd2, 1.0;
  createpolicy.fractional.L2::evict_last.L2::evict_unchanged.b64 %rd3, 0.5;
  createpolicy.range.global.L2::evict_last.L2::evict_unchanged.b64 %rd4, [%i], 1024, 2048;
  mul.wide.u32 %rd0, %t, 8; add.u64 %rd1, %rd0, %i; add.u64 %rd5, %rd0, %o;
  prefetch.global.L1 [%rd1]; prefetch.global.L2::evict_normal [%rd1]; prefetch.L2 [%rd1];
  prefetch.local.L1 [l]; prefetchu.L1 [%rd1]; applypriority.global.L2::evict_normal [%rd1], 128;
  ld.global.L2::cache_hint.u64 %rd6, [%rd1], %rd2; or.b64 %rd6, %rd6, %rd3; or.b64 %rd6, %rd6, %rd4;
  discard.global.L2 [%o], 128; st.global.u64 [%rd5], %rd6;)",
          io);
  for (uint64_t t = 0; t < 32; ++t) EXPECT_EQ(io.out[t], 7 * t);
}

TEST(Cluster, SharedMemoryOfOtherBlocks) {
  const auto module = ParseOrDie(Header() + R"(
.visible .entry k(.param .u64 out) .reqnctapercluster 4, 1, 1 {
  .reg .b32 %r<12>; .reg .b64 %rd<4>; .shared .b32 s;
  mov.u32 %r1, %cluster_ctarank; mov.u32 %r2, %cluster_nctarank; mov.u32 %r3, s; mul.lo.u32 %r4, %r1, 10;
  st.shared.u32 [%r3], %r4; barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;
  add.u32 %r5, %r1, 1; rem.u32 %r5, %r5, %r2; mapa.shared::cluster.u32 %r6, %r3, %r5;
  ld.shared::cluster.u32 %r7, [%r6]; getctarank.shared::cluster.u32 %r8, %r6;
  mapa.shared::cluster.u32 %r9, %r3, 0; atom.shared::cluster.add.u32 %r10, [%r9], 1000;
  barrier.cluster.arrive.release; barrier.cluster.wait.acquire;
  mad.lo.u32 %r7, %r8, 100, %r7; ld.shared.u32 %r11, [%r3]; ld.param.u64 %rd1, [out];
  mov.u32 %r5, %ctaid.x; mul.wide.u32 %rd2, %r5, 8; add.u64 %rd1, %rd1, %rd2;
  st.global.v2.u32 [%rd1], {%r7, %r11}; ret; })");
  ASSERT_NE(module, nullptr);
  std::vector<uint32_t> out(16);
  Params params;
  params.Add(out.data());
  LaunchConfig config;
  config.grid.x = 8;
  const LaunchResult result = RunKernel(*module, "k", config, params, Unchecked());
  ASSERT_TRUE(result.ok) << result.fault;
  for (uint32_t b = 0; b < 8; ++b) {
    const uint32_t next = (b + 1) % 4;
    EXPECT_EQ(out[b * 2], next * 110);
    EXPECT_EQ(out[b * 2 + 1], b % 4 * 10 + (b % 4 == 0 ? 4000 : 0));
  }
}

}  // namespace
}  // namespace emu
