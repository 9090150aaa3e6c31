// A wrong argument of a matrix op dies at the door, by name.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/op_check.h"

namespace switchyard::kernels {
namespace {

class Weight final : public PackedLinear {
 public:
  Weight(int64_t n, int64_t k, bool takes_quantised = false)
      : PackedLinear(n, k, Buffer(), takes_quantised) {}
};

class OpCheckLinearDeathTest : public ::testing::Test {
 protected:
  TensorView View(DType dtype, std::initializer_list<int64_t> shape) {
    return TensorView(memory_.data(), dtype, shape);
  }

  std::vector<float> memory_ = std::vector<float>(4096);
};

TEST_F(OpCheckLinearDeathTest, SourcesMustBeWholeAndScaled) {
  LinearSource source{.name = "down", .weight = View(DType::kBf16, {4, 12})};
  CheckSource(source);
  source.k_shards = 3;
  EXPECT_DEATH(CheckSource(source),
               "Pack down: k_shards: expected a power of two that divides 12, got 3");
  source.k_shards = 8;
  EXPECT_DEATH(CheckSource(source), "k_shards");
  source.k_shards = 4;
  source.scales = View(DType::kF32, {1, 1});
  EXPECT_DEATH(CheckSource(source), "scales: expected none for bf16");
  source.weight = View(DType::kF8E4M3, {4, 12});
  CheckSource(source);
  source.row_offset = 126;
  EXPECT_DEATH(CheckSource(source), "scales: dimension 0");
  source.scales = {};
  EXPECT_DEATH(CheckSource(source), "scales: expected some for f8e4m3");
  source.weight = View(DType::kI32, {4, 12});
  EXPECT_DEATH(CheckSource(source), "weight: type");
}

TEST_F(OpCheckLinearDeathTest, WholeNumbersNeedTheirGroupsScales) {
  LinearSource source{.name = "down",
                      .weight = View(DType::kU4, {4, 64}),
                      .scales = View(DType::kF32, {4, 2}),
                      .zeros = View(DType::kI8, {4, 2}),
                      .block_rows = 1,
                      .block_cols = 32,
                      .form = WeightForm::kInt4};
  CheckSource(source);
  source.form = WeightForm::kInt8;
  EXPECT_DEATH(CheckSource(source), "Pack down: form: not one of u4");
  source.form = WeightForm::kInt4;
  source.compute = Compute::kF32;
  EXPECT_DEATH(CheckSource(source), "form: quantised ones need compute bf16");
  source.compute = Compute::kBf16;
  source.block_rows = 128;
  EXPECT_DEATH(CheckSource(source), "block_rows: expected 1, got 128");
  source.block_rows = 1;
  source.zeros = View(DType::kI8, {4, 1});
  EXPECT_DEATH(CheckSource(source), "zeros: dimension 1: expected 2, got 1");
  source.zeros = View(DType::kI8, {4, 2});
  source.scales = {};
  EXPECT_DEATH(CheckSource(source), "scales: expected some for u4");
  source.scales = View(DType::kF32, {4, 2});
  source.weight = View(DType::kI8, {4, 64});
  source.form = WeightForm::kInt8;
  EXPECT_DEATH(CheckSource(source), "zeros: expected none for i8");
}

TEST_F(OpCheckLinearDeathTest, GateAndUpMustBeAlike) {
  const LinearSource gate{.name = "gate", .weight = View(DType::kBf16, {4, 12})};
  CheckGateUpSources(gate, gate);
  LinearSource up{.name = "up", .weight = View(DType::kBf16, {5, 12})};
  EXPECT_DEATH(CheckGateUpSources(gate, up), "PackGateUp up: up: dimension 0: expected 4, got 5");
  up.weight = View(DType::kF32, {4, 12});
  EXPECT_DEATH(CheckGateUpSources(gate, up), "type: expected bf16, got f32");
  LinearSource codes{.name = "gate",
                     .weight = View(DType::kF4E2M1, {4, 64}),
                     .scales = View(DType::kF32, {4, 2}),
                     .block_rows = 1,
                     .block_cols = 32};
  up = codes;
  CheckGateUpSources(codes, up);
  up.block_cols = 64;
  EXPECT_DEATH(CheckGateUpSources(codes, up), "block_cols: expected 32, got 64");
  codes.scales = {};
  EXPECT_DEATH(CheckSource(codes), "scales: expected some for f4e2m1");
}

TEST_F(OpCheckLinearDeathTest, ProductsMustFitTheirWeight) {
  const Weight weight(6, 4);
  LinearArgs args{
      .x = View(DType::kF32, {3, 4}), .weight = &weight, .y = View(DType::kF32, {3, 6})};
  Check(args);
  args.x_amax = View(DType::kF32, {2, 1});
  EXPECT_DEATH(Check(args), "Linear: rows of x_amax: expected 3, got 2");
  args.x_amax = {};
  args.y = View(DType::kF32, {3, 5});
  EXPECT_DEATH(Check(args), "Linear: y: dimension 1: expected 6, got 5");
  args.x = View(DType::kI32, {3, 4});
  EXPECT_DEATH(Check(args), "Linear: x: type: expected f32 or bf16, got i32");
  const GateUpArgs gate_up{
      .x = View(DType::kF32, {3, 5}), .weight = &weight, .y = View(DType::kF32, {3, 6})};
  EXPECT_DEATH(Check(gate_up), "GateUp: x: dimension 1: expected 4, got 5");
}

TEST_F(OpCheckLinearDeathTest, QuantisedRowsStandAloneBeforeAWeightThatTakesThem) {
  const Weight takes(6, 4, true), takes_none(6, 4);
  alignas(64) static float memory[64];
  LinearArgs args{.quantised = {.data = memory, .rows = 3, .columns = 4},
                  .weight = &takes,
                  .y = View(DType::kF32, {3, 6})};
  Check(args);
  args.weight = &takes_none;
  EXPECT_DEATH(Check(args), "Linear: quantised: the weight takes none");
  args.weight = &takes;
  args.x = View(DType::kF32, {3, 4});
  EXPECT_DEATH(Check(args), "Linear: x: expected none beside quantised");
  args.x = {};
  args.quantised.columns = 5;
  EXPECT_DEATH(Check(args), "Linear: columns of quantised: expected 4, got 5");
  args.quantised = {.data = memory + 1, .rows = 3, .columns = 4};
  EXPECT_DEATH(Check(args), "Linear: quantised: data: expected a multiple of 64 bytes");
}

TEST_F(OpCheckLinearDeathTest, BatchedWeightsMustHaveOneShape) {
  const Weight a(6, 4), b(6, 5);
  const PackedLinear* const equal[] = {&a, &a};
  const PackedLinear* const unequal[] = {&a, &b};
  Check(BatchedLinearArgs{
      .x = View(DType::kF32, {3, 2, 4}), .weights = equal, .y = View(DType::kF32, {3, 2, 6})});
  EXPECT_DEATH(Check(BatchedLinearArgs{.x = View(DType::kF32, {3, 2, 4}),
                                       .weights = unequal,
                                       .y = View(DType::kF32, {3, 2, 6})}),
               "BatchedLinear: k of a weight: expected 4, got 5");
}

TEST_F(OpCheckLinearDeathTest, ExpertsMustCoverTheRows) {
  const MlpWeights mlp{.gate_up = std::make_unique<Weight>(8, 4),
                       .down = std::make_unique<Weight>(4, 8)};
  const MlpWeights* const mlps[] = {&mlp, &mlp};
  const int32_t good[] = {0, 1, 3}, short_of[] = {0, 1, 2}, falling[] = {0, 4, 3};
  GroupedMlpArgs args{.x = View(DType::kF32, {3, 4}),
                      .offsets = good,
                      .mlps = mlps,
                      .y = View(DType::kF32, {3, 4})};
  Check(args);
  args.offsets = short_of;
  EXPECT_DEATH(Check(args), "GroupedMlp: last offset: expected 3, got 2");
  args.offsets = falling;
  EXPECT_DEATH(Check(args), "GroupedMlp: offsets");
}

TEST_F(OpCheckLinearDeathTest, MaximaHaveOneColumnPerGroup) {
  Check(GroupAmaxArgs{
      .x = View(DType::kF32, {2, 130}), .col_offset = 100, .amax = View(DType::kF32, {2, 2})});
  EXPECT_DEATH(
      Check(GroupAmaxArgs{
          .x = View(DType::kF32, {2, 130}), .col_offset = 127, .amax = View(DType::kF32, {2, 2})}),
      "GroupAmax: amax: dimension 1: expected 3, got 2");
}

}  // namespace
}  // namespace switchyard::kernels
