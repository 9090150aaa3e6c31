// ldmatrix, stmatrix, mma.sync and wgmma as instructions, in hand-written PTX: what the
// whole-kernel tests do not reach.
#include <gtest/gtest.h>

#include "emulator/ptx/numerics_format.h"
#include "tests/emulator/ptx/tensor_fixture.h"
#include "tests/emulator/ptx/tensor_launch.h"

namespace emu {
namespace {

// A kernel of pointers p0 (%rd0) and p1 (%rd1), the thread index in %r0, shared memory `tile`
// (%r1).
std::string KernelText(const std::string& body) {
  return ".version 9.0\n.target sm_90a\n.address_size 64\n"
         ".visible .entry k(.param .u64 p0, .param .u64 p1)\n"
         "{\n"
         ".shared .align 1024 .b8 tile[16384];\n"
         ".reg .pred p, q;\n.reg .b32 %r<80>;\n.reg .f32 %f<80>;\n.reg .b64 %rd<20>;\n"
         "ld.param.u64 %rd0, [p0];\nld.param.u64 %rd1, [p1];\n"
         "mov.u32 %r0, %tid.x;\n"
         "mov.u32 %r1, tile;\n" +
         body + "ret;\n}\n";
}

class TensorOps : public ::testing::TestWithParam<Mode> {
 protected:
  std::string Launch1(const std::string& body, const Arguments& arguments, uint32_t threads = 32) {
    const auto module = ParsePtx(KernelText(body));
    if (module == nullptr) return "did not parse";
    return RunKernel(*module, "k", {.block = {threads}}, arguments, GetParam().options);
  }
};

// Thread t puts 16 bytes of the input at row t of the tile: four matrices of eight rows.
const char kFillRows[] =
    "mul.wide.u32 %rd2, %r0, 16;\nadd.u64 %rd3, %rd0, %rd2;\n"
    "ld.global.v4.b32 {%r10, %r11, %r12, %r13}, [%rd3];\n"
    "shl.b32 %r2, %r0, 4;\nadd.u32 %r3, %r1, %r2;\n"
    "st.shared.v4.b32 [%r3], {%r10, %r11, %r12, %r13};\n"
    "bar.warp.sync 0xffffffff;\n";

std::vector<uint32_t> Numbered() {
  std::vector<uint32_t> words(128);
  for (uint32_t i = 0; i < 128; ++i) words[i] = 2 * i | (2 * i + 1) << 16;
  return words;
}

// Element (row, column) of matrix q of the numbered input.
uint32_t Element(uint32_t q, uint32_t row, uint32_t column) { return q * 64 + row * 8 + column; }

TEST_P(TensorOps, MatrixLoadsOfEachSize) {
  for (const bool transposed : {false, true}) {
    for (const uint32_t count : {1u, 2u, 4u}) {
      DeviceArray<uint32_t> in(Numbered()), out(128);
      std::string vector = "{%r20";
      for (uint32_t i = 1; i < count; ++i) vector += ", %r2" + std::to_string(i);
      vector += "}";
      std::string body = std::string(kFillRows) + "ldmatrix.sync.aligned.m8n8.x" +
                         std::to_string(count) + (transposed ? ".trans" : "") +
                         ".shared::cta.b16 " + vector + ", [%r3];\n" +
                         "mul.wide.u32 %rd4, %r0, 4;\nadd.u64 %rd4, %rd4, %rd1;\n";
      for (uint32_t i = 0; i < count; ++i) {
        body +=
            "st.global.b32 [%rd4+" + std::to_string(128 * i) + "], %r2" + std::to_string(i) + ";\n";
      }
      ASSERT_EQ(Launch1(body, Arguments().Add(in.data()).Add(out.data())), "");
      for (uint32_t q = 0; q < count; ++q) {
        for (uint32_t lane = 0; lane < 32; ++lane) {
          const uint32_t i = lane / 4, j = lane % 4 * 2;
          const uint32_t low = transposed ? Element(q, j, i) : Element(q, i, j);
          const uint32_t high = transposed ? Element(q, j + 1, i) : Element(q, i, j + 1);
          ASSERT_EQ(out[q * 32 + lane], low | high << 16) << count << " lane " << lane;
        }
      }
    }
  }
}

TEST_P(TensorOps, MatrixStoresUndoLoads) {
  for (const std::string trans : {"", ".trans"}) {
    DeviceArray<uint32_t> in(Numbered()), out(128);
    // Generic addresses for the store.
    ASSERT_EQ(Launch1(std::string(kFillRows) + "ldmatrix.sync.aligned.m8n8.x4" + trans +
                          ".shared.b16 {%r20, %r21, %r22, %r23}, [%r3];\n"
                          "cvt.u64.u32 %rd5, %r3;\ncvta.shared.u64 %rd5, %rd5;\n"
                          "stmatrix.sync.aligned.m8n8.x4" +
                          trans +
                          ".shared.b16 [%rd5+4096], {%r20, %r21, %r22, %r23};\n"
                          "bar.warp.sync 0xffffffff;\n"
                          "ld.shared.v4.b32 {%r10, %r11, %r12, %r13}, [%r3+4096];\n"
                          "add.u64 %rd3, %rd1, %rd2;\n"
                          "st.global.v4.b32 [%rd3], {%r10, %r11, %r12, %r13};\n",
                      Arguments().Add(in.data()).Add(out.data())),
              "");
    EXPECT_EQ(out.values(), in.values());
  }
}

TEST_P(TensorOps, MatrixMovesFail) {
  DeviceArray<uint32_t> in(Numbered()), out(128);
  const Arguments arguments = Arguments().Add(in.data()).Add(out.data());
  EXPECT_NE(Launch1(std::string(kFillRows) +
                        "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r20}, [%r3+8];\n",
                    arguments)
                .find("multiple of 16"),
            std::string::npos);
  EXPECT_NE(Launch1(std::string(kFillRows) +
                        "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r20}, [%r3+16384];\n",
                    arguments)
                .find("shared"),
            std::string::npos);
  std::string error;
  for (const char* line : {"ldmatrix.sync.aligned.m8n8.x3.shared.b16 {%r1, %r2, %r3}, [%r4];",
                           "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r1}, [%r4];",
                           "ldmatrix.sync.aligned.m16n16.x1.trans.shared.b8 {%r1, %r2}, [%r4];",
                           "stmatrix.sync.aligned.m8n8.x1.global.b16 [%rd0], {%r1};"}) {
    EXPECT_EQ(Module::Parse(KernelText(std::string(line) + "\n"), &error), nullptr) << line;
  }
}

// One m64n8k16 with both operands in no-swizzle layout: A is 64 x 16 ones, B is 8 x 16 ones.
std::string Wgmma(const std::string& wait, const std::string& b_extra = "0") {
  return "shl.b32 %r2, %r0, 4;\nadd.u32 %r3, %r1, %r2;\n"
         "mov.b32 %r4, 0x3f803f80;\n"
         "st.shared.v4.b32 [%r3], {%r4, %r4, %r4, %r4};\n"  // 128 threads: 2048 bytes of A
         "st.shared.v4.b32 [%r3+2048], {%r4, %r4, %r4, %r4};\n"
         "fence.proxy.async.shared::cta;\n"
         "bar.sync 0;\n"
         "shr.u32 %r5, %r1, 4;\ncvt.u64.u32 %rd4, %r5;\n"
         "or.b64 %rd4, %rd4, 0x0000001000080000;\n"  // LBO 128, SBO 256
         "add.u64 %rd5, %rd4, 128;\n"                // B behind A's 2048 bytes
         "add.u64 %rd5, %rd5, " +
         b_extra +
         ";\n"
         "mov.b32 %f0, 0f40000000;\nmov.b32 %f1, %f0;\nmov.b32 %f2, %f0;\nmov.b32 %f3, %f0;\n"
         "setp.ne.u32 p, %r0, 1000;\n"
         "wgmma.fence.sync.aligned;\n"
         "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, %rd4, %rd5, p, "
         "1, -1, 0, 0;\n"
         "wgmma.commit_group.sync.aligned;\n" +
         wait +
         "mul.wide.u32 %rd6, %r0, 16;\nadd.u64 %rd6, %rd6, %rd1;\n"
         "st.global.v4.f32 [%rd6], {%f0, %f1, %f2, %f3};\n";
}

TEST_P(TensorOps, AWarpgroupMultipliesAndNegates) {
  DeviceArray<float> out(512);
  ASSERT_EQ(Launch1(Wgmma("wgmma.wait_group.sync.aligned 0;\n"),
                    Arguments().Add(out.data()).Add(out.data()), 128),
            "");
  EXPECT_EQ(out.values(), std::vector<float>(512, 2 - 16));
}

TEST_P(TensorOps, ResultsAreNotThereBeforeTheWait) {
  if (std::string(GetParam().options).find("async=late") == std::string::npos) return;
  DeviceArray<float> out(512);
  ASSERT_EQ(Launch1(Wgmma("wgmma.wait_group.sync.aligned 1;\n"),
                    Arguments().Add(out.data()).Add(out.data()), 128),
            "");
  EXPECT_EQ(out.values(), std::vector<float>(512, 2));
}

TEST_P(TensorOps, WgmmaFaultsAreNamed) {
  DeviceArray<float> out(512);
  const Arguments arguments = Arguments().Add(out.data()).Add(out.data());
  const std::string wait = "wgmma.wait_group.sync.aligned 0;\n";
  EXPECT_NE(Launch1(Wgmma(wait), arguments, 96).find("warpgroup"), std::string::npos);
  EXPECT_NE(Launch1(Wgmma(wait, "0x0002000000000000"), arguments, 128).find("base offset"),
            std::string::npos);
  EXPECT_NE(Launch1(Wgmma(wait, "1000"), arguments, 128).find("of shared memory"),
            std::string::npos);
  // The warps do not agree on B.
  EXPECT_NE(Launch1("shr.u32 %r70, %r0, 5;\ncvt.u64.u32 %rd10, %r70;\n" + Wgmma(wait, "%rd10"),
                    arguments, 128)
                .find("different operands"),
            std::string::npos);
  // Nor do lanes.
  EXPECT_NE(Launch1("cvt.u64.u32 %rd10, %r0;\n" + Wgmma(wait, "%rd10"), arguments, 128)
                .find("differs between lanes"),
            std::string::npos);
  // One warp of the four never comes.
  EXPECT_NE(
      Launch1("setp.ge.u32 q, %r0, 96;\n@q bra away;\n" +
                  Wgmma(wait).replace(Wgmma(wait).find("bar.sync 0;"), 11, "bar.sync 1, 96;") +
                  "away:\n",
              arguments, 128)
          .find("deadlock"),
      std::string::npos);
}

TEST_P(TensorOps, UnknownProductsFailAtParse) {
  const auto fails = [](const std::string& line) {
    std::string error;
    return Module::Parse(KernelText(line + "\n"), &error) == nullptr &&
           error.find("line") != std::string::npos;
  };
  const std::string d4 = "{%f0, %f1, %f2, %f3}";
  EXPECT_TRUE(fails("wgmma.mma_async.sync.aligned.m64n12k16.f32.bf16.bf16 " + d4 +
                    ", %rd0, %rd1, p, 1, 1, 0, 0;"));
  EXPECT_TRUE(fails("wgmma.mma_async.sync.aligned.m64n8k32.f32.bf16.bf16 " + d4 +
                    ", %rd0, %rd1, p, 1, 1, 0, 0;"));
  EXPECT_TRUE(fails("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.f16 " + d4 +
                    ", %rd0, %rd1, p, 1, 1, 0, 0;"));
  EXPECT_TRUE(fails("wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 " + d4 +
                    ", %rd0, %rd1, p, 1, 1, 0, 0;"));
  EXPECT_TRUE(fails("wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 " + d4 +
                    ", %rd0, %rd1, p, 1, 1, 0, 0;"));
  EXPECT_TRUE(fails("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 " + d4 +
                    ", %rd0, %rd1, p, 2, 1, 0, 0;"));
  EXPECT_TRUE(fails("wgmma.mma_async.sp.sync.aligned.m64n8k32.f32.bf16.bf16 " + d4 +
                    ", %rd0, %rd1, %r1, 0, p, 1, 1, 0, 0;"));
  EXPECT_TRUE(fails("mma.sync.aligned.m16n8k16.row.col.f32.bf16.f16.f32 " + d4 +
                    ", {%r0, %r1, %r2, %r3}, {%r4, %r5}, " + d4 + ";"));
  EXPECT_TRUE(fails("mma.sync.aligned.m16n8k64.row.col.f32.e4m3.e4m3.f32 " + d4 +
                    ", {%r0, %r1, %r2, %r3}, {%r4, %r5}, " + d4 + ";"));
  EXPECT_TRUE(fails("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 " + d4 +
                    ", {%r0, %r1, %r2}, {%r4, %r5}, " + d4 + ";"));
}

// Every shape of mma.sync with an f32 result, on ones: the sum is k.
TEST_P(TensorOps, MmaShapes) {
  struct Shape {
    const char* types;
    const char* one;  // a register full of ones
    int k, registers_b;
  };
  const Shape shapes[] = {
      {"f32.f16.f16.f32", "0x3c003c00", 8, 1},    {"f32.f16.f16.f32", "0x3c003c00", 16, 2},
      {"f32.bf16.bf16.f32", "0x3f803f80", 8, 1},  {"f32.tf32.tf32.f32", "0x3f800000", 4, 1},
      {"f32.tf32.tf32.f32", "0x3f800000", 8, 2},  {"f32.e4m3.e4m3.f32", "0x38383838", 16, 1},
      {"f32.e4m3.e4m3.f32", "0x38383838", 32, 2}, {"f32.e5m2.e5m2.f32", "0x3c3c3c3c", 32, 2}};
  for (const Shape& s : shapes) {
    DeviceArray<float> out(128);
    const std::string a = s.registers_b == 1 ? "{%r10, %r10}" : "{%r10, %r10, %r10, %r10}";
    const std::string b = s.registers_b == 1 ? "{%r10}" : "{%r10, %r10}";
    ASSERT_EQ(Launch1(std::string("mov.b32 %r10, ") + s.one +
                          ";\n"
                          "mov.b32 %f0, 0f3f800000;\n"
                          "mma.sync.aligned.m16n8k" +
                          std::to_string(s.k) + ".row.col." + s.types + " {%f4, %f5, %f6, %f7}, " +
                          a + ", " + b +
                          ", {%f0, %f0, %f0, %f0};\n"
                          "mul.wide.u32 %rd6, %r0, 16;\nadd.u64 %rd6, %rd6, %rd1;\n"
                          "st.global.v4.f32 [%rd6], {%f4, %f5, %f6, %f7};\n",
                      Arguments().Add(out.data()).Add(out.data())),
              "")
        << s.types;
    EXPECT_EQ(out.values(), std::vector<float>(128, static_cast<float>(1 + s.k))) << s.types;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, TensorOps, ::testing::ValuesIn(kModes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emu
