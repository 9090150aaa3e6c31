// Divergence, barriers, calls, faults and deadlock: how warps run, and what is said when they
// cannot.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "emulator/ptx/memory_registry.h"
#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

// A kernel with parameter o (u32 array) whose thread index is %t and whose cell is [%o].
std::string KernelText(const std::string& body, const std::string& before = "") {
  return Header() + before + R"(
.visible .entry k(.param .u64 o) {
  .reg .pred %p<8>; .reg .b32 %r<16>, %t; .reg .b64 %rd<8>, %o, %base;
  .shared .align 8 .b32 s[64];
  mov.u32 %t, %tid.x; ld.param.u64 %base, [o]; mul.wide.u32 %o, %t, 4; add.u64 %o, %base, %o;
)" + body +
         "\nret; }";
}

struct Shape {
  uint32_t threads = 32;
  uint32_t blocks = 1;
  Options options = Unchecked();
  bool cooperative = false;
};

LaunchResult RunText(const std::string& text, std::vector<uint32_t>& out, const Shape& run = {}) {
  const auto module = ParseOrDie(text);
  if (module == nullptr) return {false, "parse"};
  Params params;
  params.Add(out.data());
  LaunchConfig config;
  config.block.x = run.threads;
  config.grid.x = run.blocks;
  config.cooperative = run.cooperative;
  return RunKernel(*module, "k", config, params, run.options);
}

Options Random(uint64_t seed) {
  Options options = Unchecked();
  options.schedule = Schedule::kRandom;
  options.seed = seed;
  return options;
}

TEST(Control, DivergentLanesMeetAgain) {
  // Each lane loops t times, odd ones take another way; behind it all 32 vote together.
  const std::string text = KernelText(R"(
  mov.u32 %r1, 0; mov.u32 %r2, 0;
Loop: setp.ge.u32 %p1, %r1, %t; @%p1 bra Done;
  and.b32 %r3, %t, 1; setp.eq.u32 %p2, %r3, 0; @%p2 bra Even;
  add.u32 %r2, %r2, 3; bra Next;
Even: add.u32 %r2, %r2, 5;
Next: add.u32 %r1, %r1, 1; bra Loop;
Done: activemask.b32 %r4; popc.b32 %r4, %r4; mad.lo.u32 %r2, %r4, 1000, %r2;
  st.global.u32 [%o], %r2;)");
  for (const uint64_t seed : {0, 1, 2}) {
    std::vector<uint32_t> out(32);
    const LaunchResult result = RunText(text, out, {.options = seed ? Random(seed) : Unchecked()});
    ASSERT_TRUE(result.ok) << result.fault;
    for (uint32_t t = 0; t < 32; ++t) {
      EXPECT_EQ(out[t] % 1000, t * (t % 2 == 0 ? 5 : 3));
      if (seed == 0) {
        EXPECT_EQ(out[t] / 1000, 32u);
      }
    }
  }
}

TEST(Control, LabelsAndRegistersOfScopesAreTheirOwn) {
  std::vector<uint32_t> out(32);
  const LaunchResult result = RunText(KernelText(R"(
  mov.u32 %r1, 0;
  { .reg .b32 %x; mov.u32 %x, 1; bra L; add.u32 %r1, %r1, 100; L: add.u32 %r1, %r1, %x; }
  { .reg .b32 %x; mov.u32 %x, 10; bra L; add.u32 %r1, %r1, 100; L: add.u32 %r1, %r1, %x; }
  bra L; add.u32 %r1, %r1, 100;
L: st.global.u32 [%o], %r1;)"),
                                      out);
  ASSERT_TRUE(result.ok) << result.fault;
  EXPECT_EQ(out[0], 11u);
}

TEST(Control, BranchTable) {
  std::vector<uint32_t> out(32);
  const LaunchResult result = RunText(KernelText(R"(
  and.b32 %r1, %t, 3;
Table: .branchtargets A, B, C, D;
  brx.idx %r1, Table;
A: mov.u32 %r2, 10; bra End;
B: mov.u32 %r2, 20; bra End;
C: mov.u32 %r2, 30; bra End;
D: mov.u32 %r2, 40;
End: st.global.u32 [%o], %r2;)"),
                                      out);
  ASSERT_TRUE(result.ok) << result.fault;
  for (uint32_t t = 0; t < 32; ++t) EXPECT_EQ(out[t], (t % 4 + 1) * 10);
}

TEST(Control, FunctionsTakeArgumentsAndReturn) {
  const std::string functions = R"(
.func (.param .b32 r) twice(.param .b32 x) {
  .reg .b32 %a; ld.param.u32 %a, [x]; add.u32 %a, %a, %a; st.param.b32 [r], %a; ret; }
.func (.param .b32 r) sum(.param .b32 x, .param .align 8 .b8 y[8]) {
  .reg .b32 %a<5>; .reg .pred %p;
  ld.param.u32 %a1, [x]; ld.param.u32 %a2, [y+4];
  setp.gt.u32 %p, %a1, 15; @%p bra Big;
  { .param .b32 p0; .param .b32 q0; st.param.b32 [p0], %a1; call.uni (q0), twice, (p0);
    ld.param.b32 %a1, [q0]; }
Big: add.u32 %a3, %a1, %a2; st.param.b32 [r], %a3; ret; })";
  std::vector<uint32_t> out(32);
  const LaunchResult result = RunText(KernelText(R"(
  { .param .b32 p0; .param .align 8 .b8 p1[8]; .param .b32 q;
    st.param.b32 [p0+0], %t; st.param.v2.b32 [p1], {%t, 100};
    call.uni (q), sum, (p0, p1); ld.param.b32 %r1, [q+0]; }
  st.global.u32 [%o], %r1;)",
                                                 functions),
                                      out);
  ASSERT_TRUE(result.ok) << result.fault;
  for (uint32_t t = 0; t < 32; ++t) EXPECT_EQ(out[t], (t > 15 ? t : 2 * t) + 100);
}

constexpr const char* kReverse = R"(
  mul.wide.u32 %rd1, %t, 4; mov.u64 %rd2, s; add.u64 %rd2, %rd2, %rd1;
  st.shared.u32 [%rd2], %t; bar.sync 0;
  mov.u32 %r1, %ntid.x; sub.u32 %r1, %r1, %t; sub.u32 %r1, %r1, 1; shl.b32 %r1, %r1, 2;
  mov.u32 %r2, s; add.u32 %r1, %r1, %r2; ld.shared.u32 %r3, [%r1]; st.global.u32 [%o], %r3;)";

TEST(Barrier, OrdersAWholeBlock) {
  for (const uint64_t seed : {0, 1, 2, 3}) {
    std::vector<uint32_t> out(64);
    const LaunchResult result = RunText(
        KernelText(kReverse), out, {.threads = 64, .options = seed ? Random(seed) : Unchecked()});
    ASSERT_TRUE(result.ok) << result.fault;
    for (uint32_t t = 0; t < 64; ++t) EXPECT_EQ(out[t], 63 - t);
  }
}

TEST(Barrier, ReductionsAndNamedOnes) {
  std::vector<uint32_t> out(96);
  const LaunchResult result = RunText(KernelText(R"(
  setp.lt.u32 %p1, %t, 40; bar.red.popc.u32 %r1, 0, %p1;
  setp.ge.u32 %p2, %t, 95; bar.red.or.pred %p3, 1, %p2; bar.red.and.pred %p4, 2, !%p2;
  selp.u32 %r2, 100, 0, %p3; selp.u32 %r3, 1000, 0, %p4;
  setp.ge.u32 %p5, %t, 64; @%p5 bra Arrive; bar.sync 5, 96; bra Go; Arrive: bar.arrive 5, 96;
Go: add.u32 %r1, %r1, %r2; add.u32 %r1, %r1, %r3; st.global.u32 [%o], %r1;)"),
                                      out, {.threads = 96});
  ASSERT_TRUE(result.ok) << result.fault;
  for (const uint32_t value : out) EXPECT_EQ(value, 140u);
}

TEST(Barrier, ExitedThreadsDoNotCount) {
  std::vector<uint32_t> out(96);
  const LaunchResult result =
      RunText(KernelText("setp.lt.u32 %p1, %t, 32; @%p1 exit; bar.sync 0; st.global.u32 [%o], 1;"),
              out, {.threads = 96});
  ASSERT_TRUE(result.ok) << result.fault;
  EXPECT_EQ(out[31], 0u);
  EXPECT_EQ(out[32], 1u);
}

TEST(Deadlock, NamesTheLineOfEveryWaitingWarp) {
  std::vector<uint32_t> out(64);
  const std::string text = KernelText(
      "setp.lt.u32 %p1, %t, 32;\n@%p1 bra A;\nbar.sync 1, 64;\n"
      "bra End;\nA: bar.sync 2, 64;\nEnd:");
  const LaunchResult result = RunText(text, out, {.threads = 64});
  ASSERT_FALSE(result.ok);
  EXPECT_NE(result.fault.find("deadlock: no warp can go on"), std::string::npos) << result.fault;
  EXPECT_NE(
      result.fault.find("warp 0 lanes ffffffff waits at a barrier, PTX line 13: A: bar.sync 2"),
      std::string::npos)
      << result.fault;
  EXPECT_NE(result.fault.find("warp 1 lanes ffffffff waits at a barrier, PTX line 11: bar.sync 1"),
            std::string::npos)
      << result.fault;
}

// One lane takes its time over atomics that change nothing; all others wait for it at a barrier.
TEST(Deadlock, AFiniteLoopOfAtomicsThatChangeNothingIsNone) {
  for (const char* atomic : {"atom.shared.max.u32 %r1, [%r2], 0;", "red.shared.add.u32 [%r2], 0;",
                             "ld.volatile.shared.u32 %r1, [%r2];"}) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      std::vector<uint32_t> out(96);
      const Shape run{.threads = 96, .options = Random(seed)};
      const std::string body =
          std::string("mov.u32 %r2, s; setp.ne.u32 %p1, %t, 0;\n@%p1 bra Wait;\n") +
          "st.shared.u32 [%r2], 0; mov.u32 %r3, 0;\nNext: " + atomic +
          "\nadd.u32 %r3, %r3, 1; setp.lt.u32 %p2, %r3, 300; @%p2 bra Next;\n"
          "Wait: bar.sync 0; st.global.u32 [%o], 7;";
      const LaunchResult result = RunText(KernelText(body), out, run);
      ASSERT_TRUE(result.ok) << atomic << " seed " << seed << ": " << result.fault;
      EXPECT_EQ(out[95], 7u);
    }
  }
}

TEST(Deadlock, FindsPollsThatNobodyCanEnd) {
  std::vector<uint32_t> out(32);
  // Shared memory: no one is left to write. Global memory: after poll_limit rounds.
  for (const char* body :
       {"mov.u32 %r2, s; st.shared.u32 [%r2], 0; Spin: ld.volatile.shared.u32 %r1, "
        "[%r2]; setp.eq.u32 %p1, %r1, 0; @%p1 bra Spin;",
        "Spin: ld.acquire.gpu.global.u32 %r1, [%base]; setp.eq.u32 %p1, %r1, 0; "
        "@%p1 bra Spin;",
        "mov.u32 %r2, s; st.shared.u32 [%r2], 0; Spin: atom.shared.cas.b32 %r1, "
        "[%r2], 1, 2; setp.eq.u32 %p1, %r1, 0; @%p1 bra Spin;",
        "Spin: atom.global.cas.b32 %r1, [%base], 1, 2; setp.eq.u32 %p1, %r1, 0; "
        "@%p1 bra Spin;",
        "Spin: nanosleep.u32 100; bra Spin;"}) {
    Shape run;
    run.options.poll_limit = 50;
    const LaunchResult result = RunText(KernelText(body), out, run);
    ASSERT_FALSE(result.ok) << body;
    EXPECT_NE(result.fault.find("deadlock"), std::string::npos) << result.fault;
  }
}

TEST(Deadlock, AReadingLoopIsNone) {
  // Strong loads, a different word each time and nothing stored for long: no poll.
  std::vector<uint32_t> out(4096);
  Shape run;
  run.options.poll_limit = 50;
  const LaunchResult result = RunText(KernelText(R"(
  mov.u32 %r1, 0; mov.u32 %r2, 0; mov.u64 %rd1, %base;
Loop: ld.relaxed.gpu.global.u32 %r3, [%rd1]; add.u32 %r2, %r2, %r3; add.u64 %rd1, %rd1, 4;
  add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 4096; @%p1 bra Loop;
  add.u32 %r2, %r2, 1; st.global.u32 [%o], %r2;)"),
                                      out, run);
  ASSERT_TRUE(result.ok) << result.fault;
  EXPECT_EQ(out[31], 1u);
}

TEST(Blocks, MayWaitForOneAnother) {
  // Block b spins until block b + 1 has stored: in the order of their numbers none could finish
  // alone.
  const std::string text = KernelText(R"(
  mov.u32 %r1, %ctaid.x; mov.u32 %r2, %nctaid.x; mul.wide.u32 %rd1, %r1, 4;
  add.u64 %rd1, %base, %rd1; add.u32 %r3, %r1, 1; setp.eq.u32 %p1, %r3, %r2; @%p1 bra Last;
Spin: ld.acquire.gpu.global.u32 %r4, [%rd1+4]; setp.eq.u32 %p2, %r4, 0; @%p2 bra Spin;
  bra Store;
Last: mov.u32 %r4, 100;
Store: add.u32 %r4, %r4, 1; st.release.gpu.global.u32 [%rd1], %r4;)");
  for (const int threads : {1, 3}) {
    for (const uint64_t seed : {0, 1}) {
      std::vector<uint32_t> out(41);
      Shape run{.threads = 1, .blocks = 40, .options = seed ? Random(seed) : Unchecked()};
      run.options.os_threads = threads;
      const LaunchResult result = RunText(text, out, run);
      ASSERT_TRUE(result.ok) << result.fault;
      EXPECT_EQ(out[0], 140u);
    }
  }
}

// A sleeping warp lets others go on.
TEST(Blocks, SleepBetweenLooks) {
  std::vector<uint32_t> out(2);
  Shape run{.threads = 1, .blocks = 2};
  run.options.os_threads = 1;
  const LaunchResult result = RunText(KernelText(R"(
  mov.u32 %r1, %ctaid.x; setp.ne.u32 %p1, %r1, 0; @%p1 bra Store;
Look: nanosleep.u32 1000; ld.relaxed.gpu.global.u32 %r2, [%base+4];
  setp.eq.u32 %p2, %r2, 0; @%p2 bra Look; st.global.u32 [%base], %r2; bra End;
Store: st.relaxed.gpu.global.u32 [%base+4], 9;
End:)"),
                                      out, run);
  ASSERT_TRUE(result.ok) << result.fault;
  EXPECT_EQ(out[0], 9u);
}

// What steers registers, profilers and the next grid computes nothing.
TEST(Control, HintsToTheDeviceChangeNothing) {
  std::vector<uint32_t> out(128);
  const LaunchResult result = RunText(KernelText(R"(
  griddepcontrol.wait; mov.u32 %r1, 5; setmaxnreg.dec.sync.aligned.u32 40; pmevent 3;
  setmaxnreg.inc.sync.aligned.u32 232; pmevent.mask 7; add.u32 %r1, %r1, %t;
  griddepcontrol.launch_dependents; st.global.u32 [%o], %r1;)"),
                                      out, {.threads = 128});
  ASSERT_TRUE(result.ok) << result.fault;
  for (uint32_t t = 0; t < 128; ++t) EXPECT_EQ(out[t], 5 + t);
}

std::string FaultOf(const std::string& body, Options options = Unchecked(), uint32_t threads = 32) {
  std::vector<uint32_t> out(64);
  const LaunchResult result =
      RunText(KernelText(body), out, {.threads = threads, .options = options});
  EXPECT_FALSE(result.ok) << body;
  return result.fault;
}

TEST(Faults, SharedBounds) {
  const std::string fault = FaultOf(
      "mul.lo.u32 %r1, %t, 8;\nmov.u32 %r2, s; add.u32 %r1, %r1, %r2;\n"
      "add.u32 %r1, %r1, 16; ld.shared.u32 %r3, [%r1];");
  EXPECT_NE(fault.find("illegal address"), std::string::npos) << fault;
  EXPECT_NE(fault.find("offset 256"), std::string::npos) << fault;  // lane 30
  EXPECT_NE(fault.find("thread (30,0,0), PTX line 11"), std::string::npos) << fault;
}

TEST(Faults, GlobalBoundsAndUseAfterFree) {
  alignas(64) uint32_t memory[16] = {};
  const auto module = ParseOrDie(KernelText("st.global.u32 [%o], %t;"));
  Params params;
  params.Add(&memory[0]);
  LaunchConfig config;
  config.block.x = 16;
  RegisterMemory(memory, sizeof memory, "a test's array");
  EXPECT_TRUE(RunKernel(*module, "k", config, params).ok);
  config.block.x = 17;
  const std::string fault = RunKernel(*module, "k", config, params).fault;
  EXPECT_NE(fault.find("thread (16,0,0)"), std::string::npos) << fault;
  EXPECT_NE(fault.find("illegal address"), std::string::npos) << fault;
  UnregisterMemory(memory);
  config.block.x = 1;
  EXPECT_NE(RunKernel(*module, "k", config, params).fault.find("use after free"),
            std::string::npos);
}

TEST(Faults, OthersAreNamed) {
  EXPECT_NE(FaultOf("add.u64 %o, %o, 1; st.global.u32 [%o], %t;").find("misaligned"),
            std::string::npos);
  EXPECT_NE(FaultOf("mov.u32 %r1, s; ld.shared.u32 %r2, [%r1+2];").find("misaligned"),
            std::string::npos);
  EXPECT_NE(FaultOf("mov.u32 %r1, 4096; ld.local.u32 %r2, [%r1];").find("local memory"),
            std::string::npos);
  EXPECT_NE(FaultOf("trap;").find("assertion"), std::string::npos);
  EXPECT_NE(FaultOf("brkpt;").find("assertion"), std::string::npos);
  EXPECT_NE(FaultOf("setp.lt.u32 %p1, %t, 16; @%p1 exit; bar.warp.sync 0xffffffff;").find("exited"),
            std::string::npos);
  EXPECT_NE(FaultOf("bar.warp.sync 1;").find("member mask"), std::string::npos);
  EXPECT_NE(FaultOf("bar.sync 16;").find("barrier 16"), std::string::npos);
  EXPECT_NE(FaultOf("brx.idx %t, T; T: .branchtargets A; A:").find("brx.idx"), std::string::npos);
}

TEST(Launch, RefusesWhatADeviceRefuses) {
  std::vector<uint32_t> out(64);
  const std::string text = KernelText("");
  EXPECT_FALSE(RunText(text, out, {.threads = 1025}).ok);
  EXPECT_FALSE(RunText(text, out, {.threads = 0}).ok);
  const auto module = ParseOrDie(text);
  LaunchConfig config;
  config.dynamic_shared_bytes = 228 * 1024;
  Params params;
  params.Add(out.data());
  EXPECT_FALSE(RunKernel(*module, "k", config, params).ok);
  config = {};
  config.cluster.x = 2;
  EXPECT_FALSE(RunKernel(*module, "k", config, params).ok);
  EXPECT_FALSE(RunKernel(*module, "k", {}, Params()).ok);
}

}  // namespace
}  // namespace emu
