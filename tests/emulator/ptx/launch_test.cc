// Which launches are refused, and in which order blocks run.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

Options InRandomOrder(uint64_t seed) {
  Options options = Unchecked();
  options.schedule = Schedule::kRandom;
  options.seed = seed;
  return options;
}

std::string FaultOf(const std::string& kernel, const LaunchConfig& config,
                    const Options& options = Unchecked()) {
  const auto module = ParseOrDie(Header() + kernel);
  return module == nullptr ? "did not parse" : RunKernel(*module, "k", config, {}, options).fault;
}

constexpr const char* kEmpty = ".visible .entry k() { ret; }";

// order[n] = the block that came n-th.
std::vector<uint32_t> OrderOfBlocks(uint32_t blocks, uint64_t seed) {
  const auto module = ParseOrDie(Header() + R"(
.visible .entry k(.param .u64 count, .param .u64 order) {
  .reg .b32 %n, %b; .reg .b64 %c, %o, %t;
  ld.param.u64 %c, [count]; ld.param.u64 %o, [order]; mov.u32 %b, %ctaid.x;
  atom.global.add.u32 %n, [%c], 1; mul.wide.u32 %t, %n, 4; add.u64 %o, %o, %t;
  st.global.u32 [%o], %b; ret; })");
  uint32_t count = 0;
  std::vector<uint32_t> order(blocks, ~0u);
  Params params;
  params.Add(&count).Add(order.data());
  const LaunchResult result =
      RunKernel(*module, "k", {.grid = {blocks}}, params, InRandomOrder(seed));
  EXPECT_TRUE(result.ok) << result.fault;
  EXPECT_EQ(count, blocks);
  return order;
}

TEST(Launch, RandomOrderRunsEveryBlockOnce) {
  const std::vector<uint32_t> order = OrderOfBlocks(1000, 1);
  EXPECT_NE(OrderOfBlocks(1000, 2), order);
  EXPECT_EQ(OrderOfBlocks(1000, 1), order);
  std::vector<uint32_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_NE(sorted, order);
  for (uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(sorted[i], i);
}

// As many blocks as a device takes: their order must not be a list of them.
TEST(Launch, RandomOrderOfTheLargestGrid) {
  const LaunchConfig config = {.grid = {0x7fffffff, 65535, 65535}};
  const std::string fault = FaultOf(".visible .entry k() { trap; }", config, InRandomOrder(1));
  EXPECT_NE(fault.find("trap"), std::string::npos) << fault;
}

TEST(Launch, TheRequiredBlockIsExact) {
  const std::string kernel = ".visible .entry k() .reqntid 32, 2, 1 { ret; }";
  EXPECT_EQ(FaultOf(kernel, {.block = {32, 2, 1}}), "");
  for (const Dim3& block : {Dim3{64, 1, 1}, Dim3{32, 1, 1}, Dim3{2, 32, 1}, Dim3{32, 2, 2}}) {
    const std::string fault = FaultOf(kernel, {.block = block});
    EXPECT_NE(fault.find("the kernel requires 32 x 2 x 1"), std::string::npos) << fault;
  }
}

TEST(Launch, TheMostThreadsAreABound) {
  const std::string kernel = ".visible .entry k() .maxntid 32, 2, 1 { ret; }";
  for (const Dim3& block : {Dim3{64, 1, 1}, Dim3{1, 1, 1}, Dim3{2, 32, 1}}) {
    EXPECT_EQ(FaultOf(kernel, {.block = block}), "");
  }
  const std::string fault = FaultOf(kernel, {.block = {65, 1, 1}});
  EXPECT_NE(fault.find("built for 64"), std::string::npos) << fault;
}

TEST(Launch, SidesAreBoundedBeforeTheirProduct) {
  for (const Dim3& block : {Dim3{1u << 31, 1u << 31, 4}, Dim3{1025, 1, 1}, Dim3{1, 1, 65},
                            Dim3{0xffffffff, 0xffffffff, 1}}) {
    EXPECT_NE(FaultOf(kEmpty, {.block = block}), "") << block.x;
    EXPECT_NE(FaultOf(kEmpty, {.grid = {16}, .cluster = block}), "") << block.x;
  }
  EXPECT_NE(FaultOf(kEmpty, {.grid = {1, 65536, 1}}), "");
  EXPECT_NE(FaultOf(kEmpty, {.grid = {1u << 31, 1, 1}}), "");
  EXPECT_NE(FaultOf(kEmpty, {.grid = {0, 1, 1}}), "");
}

TEST(Launch, AnEndlessKernelEndsAtItsStepLimit) {
  Options options = Unchecked();
  options.step_limit = 1000;
  for (const Schedule schedule : {Schedule::kFixed, Schedule::kRandom}) {
    options.schedule = schedule;
    const std::string fault =
        FaultOf(".visible .entry k() {\nL: bra L; }", {.block = {64}}, options);
    EXPECT_NE(fault.find("more than 1000 instructions"), std::string::npos) << fault;
    EXPECT_NE(fault.find("PTX line 5: L: bra L;"), std::string::npos) << fault;
    // The limit is of a block, not of the launch, and to the instruction.
    const std::string loop = R"(.visible .entry k() { .reg .pred %p; .reg .b32 %r; mov.u32 %r, 0;
      L: add.u32 %r, %r, 1; setp.lt.u32 %p, %r, 166; @%p bra L; ret; })";
    EXPECT_EQ(FaultOf(loop, {.grid = {3}, .block = {64}}, options), "");  // 2 * (1 + 3 * 166 + 1)
    options.step_limit = 999;
    EXPECT_NE(FaultOf(loop, {.grid = {3}, .block = {64}}, options), "");
    options.step_limit = 1000;
  }
}

TEST(Launch, ACooperativeGridMustBeResident) {
  EXPECT_EQ(FaultOf(kEmpty, {.grid = {132 * 32}, .cooperative = true}), "");
  const std::string fault = FaultOf(kEmpty, {.grid = {132 * 32 + 1}, .cooperative = true});
  EXPECT_NE(fault.find("4225 blocks in a cooperative launch"), std::string::npos) << fault;
}

}  // namespace
}  // namespace emu
