// The bulk-copy instructions one by one, in hand-written PTX, in all modes.
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "tests/emulator/ptx/tensor_launch.h"

namespace emu {
namespace {

// A kernel with the parameters p0, p1, ... of eight bytes (p0 also a tensor map if `map`), a shared
// array `box` and an mbarrier `bar` that thread 0 has initialised with one arrival.
std::string KernelText(const std::string& body, bool map = false) {
  const std::string first = map ? ".param .align 64 .b8 p0[128]" : ".param .u64 p0";
  return ".version 9.0\n.target sm_90a\n.address_size 64\n"
         ".visible .entry k(" +
         first +
         ", .param .u64 p1, .param .u64 p2)\n"
         "{\n"
         ".shared .align 1024 .b8 box[32768];\n"
         ".shared .align 8 .b64 bar;\n"
         ".reg .pred p, first;\n.reg .b16 %h<4>;\n.reg .b32 %r<40>;\n.reg .b64 %rd<20>;\n"
         "mov.u32 %r0, %tid.x;\n"
         "setp.eq.u32 first, %r0, 0;\n"
         "mov.u32 %r1, box;\n"
         "mov.u32 %r2, bar;\n"
         "@first mbarrier.init.shared::cta.b64 [%r2], 1;\n"
         "@first fence.mbarrier_init.release.cluster;\n"
         "bar.sync 0;\n" +
         body + "ret;\n}\n";
}

const char kWaitForBar[] =
    "again:\n"
    "mbarrier.try_wait.parity.shared::cta.b64 p, [%r2], 0;\n"
    "@!p bra again;\n";

class TmaOps : public ::testing::TestWithParam<Mode> {
 protected:
  std::string Launch1(const std::string& text, const Arguments& arguments, uint32_t threads = 32) {
    const auto module = ParsePtx(text);
    if (module == nullptr) return "did not parse";
    return RunKernel(*module, "k", {.block = {threads}}, arguments, GetParam().options);
  }
};

// Loads a box of N dimensions and stores it again elsewhere.
std::string CopyBoxText(uint32_t rank) {
  const std::string dims = std::to_string(rank) + "d";
  std::string coordinates = "{%r10";
  for (uint32_t d = 1; d < rank; ++d) coordinates += ", %r1" + std::to_string(d);
  coordinates += "}";
  std::string body = "ld.param.u64 %rd1, [p1];\nld.param.u64 %rd2, [p2];\n";
  for (uint32_t d = 0; d < rank; ++d) {
    body += "ld.global.u32 %r1" + std::to_string(d) + ", [%rd2+" + std::to_string(4 * d) + "];\n";
  }
  body +=
      "ld.global.u32 %r20, [%rd2+20];\n"  // bytes of the box
      "mov.b64 %rd3, p0;\n"
      "cvta.param.u64 %rd3, %rd3;\n"
      "@first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], %r20;\n"
      "@first cp.async.bulk.tensor." +
      dims + ".shared::cluster.global.tile.mbarrier::complete_tx::bytes [%r1], [%rd3, " +
      coordinates + "], [%r2];\n" + kWaitForBar +
      // The target's map lies in global memory.
      "@first cp.async.bulk.tensor." + dims + ".global.shared::cta.tile.bulk_group [%rd1, " +
      coordinates +
      "], [%r1];\n"
      "@first cp.async.bulk.commit_group;\n"
      "@first cp.async.bulk.wait_group 0;\n";
  return KernelText(body, /*map=*/true);
}

TEST_P(TmaOps, BoxesOfOneToFiveDimensions) {
  for (uint32_t rank = 1; rank <= 5; ++rank) {
    const uint64_t dims[5] = {40, 7, 5, 3, 4};
    const uint32_t box[5] = {16, 4, 2, 2, 2};
    const uint32_t ones[5] = {1, 1, 1, 1, 1};
    uint64_t strides[4];
    uint64_t elements = 40;
    uint32_t box_bytes = 16 * 4;
    for (uint32_t d = 1; d < rank; ++d) {
      strides[d - 1] = elements * 4;
      elements *= dims[d];
      box_bytes *= box[d];
    }
    std::vector<uint32_t> values(elements);
    std::iota(values.begin(), values.end(), 1u);
    DeviceArray<uint32_t> from(values), to(elements);
    TiledArguments tiled;
    tiled.type = TensorType::kU32;
    tiled.rank = rank;
    tiled.dims = dims;
    tiled.strides = strides;
    tiled.box = box;
    tiled.element_strides = ones;
    tiled.swizzle = TensorSwizzle::k64B;
    TensorMap map_from;
    DeviceArray<TensorMap> map_to(1);
    tiled.address = reinterpret_cast<uint64_t>(from.data());
    ASSERT_EQ(EncodeTiled(tiled, &map_from), "");
    tiled.address = reinterpret_cast<uint64_t>(to.data());
    ASSERT_EQ(EncodeTiled(tiled, map_to.data()), "");
    std::memset(to.data(), 0, elements * 4);
    DeviceArray<int32_t> at(std::vector<int32_t>{32, 5, -1, 2, 3, static_cast<int32_t>(box_bytes)});
    ASSERT_EQ(
        Launch1(CopyBoxText(rank), Arguments().Add(map_from).Add(map_to.data()).Add(at.data())), "")
        << rank;
    // What lies in the box and in the tensor was copied, nothing else.
    uint64_t copied = 0;
    for (uint64_t i = 0; i < elements; ++i) {
      bool in = true;
      uint64_t rest = i;
      for (uint32_t d = 0; d < rank; ++d) {
        const auto x = static_cast<int64_t>(rest % dims[d]);
        rest /= dims[d];
        in = in && x >= at[d] && x < at[d] + static_cast<int64_t>(box[d]);
      }
      ASSERT_EQ(to[i], in ? from[i] : 0u) << "rank " << rank << ", element " << i;
      copied += in ? 1 : 0;
    }
    const uint64_t want[6] = {0, 8, 16, 16, 16, 16};
    EXPECT_EQ(copied, want[rank]);
  }
}

TEST_P(TmaOps, ReductionsAddToMemory) {
  DeviceArray<float> c(std::vector<float>(32 * 8, 10));
  const TensorMap map = MakeMap({.type = TensorType::kF32,
                                 .data = c.data(),
                                 .width = 32,
                                 .height = 8,
                                 .box_width = 32,
                                 .box_height = 4});
  const std::string text = KernelText(
      "cvt.rn.f32.u32 %r3, %r0;\n"
      "shl.b32 %r4, %r0, 2;\n"
      "add.u32 %r4, %r4, %r1;\n"
      "st.shared.b32 [%r4], %r3;\n"
      "st.shared.b32 [%r4+128], %r3;\n"
      "st.shared.b32 [%r4+256], %r3;\n"
      "st.shared.b32 [%r4+384], %r3;\n"
      "fence.proxy.async.shared::cta;\n"
      "bar.sync 0;\n"
      "mov.b64 %rd3, p0;\ncvta.param.u64 %rd3, %rd3;\n"
      "@first cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group "
      "[%rd3, {0, 6}], [%r1];\n"
      "@first cp.async.bulk.commit_group;\n"
      "@first cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.bulk_group "
      "[%rd3, {0, 0}], [%r1];\n"
      "@first cp.async.bulk.commit_group;\n"
      "@first cp.async.bulk.wait_group.read 1;\n"
      "@first cp.async.bulk.wait_group 0;\n",
      /*map=*/true);
  std::string with_swizzle_none = text;
  TensorMap plain = map;
  plain.swizzle = TensorSwizzle::kNone;
  ASSERT_EQ(Launch1(with_swizzle_none, Arguments().Add(plain).Add(uint64_t{0}).Add(uint64_t{0})),
            "");
  for (int row = 0; row < 8; ++row) {
    const bool touched = row < 4 || row >= 6;
    for (int x = 0; x < 32; ++x) {
      ASSERT_EQ(c[row * 32 + x], touched ? 10.0F + static_cast<float>(x) : 10.0F) << row;
    }
  }
}

TEST_P(TmaOps, ConsecutiveBytesInAndOut) {
  std::vector<uint32_t> values(256);
  std::iota(values.begin(), values.end(), 100u);
  DeviceArray<uint32_t> from(values), to(256);
  std::memset(to.data(), 0, 1024);
  const std::string text = KernelText(
      std::string("ld.param.u64 %rd0, [p0];\nld.param.u64 %rd1, [p1];\n"
                  "@first cp.async.bulk.prefetch.L2.global [%rd0], 1024;\n"
                  "@first mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%r2], 1024;\n"
                  "@first mbarrier.arrive.shared::cta.b64 _, [%r2];\n"
                  "@first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
                  "[%r1+512], [%rd0], 1024, [%r2];\n") +
      kWaitForBar +
      "@first cp.async.bulk.global.shared::cta.bulk_group "
      "[%rd1+256], [%r1+768], 512;\n"
      "@first cp.async.bulk.commit_group;\n"
      "@first cp.async.bulk.wait_group.read 0;\n"
      "@first cp.reduce.async.bulk.global.shared::cta.bulk_group"
      ".max.u32 [%rd1], [%r1+512], 256;\n"
      "@first cp.async.bulk.commit_group;\n"
      "@first cp.async.bulk.wait_group 0;\n");
  ASSERT_EQ(Launch1(text, Arguments().Add(from.data()).Add(to.data()).Add(uint64_t{0})), "");
  for (uint32_t i = 0; i < 256; ++i) {
    const uint32_t want = i < 64 ? 100 + i : i < 192 ? 100 + i : 0;
    ASSERT_EQ(to[i], want) << i;
  }
}

TEST_P(TmaOps, BytesTravelBetweenTheBlocksOfACluster) {
  DeviceArray<uint32_t> to(2 * 64);
  // Each block sends its rank, 64 times, to the other one, and writes down what it got.
  const std::string text = KernelText(
      std::string("ld.param.u64 %rd1, [p1];\n"
                  "mov.u32 %r5, %cluster_ctarank;\n"
                  "add.u32 %r6, %r5, 7;\n"
                  "shl.b32 %r4, %r0, 2;\nadd.u32 %r4, %r4, %r1;\n"
                  "st.shared.b32 [%r4], %r6;\n"
                  "fence.proxy.async.shared::cta;\n"
                  "@first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 256;\n"
                  "barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;\n"
                  "xor.b32 %r7, %r5, 1;\n"
                  "add.u32 %r8, %r1, 1024;\n"
                  "mapa.shared::cluster.u32 %r9, %r8, %r7;\n"
                  "mapa.shared::cluster.u32 %r10, %r2, %r7;\n"
                  "@first cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes "
                  "[%r9], [%r1], 256, [%r10];\n") +
      kWaitForBar +
      "ld.shared.b32 %r11, [%r4+1024];\n"
      "shl.b32 %r12, %r5, 6;\nadd.u32 %r12, %r12, %r0;\n"
      "mul.wide.u32 %rd4, %r12, 4;\nadd.u64 %rd4, %rd4, %rd1;\n"
      "st.global.b32 [%rd4], %r11;\n"
      "barrier.cluster.arrive.release.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;\n");
  const auto module = ParsePtx(text);
  ASSERT_NE(module, nullptr);
  ASSERT_EQ(
      RunKernel(*module, "k", {.grid = {2}, .block = {64}, .cluster = {2}},
                Arguments().Add(uint64_t{0}).Add(to.data()).Add(uint64_t{0}), GetParam().options),
      "");
  for (uint32_t i = 0; i < 128; ++i) ASSERT_EQ(to[i], i < 64 ? 8u : 7u) << i;
}

TEST_P(TmaOps, StoresIntoTheClusterCountTheirBytes) {
  DeviceArray<uint32_t> to(2 * 64);
  // Each thread stores two words into the other block and adds a third to its neighbours' sum.
  const std::string text = KernelText(
      std::string("ld.param.u64 %rd1, [p1];\n"
                  "mov.u32 %r5, %cluster_ctarank;\n"
                  "mad.lo.u32 %r6, %r5, 1000, %r0;\n"
                  "shl.b32 %r4, %r0, 3;\nadd.u32 %r4, %r4, %r1;\n"
                  "@first st.shared.b32 [%r1+4096], 5;\n"
                  "@first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 768;\n"
                  "barrier.cluster.arrive.release.aligned;\n"
                  "barrier.cluster.wait.acquire.aligned;\n"
                  "xor.b32 %r7, %r5, 1;\n"
                  "mapa.shared::cluster.u32 %r9, %r4, %r7;\n"
                  "mapa.shared::cluster.u32 %r10, %r2, %r7;\n"
                  "add.u32 %r8, %r1, 4096;\n"
                  "mapa.shared::cluster.u32 %r8, %r8, %r7;\n"
                  "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b32 "
                  "[%r9], {%r6, %r0}, [%r10];\n"
                  "red.async.relaxed.cluster.shared::cluster.mbarrier::complete_tx::bytes.add.u32 "
                  "[%r8], %r0, [%r10];\n") +
      kWaitForBar +
      "ld.shared.v2.b32 {%r11, %r12}, [%r4];\n"
      "ld.shared.b32 %r13, [%r1+4096];\n"
      "mad.lo.u32 %r11, %r12, 10000, %r11;\n"
      "add.u32 %r11, %r11, %r13;\n"
      "shl.b32 %r12, %r5, 6;\nadd.u32 %r12, %r12, %r0;\n"
      "mul.wide.u32 %rd4, %r12, 4;\nadd.u64 %rd4, %rd4, %rd1;\n"
      "st.global.b32 [%rd4], %r11;\n"
      "barrier.cluster.arrive.release.aligned;\n"
      "barrier.cluster.wait.acquire.aligned;\n");
  const auto module = ParsePtx(text);
  ASSERT_NE(module, nullptr);
  ASSERT_EQ(
      RunKernel(*module, "k", {.grid = {2}, .block = {64}, .cluster = {2}},
                Arguments().Add(uint64_t{0}).Add(to.data()).Add(uint64_t{0}), GetParam().options),
      "");
  const uint32_t sum = 5 + 63 * 64 / 2;
  for (uint32_t i = 0; i < 128; ++i) {
    const uint32_t lane = i % 64;
    ASSERT_EQ(to[i], lane * 10000 + lane + (i < 64 ? 1000 : 0) + sum) << i;
  }
}

// A prefetch of a tensor's box reads the map and moves nothing.
TEST_P(TmaOps, PrefetchesOfTensors) {
  DeviceArray<uint32_t> from(std::vector<uint32_t>(16 * 8, 3));
  TensorMap map = MakeMap({.type = TensorType::kU32,
                           .data = from.data(),
                           .width = 16,
                           .height = 8,
                           .box_width = 8,
                           .box_height = 4,
                           .swizzle = TensorSwizzle::kNone});
  const std::string text = KernelText(
      "mov.b64 %rd3, p0;\ncvta.param.u64 %rd3, %rd3;\nmov.u32 %r10, 8;\n"
      "@first cp.async.bulk.prefetch.tensor.2d.L2.global.tile [%rd3, {%r10, %r10}];\n",
      /*map=*/true);
  const auto run = [&] {
    return Launch1(text, Arguments().Add(map).Add(uint64_t{0}).Add(uint64_t{0}));
  };
  EXPECT_EQ(run(), "");
  EXPECT_EQ(from.values(), std::vector<uint32_t>(16 * 8, 3));
  std::memset(static_cast<void*>(&map), 0xff, sizeof map);  // of a driver that encoded none
  EXPECT_NE(run().find("tensor map"), std::string::npos) << run();
}

TEST_P(TmaOps, FaultsNameTheCopy) {
  DeviceArray<uint32_t> from(64);
  const auto load = [&](const std::string& operands) {
    return KernelText(
        "ld.param.u64 %rd0, [p0];\n"
        "@first mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 256;\n"
        "@first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes " +
        operands + ";\n" + kWaitForBar);
  };
  const Arguments arguments = Arguments().Add(from.data()).Add(uint64_t{0}).Add(uint64_t{0});
  EXPECT_NE(Launch1(load("[%r1], [%rd0+16], 256, [%r2]"), arguments).find("bulk"),
            std::string::npos);
  EXPECT_NE(Launch1(load("[%r1], [%rd0], 250, [%r2]"), arguments).find("multiple of 16"),
            std::string::npos);
  EXPECT_NE(Launch1(load("[%r1+8], [%rd0], 256, [%r2]"), arguments).find("multiple of 16"),
            std::string::npos);
  EXPECT_NE(Launch1(load("[%r1+32640], [%rd0], 256, [%r2]"), arguments).find("shared"),
            std::string::npos);
  EXPECT_NE(Launch1(load("[%r1], [%rd0], 128, [%r2]"), arguments).find("deadlock"),
            std::string::npos);
}

TEST_P(TmaOps, UnknownFormsFailAtParse) {
  const auto fails = [](const std::string& line) {
    std::string error;
    const auto module = Module::Parse(KernelText(line + "\n"), &error);
    return module == nullptr && error.find("line") != std::string::npos;
  };
  EXPECT_TRUE(
      fails("cp.async.bulk.tensor.6d.shared::cluster.global.mbarrier::complete_tx::bytes "
            "[%r1], [%rd0, {%r1, %r1, %r1, %r1, %r1, %r1}], [%r2];"));
  EXPECT_TRUE(
      fails("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
            "[%r1], [%rd0, {%r1}], [%r2];"));
  EXPECT_TRUE(
      fails("cp.async.bulk.tensor.3d.shared::cluster.global.im2col.mbarrier::complete_tx::bytes "
            "[%r1], [%rd0, {%r1, %r1, %r1}], [%r2], {%h0};"));
  EXPECT_TRUE(
      fails("cp.reduce.async.bulk.global.shared::cta.bulk_group.inc.u32 [%rd0], [%r1], 16;"));
  EXPECT_TRUE(fails("cp.async.bulk.global.shared::cta [%rd0], [%r1], 16;"));
  EXPECT_TRUE(fails("cp.async.bulk.wait_group %r1;"));
}

INSTANTIATE_TEST_SUITE_P(Modes, TmaOps, ::testing::ValuesIn(kModes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace emu
