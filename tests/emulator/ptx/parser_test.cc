// What must not parse, and how the failure reads.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/emulator/ptx/ptx_launch.h"

namespace emu {
namespace {

std::string ErrorOf(const std::string& ptx) {
  std::string error;
  EXPECT_EQ(Module::Parse(ptx, &error), nullptr) << ptx;
  return error;
}

// The error of one instruction in a kernel with some registers; it stands on line 6.
std::string ErrorIn(const std::string& instruction) {
  return ErrorOf(
      Header() +
      ".visible .entry k(.param .u64 p) {\n"
      ".reg .pred %p<4>; .reg .b16 %h<4>; .reg .b32 %r<4>; .reg .b64 %rd<4>; .shared .b32 s;\n" +
      instruction + "\nret; }");
}

TEST(Parser, NamesLineAndTextOfWhatItDoesNotKnow) {
  const std::string error = ErrorIn("frobnicate.b32 %r1, %r2;");
  EXPECT_NE(error.find("line 6"), std::string::npos) << error;
  EXPECT_NE(error.find("frobnicate.b32"), std::string::npos) << error;
}

TEST(Parser, RefusesEveryFormThatItDoesNotKnow) {
  for (const char* instruction : {
           "add.x.s32 %r1, %r2, %r3;",        // modifier
           "add.rn.s32 %r1, %r2, %r3;",       // of another type
           "add.s32 %r1, %r2;",               // operands
           "add.s32 %r1, %rd2, %r3;",         // width
           "add.s32 %rd1, %r2, %r3;",         // width of the result
           "add.f32 %r1, %r2, 1;",            // integer literal
           "add.s32 %r1, %r2, %unknown;",     // name
           "bra nowhere;",                    // label
           "ld.global.u32 %r1, [s];",         // space of the variable
           "ld.shared.b256 %r1, [%r2];",      // type
           "mul.s32 %r1, %r2, %r3;",          // .lo, .hi or .wide
           "shfl.down.b32 %r1, %r2, 1, 31;",  // without .sync
           "setp.xx.s32 %p1, %r1, %r2;",      // comparison
           "cvt.f32.s32 %p1, %r1;",           // no register of numbers
           "call nothing;",                   // function
           "tex.2d.v4.f32.s32 {%r1, %r2, %r3, %r0}, [t, {%r1, %r2}];",
           "atom.global.inc.s32 %r1, [%rd1], %r2;",
           "mov.u32 %r1, 0x1G;",
           "cp.async.ca.shared.global [%r1], [%rd1], 5;",
           "lop3.b32 %r1, %r2, %r3, %r0, %r1;",  // the table is a constant
           "ld.param.u64 %rd1, [p+4];",          // the parameter ends before
           "ld.param.u64 %rd1, [p+-8];",
           "vote.sync.any.pred _, %p1, -1;",  // results that must be there
           "mov.pred _, %p1;",
           "mov.b64 _, {%r1, %r2};",
           "and.pred _, %p1, %p2;",
           "selp.b32 _, %r1, %r2, %p1;",
           "set.lt.u32.u32 _, %r1, %r2;",
           "lop3.b32 _, %r1, %r2, %r3, 0x80;",
           "mov.u32 _, %clock;",
           "createpolicy.fractional.L2::evict_last.b64 _;",
           "match.any.sync.pred %r1, %p1, -1;",
           "match.sync.b32 %r1, %r2, -1;",
           "mbarrier.arrive.b64;",
           "atom.global.add.v2.f32 {%r1}, [%rd1], {%r2, %r3};",
           "testp.f32;",
           "testp;",                      // too short
           "prefetch.global.L3 [%rd1];",  // hints are checked, too
           "prefetch.global.L2 %rd1;",
           "discard.global.L2 [%rd1], 64;",
           "applypriority.global.L2::evict_normal [%rd1];",
           "createpolicy.whole.L2::evict_last.b64 %rd1;",
           "setmaxnreg.inc.sync.aligned.u32 25;",
           "setmaxnreg.sync.aligned.u32 24;",
           "griddepcontrol.stay;",
           "pmevent %r1;",
           "nanosleep.odd.u32 1;",
           "isspacep.everywhere %p1, %rd1;",
           "membar.here;",
       }) {
    EXPECT_NE(ErrorIn(instruction).find("line 6"), std::string::npos) << instruction;
  }
}

TEST(Parser, RefusesBrokenText) {
  for (const char* text :
       {".visible .entry k() { ret;", ".visible .entry k( { ret; }", "hello",
        ".global .b8 x[4] = {1, 2, 3, 4, 5};", "/* no end", ".global .b32 x = missing;",
        ".global .b8 x; .extern .global .b64 x[] = 5;", ".global .b32 x[2] = {1, ",
        ".global .b32 x = ", ".global .b64 x; .global .b8 y = 0(x);",
        ".visible .entry k() { .reg .b32 %r<0>; }",
        ".func f() { call f; ret; } .visible .entry k() { call f; ret; }"}) {
    EXPECT_FALSE(ErrorOf(Header() + text).empty()) << text;
  }
}

TEST(Parser, RefusesWhatFitsNowhere) {
  const std::string kernel = ".visible .entry k() { .reg .b32 %r; mov.u32 %r, 0; ";
  for (const std::string& text : {
           std::string(".global .b8 x[17179869184][17179869184];"),
           std::string(".global .b8 x[17179869184][4];"),
           std::string(".visible .entry k(.param .b8 p[4294967300]) { ret; }"),
           kernel + ".local .b8 x[4294967312]; ret; }",
           kernel + ".shared .b8 x[4294967312]; ret; }",
           kernel + ".local .align 2147483648 .b8 x[2]; .local .b8 y; .local .align 2147483648 "
                    ".b8 z; ret; }",
           ".shared .b8 x[4294967312]; " + kernel + "mov.u32 %r, x; ret; }",
           std::string(".visible .entry k() { .reg .b32 %r<300000>; ret; }"),
           std::string(
               ".visible .entry k() { .reg .pred %p<1000000>; .reg .b64 %r<150000>; ret; }"),
           std::string(".global .b8 x[536870912]; .global .b8 y[536870913];"),
           std::string(".global .b32 x = 1; .global .b32 x[64] = {1, 2, 3, 4};"),
           kernel + "mov.b32 %r, " + std::string(1'000'000, '{'),
       }) {
    EXPECT_FALSE(ErrorOf(Header() + text).empty()) << text.substr(0, 200);
  }
}

// Every function calls the next two: a walk over all paths would not end.
TEST(Parser, FindsRecursionInALadderOfCalls) {
  constexpr int kFunctions = 100;
  std::string functions, calls;
  for (int i = kFunctions; i-- > 0;) {
    const std::string name = "f" + std::to_string(i);
    functions += ".func " + name + "() { ";
    for (int next = i + 1; next < std::min(i + 3, kFunctions); ++next) {
      functions += "call f" + std::to_string(next) + "; ";
    }
    functions += "ret; } ";
    calls.insert(0, "call " + name + "; ");
  }
  ASSERT_NE(ParseOrDie(Header() + functions + ".visible .entry k() { " + calls + "ret; }"),
            nullptr);
}

TEST(Parser, KeepsParametersSharedMemoryAndVariables) {
  const auto module = ParseOrDie(Header() + R"(
.global .align 8 .u64 p = v;
.visible .global .align 4 .b8 v[8] = {1, 2, 3, 0xff};
.const .f32 c[2] = {0f3F800000, 0f40000000};
.extern .shared .align 1024 .b8 dynamic[];
.shared .align 16 .b8 unused[4096];
.visible .entry k(.param .u32 a, .param .align 16 .b8 b[20], .param .u64 c)
.maxntid 128, 2, 1 .reqnctapercluster 2, 1, 1 {
  .shared .b32 x[3]; .reg .b32 %r; .reg .b32 f, g;
  mov.u32 %r, dynamic; mov.u32 %r, x; { .reg .pred f; L: ret; } L: ret; })");
  ASSERT_NE(module, nullptr);
  const Kernel* kernel = module->FindKernel("k");
  ASSERT_NE(kernel, nullptr);
  ASSERT_EQ(kernel->params().size(), 3u);
  EXPECT_EQ(kernel->params()[1].offset, 16u);
  EXPECT_EQ(kernel->params()[1].size, 20u);
  EXPECT_EQ(kernel->params()[2].offset, 40u);
  EXPECT_EQ(kernel->param_bytes(), 48u);
  EXPECT_EQ(kernel->static_shared_bytes(), 1024u);  // 12, up to the dynamic array's alignment
  EXPECT_EQ(kernel->max_threads(), 256u);
  EXPECT_EQ(kernel->required_cluster().x, 2u);
  const auto* v = module->FindVariable("v");
  ASSERT_NE(v, nullptr);
  EXPECT_EQ(v->bytes, 8u);
  EXPECT_EQ(static_cast<const uint8_t*>(v->address)[3], 0xff);
  EXPECT_EQ(*static_cast<void* const*>(module->FindVariable("p")->address), v->address);
  EXPECT_EQ(static_cast<const float*>(module->FindVariable("c")->address)[1], 2.0F);
  EXPECT_EQ(module->FindVariable("unused"), nullptr);
}

TEST(Parser, KeepsTheBlockThatAKernelRequires) {
  const auto module = ParseOrDie(
      Header() + ".visible .entry k() .reqntid 32, 2 .blocksareclusters .minnctapersm 1 { ret; }");
  ASSERT_NE(module, nullptr);
  const Kernel* kernel = module->FindKernel("k");
  EXPECT_EQ(kernel->max_threads(), 64u);
  EXPECT_EQ(kernel->required_block().x, 32u);
  EXPECT_EQ(kernel->required_block().y, 2u);
  EXPECT_EQ(kernel->required_block().z, 1u);
  for (const char* attribute :
       {".maxntid 65536, 65536, 2", ".maxntid 0", ".reqntid 4294967297", ".reqntid 32,",
        ".reqnctapercluster 2, 1, 1 .blocksareclusters"}) {  // a grid of clusters, which no launch
                                                             // here understands
    EXPECT_FALSE(ErrorOf(Header() + ".visible .entry k() " + attribute + " { ret; }").empty())
        << attribute;
  }
}

TEST(Options, ParseAndRefuse) {
  std::string error;
  const Options options = ParseOptions(
      "schedule=random,async=late,seed=3,race=1,counters=1,numerics=h100,threads=2", &error);
  EXPECT_TRUE(error.empty());
  EXPECT_EQ(options.schedule, Schedule::kRandom);
  EXPECT_EQ(options.async, AsyncCompletion::kLate);
  EXPECT_EQ(options.seed, 3u);
  EXPECT_TRUE(options.race && options.memcheck && options.counters);
  EXPECT_EQ(options.numerics, Numerics::kH100);
  EXPECT_EQ(options.os_threads, 2);
  for (const char* text : {"schedule=sometimes", "speed=1", "seed=x", "race=2", "threads=-1"}) {
    ParseOptions(text, &error);
    EXPECT_FALSE(error.empty()) << text;
  }
}

}  // namespace
}  // namespace emu
