// The mbarrier instructions in hand-written PTX, in all modes.
#include <gtest/gtest.h>

#include "tests/emulator/ptx/tensor_launch.h"

namespace emu {
namespace {

// A kernel with one pointer parameter in %rd0, thread index in %r0, and an mbarrier at %r2.
std::string KernelText(const std::string& body) {
  return ".version 9.0\n.target sm_90a\n.address_size 64\n"
         ".visible .entry k(.param .u64 p0)\n"
         "{\n"
         ".shared .align 8 .b64 bar;\n"
         ".shared .align 4 .b32 word;\n"
         ".reg .pred p, q, first, last;\n.reg .b32 %r<40>;\n.reg .b64 %rd<20>;\n"
         "ld.param.u64 %rd0, [p0];\n"
         "mov.u32 %r0, %tid.x;\n"
         "setp.eq.u32 first, %r0, 0;\n"
         "mov.u32 %r2, bar;\n" +
         body + "ret;\n}\n";
}

class MbarrierOps : public ::testing::TestWithParam<Mode> {
 protected:
  std::string Launch1(const std::string& body, DeviceArray<uint32_t>& out, uint32_t threads = 64) {
    const auto module = ParsePtx(KernelText(body));
    if (module == nullptr) return "did not parse";
    return RunKernel(*module, "k", {.block = {threads}}, Arguments().Add(out.data()),
                     GetParam().options);
  }
};

// Thread 0 initialises the object for a count.
std::string Init(const std::string& count) {
  return "@first mbarrier.init.shared::cta.b64 [%r2], " + count + ";\nbar.sync 0;\n";
}

// Each thread writes %r5 to its place of the output.
const char kWriteOut[] =
    "mul.wide.u32 %rd1, %r0, 4;\nadd.u64 %rd1, %rd1, %rd0;\nst.global.b32 [%rd1], %r5;\n";

TEST_P(MbarrierOps, AllThreadsMeetByTheirStates) {
  DeviceArray<uint32_t> out(64);
  // Thread 63 writes a word before it arrives; all read it after their waits.
  ASSERT_EQ(Launch1(Init("64") +
                        "setp.eq.u32 last, %r0, 63;\n"
                        "@last st.shared.b32 [word], 42;\n"
                        "mbarrier.arrive.shared::cta.b64 %rd2, [%r2];\n"
                        "again:\n"
                        "mbarrier.test_wait.shared::cta.b64 p, [%r2], %rd2;\n"
                        "@!p bra again;\n"
                        "ld.shared.b32 %r5, [word];\n" +
                        kWriteOut,
                    out),
            "");
  EXPECT_EQ(out.values(), std::vector<uint32_t>(64, 42));
}

TEST_P(MbarrierOps, CountsOfMoreThanOneAndGenericAddresses) {
  DeviceArray<uint32_t> out(64);
  ASSERT_EQ(Launch1(Init("130") +
                        "cvt.u64.u32 %rd3, %r2;\n"
                        "cvta.shared.u64 %rd3, %rd3;\n"
                        "mbarrier.arrive.release.cta.shared::cta.b64 _, [%rd3], 2;\n"
                        "@first mbarrier.arrive.b64 %rd2, [%rd3], 2;\n"
                        "again:\n"
                        "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [%rd3], 0, 1000;\n"
                        "@!p bra again;\n"
                        "mov.u32 %r5, 7;\n" +
                        kWriteOut,
                    out),
            "");
  EXPECT_EQ(out.values(), std::vector<uint32_t>(64, 7));
}

TEST_P(MbarrierOps, PhasesAlternate) {
  DeviceArray<uint32_t> out(64);
  // Five phases; in each a different thread's word goes round.
  ASSERT_EQ(Launch1(Init("64") +
                        "mov.u32 %r5, 0;\nmov.u32 %r6, 0;\nmov.u32 %r7, 0;\n"
                        "loop:\n"
                        "setp.eq.u32 q, %r0, %r6;\n"
                        "@q st.shared.b32 [word], %r6;\n"
                        "mbarrier.arrive.shared::cta.b64 _, [%r2];\n"
                        "again:\n"
                        "mbarrier.try_wait.parity.shared::cta.b64 p, [%r2], %r7;\n"
                        "@!p bra again;\n"
                        "ld.shared.b32 %r8, [word];\n"
                        "add.u32 %r5, %r5, %r8;\n"
                        "bar.sync 0;\n"
                        "xor.b32 %r7, %r7, 1;\n"
                        "add.u32 %r6, %r6, 1;\n"
                        "setp.lt.u32 q, %r6, 5;\n"
                        "@q bra loop;\n" +
                        kWriteOut,
                    out),
            "");
  EXPECT_EQ(out.values(), std::vector<uint32_t>(64, 0 + 1 + 2 + 3 + 4));
}

TEST_P(MbarrierOps, DroppingPendingCountAndInvalidation) {
  DeviceArray<uint32_t> out(1);
  ASSERT_EQ(Launch1(Init("3") +
                        "mbarrier.arrive_drop.shared::cta.b64 %rd2, [%r2];\n"           // 3 -> 2
                        "mbarrier.arrive.noComplete.shared::cta.b64 %rd3, [%r2], 1;\n"  // 2 -> 1
                        "mbarrier.pending_count.b64 %r5, %rd3;\n"                       // 2
                        "mbarrier.arrive.shared::cta.b64 _, [%r2];\n"                   // ends
                        "mbarrier.arrive.shared::cta.b64 %rd4, [%r2];\n"                // of 2
                        "mbarrier.pending_count.b64 %r6, %rd4;\n"
                        "mad.lo.u32 %r5, %r5, 10, %r6;\n"
                        "mbarrier.inval.shared::cta.b64 [%r2];\n"
                        "mbarrier.init.shared::cta.b64 [%r2], 9;\n"
                        "mbarrier.arrive.shared::cta.b64 %rd4, [%r2];\n"
                        "mbarrier.pending_count.b64 %r6, %rd4;\n"
                        "mad.lo.u32 %r5, %r5, 10, %r6;\n" +
                        kWriteOut,
                    out, 1),
            "");
  EXPECT_EQ(out[0], 229u);
}

TEST_P(MbarrierOps, ThreadsCompleteTransactions) {
  DeviceArray<uint32_t> out(64);
  ASSERT_EQ(Launch1(Init("1") +
                        "@first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 640;\n"
                        "bar.sync 0;\n"
                        "mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%r2], 10;\n"
                        "again:\n"
                        "mbarrier.try_wait.parity.shared::cta.b64 p, [%r2], 0;\n"
                        "@!p bra again;\n"
                        "mov.u32 %r5, 3;\n" +
                        kWriteOut,
                    out),
            "");
  EXPECT_EQ(out.values(), std::vector<uint32_t>(64, 3));
}

TEST_P(MbarrierOps, CopiesArriveWhenTheyAreDone) {
  // Each thread copies a word of the input; after the phase it reads its neighbour's.
  for (const bool noinc : {true, false}) {
    std::vector<uint32_t> words(128);
    for (uint32_t i = 0; i < 64; ++i) words[i] = 100 + i;
    DeviceArray<uint32_t> io(words);  // 64 words of input, 64 of output
    const std::string count = noinc ? "64" : "1";
    const std::string arrival = noinc ? ".noinc" : "";
    ASSERT_EQ(Launch1(".shared .align 16 .b8 words[256];\n" + Init(count) +
                          "mov.u32 %r3, words;\nshl.b32 %r4, %r0, 2;\nadd.u32 %r5, %r3, %r4;\n"
                          "cvt.u64.u32 %rd3, %r4;\nadd.u64 %rd3, %rd3, %rd0;\n"
                          "cp.async.ca.shared.global [%r5], [%rd3], 4;\n"
                          "cp.async.mbarrier.arrive" +
                          arrival +
                          ".shared::cta.b64 [%r2];\n"
                          // Without .noinc the count is only that of the arrivals below.
                          "bar.sync 0;\n" +
                          (noinc ? "" : "@first mbarrier.arrive.shared::cta.b64 _, [%r2];\n") +
                          "again:\n"
                          "mbarrier.try_wait.parity.shared::cta.b64 p, [%r2], 0;\n"
                          "@!p bra again;\n"
                          "xor.b32 %r6, %r4, 4;\nadd.u32 %r6, %r6, %r3;\n"
                          "ld.shared.b32 %r7, [%r6];\n"
                          "st.global.b32 [%rd3+256], %r7;\n",
                      io),
              "")
        << arrival;
    for (uint32_t i = 0; i < 64; ++i) ASSERT_EQ(io[64 + i], 100 + (i ^ 1)) << i;
  }
}

TEST_P(MbarrierOps, MisuseIsAReport) {
  DeviceArray<uint32_t> out(64);
  const std::string arrive = "mbarrier.arrive.shared::cta.b64 _, [%r2];\n";
  EXPECT_NE(Launch1(arrive, out).find("before mbarrier.init"), std::string::npos);
  EXPECT_NE(Launch1(Init("2") + "@first " + arrive + "@first " + arrive + "@first " + arrive +
                        "@first mbarrier.arrive.shared::cta.b64 _, [%r2], 2;\n",
                    out)
                .find("too many arrivals"),
            std::string::npos);
  EXPECT_NE(Launch1("mbarrier.init.shared::cta.b64 [%r2+4], 1;\n", out).find("multiple of 8"),
            std::string::npos);
  const std::string stuck = Launch1(Init("2") +
                                        "@first mbarrier.arrive.shared::cta.b64 _, [%r2];\n"
                                        "again:\n"
                                        "mbarrier.try_wait.parity.shared::cta.b64 p, [%r2], 0;\n"
                                        "@!p bra again;\n",
                                    out);
  EXPECT_NE(stuck.find("deadlock"), std::string::npos) << stuck;
  EXPECT_NE(stuck.find("mbarrier.try_wait"), std::string::npos) << stuck;
  EXPECT_NE(stuck.find("1 arrivals and 0 bytes are missing"), std::string::npos) << stuck;
}

TEST_P(MbarrierOps, UnknownFormsFailAtParse) {
  for (const char* line :
       {"mbarrier.arrive.shared::cta.b32 _, [%r2];", "mbarrier.arrive.weird.b64 _, [%r2];",
        "mbarrier.init.b64 [%r2];", "mbarrier.test_wait.parity.b64 p, [%r2];",
        "mbarrier.frobnicate.b64 [%r2];"}) {
    std::string error;
    EXPECT_EQ(Module::Parse(KernelText(std::string(line) + "\n"), &error), nullptr) << line;
    EXPECT_NE(error.find("line"), std::string::npos) << error;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, MbarrierOps, ::testing::ValuesIn(kModes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emu
