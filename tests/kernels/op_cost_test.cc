// Costs are what the shapes say, so that a roofline can be trusted.
#include "kernels/op_cost.h"

#include <gtest/gtest.h>

namespace switchyard::kernels {
namespace {

TEST(OpCostTest, ALinearReadsItsWeightOnceAndItsRows) {
  const OpCost cost = LinearCost({.rows = 3, .n = 10, .k = 20, .weight = DType::kBf16});
  EXPECT_EQ(cost.bytes, 10 * 20 * 2 + 3 * (20 + 10) * 4);
  EXPECT_EQ(cost.flops, 2 * 3 * 10 * 20);
}

TEST(OpCostTest, Fp8WeightsBringTheirBlockScales) {
  EXPECT_EQ(WeightBytes(576, 7168, DType::kF8E4M3), 576.0 * 7168 + 5 * 56 * 4);
}

// As Q8_0 and Q4_0: 34 and 18 bytes for 32 weights.
TEST(OpCostTest, WholeNumbersBringAScaleForEveryGroup) {
  EXPECT_EQ(WeightBytes(64, 4096, DType::kI8), 64.0 * 4096 / 32 * 34);
  EXPECT_EQ(WeightBytes(64, 4096, DType::kU4), 64.0 * 4096 / 32 * 18);
  EXPECT_EQ(WeightBytes(64, 4096, DType::kF4E2M1), 64.0 * 4096 / 32 * 17);
}

// MODEL_SPECS 1.2: one routed expert of DeepSeek-V3 has 44,040,192 bytes and 10,752 bytes of
// scales.
TEST(OpCostTest, AnExpertOfDeepSeekV3HasItsPublishedSize) {
  const OpCost cost = GroupedMlpCost(
      {.rows = 0, .active_blocks = 1, .hidden = 7168, .width = 2048, .weight = DType::kF8E4M3});
  EXPECT_EQ(cost.bytes, 44040192 + 10752);
}

TEST(OpCostTest, CostsOfPartsAddUp) {
  const LinearShape shape{.rows = 4, .n = 16, .k = 32};
  OpCost two = LinearCost(shape);
  two += LinearCost(shape);
  EXPECT_EQ(BatchedLinearCost(shape, 2).bytes, two.bytes);
  EXPECT_EQ(BatchedLinearCost(shape, 2).flops, two.flops);
  EXPECT_EQ(GateUpCost(shape).flops, two.flops);
}

TEST(OpCostTest, GroupedQueriesReadAKeyOnceForAllHeadsThatShareIt) {
  const OpCost cost = GqaCost({.queries = 2,
                               .keys = 10,
                               .pairs = 19,
                               .heads = 8,
                               .kv_heads = 2,
                               .dim = 64,
                               .cache = DType::kBf16,
                               .activation = DType::kF32});
  EXPECT_EQ(cost.bytes, 10 * 2 * 64 * 2 * 2 + 2 * 8 * 64 * 2 * 4);
  EXPECT_EQ(cost.flops, 19 * 8 * 64 * 4);
}

}  // namespace
}  // namespace switchyard::kernels
