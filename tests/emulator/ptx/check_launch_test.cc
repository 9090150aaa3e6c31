// The checks as a launch shows them: which option reports what, with which words, and what it
// counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "emulator/ptx/counters.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/shadow_memory.h"
#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

using ::testing::HasSubstr;

// y[i] = x[63 - i] through shared memory; `barrier` stands between.
std::string ReversePtx(const char* barrier) {
  return Header() + R"(
.visible .entry reverse(.param .u64 x, .param .u64 y) {
  .reg .b32 %r<8>; .reg .f32 %f<3>; .reg .b64 %rd<8>;
  .shared .align 4 .b8 buffer[256];
  ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;
  ld.global.f32 %f1, [%rd4];
  mov.u32 %r2, buffer; shl.b32 %r3, %r1, 2; add.s32 %r4, %r2, %r3;
  st.shared.f32 [%r4], %f1;
  )" + barrier +
         R"(
  sub.s32 %r5, 252, %r3; add.s32 %r6, %r2, %r5;
  ld.shared.f32 %f2, [%r6];
  st.global.f32 [%rd5], %f2;
  ret;
})";
}

// Device memory of 64 floats.
class Array {
 public:
  explicit Array(const char* label, float value = 1) : values_(64, value) {
    RegisterMemory(values_.data(), values_.size() * sizeof(float), label);
  }
  ~Array() { UnregisterMemory(values_.data()); }
  float* data() { return values_.data(); }

 private:
  std::vector<float> values_;
};

class CheckLaunch : public ::testing::Test {
 protected:
  LaunchResult Reverse(const char* barrier, const Options& options, Counters* counters = nullptr) {
    const auto module = ParseOrDie(ReversePtx(barrier));
    Params params;
    params.Add(x_.data()).Add(y_.data());
    const LaunchConfig config = {.block = {64}, .params = params.bytes()};
    return Launch(*module, *module->FindKernel("reverse"), config, options, counters);
  }

  Array x_{"x"}, y_{"y", 0};
};

constexpr const char* kBarrier = "bar.sync 0;";

TEST_F(CheckLaunch, ARaceNamesBothLinesAndTheThread) {
  Options options;
  options.race = true;
  EXPECT_TRUE(Reverse(kBarrier, options).ok);
  const LaunchResult result = Reverse("bar.warp.sync -1;", options);
  EXPECT_FALSE(result.ok);
  EXPECT_THAT(result.fault, HasSubstr("kernel reverse: "));
  // Which of the two comes second depends on the order of the warps.
  EXPECT_THAT(result.fault, ::testing::AnyOf(HasSubstr("race: read of 4 bytes at shared offset"),
                                             HasSubstr("race: write of 4 bytes at shared offset")));
  EXPECT_THAT(result.fault, HasSubstr("st.shared.f32"));
  EXPECT_THAT(result.fault, HasSubstr("ld.shared.f32"));
}

// The elected lane's body lies behind the barrier: the others meet the barrier first and must wait.
TEST_F(CheckLaunch, AnAlignedBarrierWaitsForTheElectedLane) {
  const auto module = ParseOrDie(Header() + R"(
.visible .entry elected(.param .u64 y) {
  .reg .pred %p; .reg .b32 %r<4>; .reg .b64 %rd<4>;
  .shared .align 4 .b8 value[4];
  elect.sync %r1|%p, -1;
  @%p bra body;
back:
  bar.sync 0;
  ld.shared.u32 %r2, [value];
  mov.u32 %r3, %tid.x; mul.wide.u32 %rd2, %r3, 4; ld.param.u64 %rd1, [y];
  add.s64 %rd3, %rd1, %rd2; st.global.u32 [%rd3], %r2;
  ret;
body:
  mov.u32 %r2, 7; st.shared.u32 [value], %r2;
  bra back;
})");
  Params params;
  params.Add(y_.data());
  const LaunchConfig config = {.block = {32}, .params = params.bytes()};
  for (const Schedule schedule : {Schedule::kFixed, Schedule::kRandom}) {
    Options options;
    options.schedule = schedule;
    options.race = true;
    options.initcheck = true;
    const LaunchResult result =
        Launch(*module, *module->FindKernel("elected"), config, options, nullptr);
    ASSERT_TRUE(result.ok) << result.fault;
    for (int i = 0; i < 32; ++i) {
      EXPECT_EQ(reinterpret_cast<const uint32_t*>(y_.data())[i], 7u) << i;
    }
  }
}

TEST_F(CheckLaunch, ARaceOnGlobalMemoryNamesTheAllocation) {
  const auto module = ParseOrDie(Header() + R"(
.visible .entry same(.param .u64 x) {
  .reg .b64 %rd<2>; .reg .b32 %r<2>;
  ld.param.u64 %rd1, [x]; mov.u32 %r1, %ctaid.x; st.global.u32 [%rd1+8], %r1; ret;
})");
  Params params;
  params.Add(x_.data());
  const LaunchConfig config = {.grid = {2}, .block = {1}, .params = params.bytes()};
  Options options;
  options.race = true;
  const LaunchResult result =
      Launch(*module, *module->FindKernel("same"), config, options, nullptr);
  EXPECT_THAT(result.fault, HasSubstr("race: write of 4 bytes at byte 8 of \"x\" by thread 0"));
  EXPECT_THAT(result.fault,
              HasSubstr("is not ordered after the write by a thread of another block"));
}

// A block hands a word to another by a flag. membar orders what its scope reaches.
TEST_F(CheckLaunch, MembarOrdersWithinItsScope) {
  for (const auto& [fence, ordered] :
       {std::pair{"membar.gl;", true}, std::pair{"membar.sys;", true},
        std::pair{"membar.cta;", false}, std::pair{"", false}}) {
    const auto module = ParseOrDie(Header() + R"(
.visible .entry pass(.param .u64 x) {
  .reg .pred %p; .reg .b32 %r<4>; .reg .b64 %x;
  ld.param.u64 %x, [x]; mov.u32 %r1, %ctaid.x; setp.ne.u32 %p, %r1, 0; @%p bra Read;
  st.global.u32 [%x], 7; )" + fence +
                                   R"( st.relaxed.gpu.global.u32 [%x+64], 1; ret;
Read: ld.relaxed.gpu.global.u32 %r2, [%x+64]; setp.eq.u32 %p, %r2, 0; @%p bra Read;
  )" + fence + R"( ld.global.u32 %r3, [%x]; ret;
})");
    ASSERT_NE(module, nullptr);
    Array x("x", 0);
    Params params;
    params.Add(x.data());
    const LaunchConfig config = {.grid = {2}, .block = {1}, .params = params.bytes()};
    Options options;
    options.race = true;
    const LaunchResult result =
        Launch(*module, *module->FindKernel("pass"), config, options, nullptr);
    EXPECT_EQ(result.ok, ordered) << fence << result.fault;
    EXPECT_THAT(result.fault, HasSubstr(ordered ? "" : "race: ")) << fence;
  }
}

// The asynchronous proxy sees ordinary stores behind a fence of the proxy alone.
TEST_F(CheckLaunch, MembarProxyOrdersBulkCopies) {
  for (const auto& [fence, ordered] :
       {std::pair{"membar.proxy.async;", true}, std::pair{"fence.proxy.async;", true},
        std::pair{"membar.proxy.alias;", false}, std::pair{"membar.gl;", false}}) {
    const auto module = ParseOrDie(Header() + R"(
.visible .entry copy(.param .u64 x) {
  .reg .b64 %x; .shared .align 16 .b8 s[16];
  ld.param.u64 %x, [x]; st.shared.u32 [s], 1; st.shared.u32 [s+4], 2; st.shared.u64 [s+8], 3;
  )" + fence + R"( mov.b64 %x, %x;
  cp.async.bulk.global.shared::cta.bulk_group [%x], [s], 16;
  cp.async.bulk.commit_group; cp.async.bulk.wait_group 0; ret;
})");
    ASSERT_NE(module, nullptr);
    alignas(16) uint32_t words[4] = {};
    RegisterMemory(words, sizeof words, "words");
    Params params;
    params.Add(&words[0]);
    const LaunchConfig config = {.block = {1}, .params = params.bytes()};
    Options options;
    options.race = true;
    const LaunchResult result =
        Launch(*module, *module->FindKernel("copy"), config, options, nullptr);
    UnregisterMemory(words);
    EXPECT_EQ(result.ok, ordered) << fence << result.fault;
    EXPECT_EQ(words[1], ordered ? 2u : 0u);
    EXPECT_THAT(result.fault, HasSubstr(ordered ? "" : "race: ")) << fence;
  }
}

TEST_F(CheckLaunch, InitcheckReportsSharedBytesThatNobodyWrote) {
  Options options;
  options.initcheck = true;
  EXPECT_TRUE(Reverse(kBarrier, options).ok);
  const auto module = ParseOrDie(Header() + R"(
.visible .entry unwritten() {
  .reg .b32 %r<3>;
  .shared .align 4 .b8 buffer[16];
  mov.u32 %r1, 7; st.shared.u16 [buffer], %r1; ld.shared.u32 %r2, [buffer]; ret;
})");
  const LaunchConfig config = {.block = {1}};
  const LaunchResult result =
      Launch(*module, *module->FindKernel("unwritten"), config, options, nullptr);
  EXPECT_THAT(result.fault, HasSubstr("read of 4 bytes at shared offset 0, of which byte 2 was "
                                      "never written"));
}

TEST_F(CheckLaunch, InitcheckReportsShadowedDeviceMemory) {
  Options options;
  options.initcheck = true;
  ShadowMemory(x_.data(), 256);
  EXPECT_THAT(Reverse(kBarrier, options).fault, HasSubstr("uninitialised read: read of 4 bytes of "
                                                          "global memory"));
  options.initcheck = false;
  EXPECT_TRUE(Reverse(kBarrier, options).ok);
  options.initcheck = true;
  MarkWritten(x_.data(), 256);
  EXPECT_TRUE(Reverse(kBarrier, options).ok);
}

TEST_F(CheckLaunch, WhatAKernelStoresCountsAsWritten) {
  Options options;
  options.initcheck = true;
  ShadowMemory(y_.data(), 256);
  EXPECT_TRUE(Reverse(kBarrier, options).ok);
  uint64_t first = 0;
  EXPECT_FALSE(FindUnwritten(reinterpret_cast<uint64_t>(y_.data()), 256, &first));
}

TEST_F(CheckLaunch, AUseAfterFreeIsNamed) {
  UnregisterMemory(x_.data());
  for (const bool race : {false, true}) {
    Options options;
    options.race = race;
    EXPECT_THAT(Reverse(kBarrier, options).fault, HasSubstr("inside \"x\" (256 bytes at ")) << race;
  }
}

TEST_F(CheckLaunch, CountersTellRequestsSectorsAndInstructions) {
  Options options;
  options.counters = true;
  options.race = true;
  options.initcheck = true;
  Counters counters;
  ASSERT_TRUE(Reverse(kBarrier, options, &counters).ok);
  const KernelCounters kernel = counters.Of("reverse");
  EXPECT_EQ(kernel.launches, 1u);
  EXPECT_EQ(kernel.blocks, 1u);
  EXPECT_EQ(kernel.loads.requests, 2u);
  EXPECT_EQ(kernel.loads.bytes_used, 256u);
  EXPECT_GE(kernel.loads.sectors, 8u);  // 9 if the array is not aligned to sectors
  EXPECT_EQ(kernel.stores.requests, 2u);
  EXPECT_EQ(kernel.shared_stores.wavefronts, 2u);
  EXPECT_EQ(kernel.shared_loads.wavefronts, 2u);
  EXPECT_EQ(kernel.opcodes.at("bar.sync").warps, 2u);
  EXPECT_EQ(kernel.opcodes.at("ld.global.f32").lanes, 64u);
  EXPECT_EQ(kernel.thread_instructions, 32 * kernel.warp_instructions);
}

TEST_F(CheckLaunch, CountersAreTheSameOverOsThreads) {
  const auto module = ParseOrDie(ReversePtx(kBarrier));
  Params params;
  params.Add(x_.data()).Add(y_.data());
  const LaunchConfig config = {.grid = {40}, .block = {64}, .params = params.bytes()};
  uint64_t instructions = 0;
  for (const int threads : {1, 4}) {
    Options options;
    options.counters = true;
    options.os_threads = threads;
    Counters counters;
    ASSERT_TRUE(Launch(*module, *module->FindKernel("reverse"), config, options, &counters).ok);
    const KernelCounters kernel = counters.Of("reverse");
    EXPECT_EQ(kernel.blocks, 40u);
    EXPECT_EQ(kernel.loads.requests, 80u);
    if (instructions == 0) instructions = kernel.warp_instructions;
    EXPECT_EQ(kernel.warp_instructions, instructions);
  }
}

}  // namespace
}  // namespace emu
