// A wrong argument stops the program at the door with words that name it.
#include <gtest/gtest.h>

#include "tests/kernels/row_ops_fixture.h"

namespace switchyard::kernels {
namespace {

class OpCheckDeathTest : public ::testing::Test {
 protected:
  OpCheckDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }

  std::unique_ptr<Ops> ops_ = MakeOps(cpu::Isa::kPortable, 1);
  Tensor<float> x_{{2, 8}}, y_{{2, 8}}, weight_{{8}};
};

TEST_F(OpCheckDeathTest, NamesTensorDimensionExpectedAndGot) {
  Tensor<float> short_weight({7});
  EXPECT_DEATH(ops_->RmsNorm({.x = x_.view(), .weight = short_weight.view(), .y = y_.view()}),
               "RmsNorm: weight: dimension 0: expected 8, got 7");
  Tensor<float> fewer({1, 8});
  EXPECT_DEATH(ops_->Add({.x = x_.view(), .delta = fewer.view()}),
               "Add: delta: dimension 0: expected 2, got 1");
  EXPECT_DEATH(ops_->Add({.x = x_.view(), .delta = weight_.view()}),
               "Add: delta: rank: expected 2, got 1");
}

TEST_F(OpCheckDeathTest, NamesTypes) {
  Tensor<Bf16> bf16({2, 8});
  EXPECT_DEATH(ops_->Add({.x = x_.view(), .delta = bf16.view()}),
               "Add: delta: type: expected f32, got bf16");
  EXPECT_DEATH(ops_->Add({.x = bf16.view(), .delta = bf16.view()}),
               "Add: expected f32 activations on a CPU, got bf16");
  Tensor<int32_t> ids({2, 8});
  EXPECT_DEATH(ops_->Cast({.x = ids.view(), .y = y_.view()}),
               "Cast: x: type: expected f32 or bf16, got i32");
}

TEST_F(OpCheckDeathTest, NamesWhatIsMissing) {
  const TensorView nothing(nullptr, DType::kF32, {2, 8});
  EXPECT_DEATH(ops_->Add({.x = x_.view(), .delta = nothing}),
               "Add: delta: expected data, got null");
  EXPECT_DEATH(
      ops_->RmsNorm({.x = x_.view(), .delta = y_.view(), .weight = weight_.view(), .y = x_.view()}),
      "RmsNorm: y: expected memory other than x");
  EXPECT_DEATH(ops_->RmsNorm({.x = x_.view(), .weight = weight_.view()}), "RmsNorm: y: rank");
  EXPECT_DEATH(ops_->RmsNorm({.x = x_.view(),
                              .weight = weight_.view(),
                              .quantised = {.data = y_.values.data(), .rows = 2, .columns = 7}}),
               "RmsNorm: columns of quantised: expected 8, got 7");
}

TEST_F(OpCheckDeathTest, RowsThatOverlapAreRefused) {
  TensorView narrow = x_.view();
  narrow.row_stride = 4;
  EXPECT_DEATH(ops_->Add({.x = narrow, .delta = y_.view()}),
               "Add: x: row stride: expected at least 8, got 4");
}

TEST_F(OpCheckDeathTest, PositionsAndRowsAreBounded) {
  const std::vector<int32_t> rows = {0, 2};
  EXPECT_DEATH(ops_->GatherRows({.x = x_.view(), .rows = rows, .y = y_.view()}),
               "GatherRows: rows.1.: expected below 2, got 2");
  Tensor<float> heads({2, 2, 4}), table({5, 4});
  const std::vector<int32_t> positions = {1, 5};
  EXPECT_DEATH(ops_->Rope({.x = heads.view(), .positions = positions, .table = table.view()}),
               "Rope: positions.1.: expected below 5, got 5");
}

TEST_F(OpCheckDeathTest, AGateMayNotAskForMoreExpertsThanItKeeps) {
  Tensor<float> weights({2, 5});
  Tensor<int32_t> ids({2, 5});
  EXPECT_DEATH(ops_->Gate({.logits = x_.view(),
                           .bias = weight_.view(),
                           .num_groups = 2,
                           .top_groups = 1,
                           .ids = ids.view(),
                           .weights = weights.view()}),
               "Gate: ids: dimension 1: expected 1 to 4, got 5");
  EXPECT_DEATH(ops_->Gate({.logits = x_.view(),
                           .bias = weight_.view(),
                           .num_groups = 3,
                           .ids = ids.view(),
                           .weights = weights.view()}),
               "Gate: experts modulo num_groups: expected 0, got 2");
}

TEST_F(OpCheckDeathTest, PrefillTilesAreFullAndAligned) {
  Tensor<float> q({2, 1, 8}), kv({10, 1, 10}), k_pe({10, 2}), state({2, 1, 6}), out({2, 1, 4});
  const std::vector<int32_t> positions = {8, 9};
  const auto run = [&](int64_t tile_begin, bool last) {
    ops_->PrefillAttention({.q = q.view(),
                            .positions = positions,
                            .kv = kv.view(),
                            .k_pe = k_pe.view(),
                            .tile_begin = tile_begin,
                            .scale = 1,
                            .state = state.view(),
                            .last = last,
                            .out = out.view()});
  };
  run(0, true);
  EXPECT_DEATH(run(0, false), "keys of a tile that is not the last: expected 256, got 10");
  EXPECT_DEATH(run(4, true), "tile_begin modulo the tile: expected 0, got 4");
}

TEST_F(OpCheckDeathTest, ABlockOutsideTheCacheIsRefused) {
  Tensor<float> qa({1, 1, 4}), q_pe({1, 1, 2}), cache({3, 2, 6}), out({1, 1, 4});
  const std::vector<int32_t> positions = {3}, table = {1, 3};
  const std::vector<const int32_t*> tables = {table.data()};
  EXPECT_DEATH(ops_->DecodeAttention({.qa = qa.view(),
                                      .q_pe = q_pe.view(),
                                      .positions = positions,
                                      .cache = cache.view(),
                                      .tables = tables,
                                      .scale = 1,
                                      .out = out.view()}),
               "cache block 3 of 3");
}

}  // namespace
}  // namespace switchyard::kernels
