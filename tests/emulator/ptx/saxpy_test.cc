// The first thing that runs: one kernel, whole, over blocks and OS threads.
#include <gtest/gtest.h>

#include <vector>

#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

constexpr const char* kSaxpy = R"(
.visible .entry saxpy(.param .u32 n, .param .f32 a, .param .u64 x, .param .u64 y) {
  .reg .pred %p<2>; .reg .b32 %r<6>; .reg .f32 %f<5>; .reg .b64 %rd<8>;
  ld.param.u32 %r1, [n]; ld.param.f32 %f1, [a]; ld.param.u64 %rd1, [x]; ld.param.u64 %rd2, [y];
  mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.s32 %p1, %r5, %r1;
  @%p1 bra $L__end;
  cvta.to.global.u64 %rd3, %rd1; cvta.to.global.u64 %rd4, %rd2;
  mul.wide.s32 %rd5, %r5, 4; add.s64 %rd6, %rd3, %rd5; add.s64 %rd7, %rd4, %rd5;
  ld.global.f32 %f2, [%rd6]; ld.global.f32 %f3, [%rd7];
  fma.rn.f32 %f4, %f1, %f2, %f3;
  st.global.f32 [%rd7], %f4;
$L__end:
  ret;
})";

TEST(Saxpy, RunsOverBlocksAndThreads) {
  const auto module = ParseOrDie(Header() + kSaxpy);
  ASSERT_NE(module, nullptr);
  for (const int threads : {1, 4}) {
    for (const uint32_t n : {1u, 31u, 1000u}) {
      std::vector<float> x(n), y(n), want(n);
      for (uint32_t i = 0; i < n; ++i) {
        x[i] = static_cast<float>(i);
        y[i] = 1.0F / static_cast<float>(i + 1);
        want[i] = __builtin_fmaf(2.5F, x[i], y[i]);
      }
      Params params;
      params.Add(n).Add(2.5F).Add(x.data()).Add(y.data());
      LaunchConfig config;
      config.block.x = 96;
      config.grid.x = (n + 95) / 96;
      Options options = Unchecked();
      options.os_threads = threads;
      const LaunchResult result = RunKernel(*module, "saxpy", config, params, options);
      ASSERT_TRUE(result.ok) << result.fault;
      EXPECT_EQ(y, want);
    }
  }
}

}  // namespace
}  // namespace emu
