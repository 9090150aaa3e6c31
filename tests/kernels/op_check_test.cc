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

TEST_F(OpCheckDeathTest, TilesThatAreLaidOutHoldTheirKeys) {
  Tensor<float> q({2, 1, 8}), state({2, 1, 6}), out({2, 1, 4}), kv({10, 1, 10}), k_pe({10, 2});
  const std::vector<int32_t> positions = {8, 9};
  const Buffer tile = ops_->device().Allocate(
      ops_->KeyTileBytes({.heads = 1, .key_dim = 8, .value_dim = 4, .bf16 = false}));
  const std::vector<void*> tiles = {tile.data()};
  const auto lay_out = [&](int64_t begin) {
    ops_->LayOutKeys({.kv = kv.view(),
                      .k_pe = k_pe.view(),
                      .value_dim = 4,
                      .begin = begin,
                      .tile = tile.data()});
  };
  const auto run = [&](int64_t num_keys) {
    ops_->PrefillAttention({.q = q.view(),
                            .positions = positions,
                            .tiles = tiles,
                            .num_keys = num_keys,
                            .scale = 1,
                            .state = state.view(),
                            .last = true,
                            .out = out.view()});
  };
  lay_out(0);
  run(10);
  EXPECT_DEATH(lay_out(250), "LayOutKeys: begin . count: expected 0 to 256, got 260");
  EXPECT_DEATH(run(257), "num_keys: expected 1 to 256, got 257");
  EXPECT_DEATH(run(9), "keys of the last tile: expected 10");
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

TEST_F(OpCheckDeathTest, GroupedQueriesFitTheCacheAndTheTable) {
  constexpr int64_t kBlocks = 2, kKvHeads = 2, kRows = 8, kDim = 4;
  const std::vector<float> memory(kBlocks * kKvHeads * kRows * kDim);
  const TensorView cache(memory.data(), DType::kF32, {kBlocks, kKvHeads, kRows, kDim});
  const std::vector<int32_t> positions = {3, 4}, table = {1, 0};
  const std::vector<const int32_t*> tables(2, table.data());
  const auto prefill = [&](int64_t heads, int64_t dim, int64_t blocks, int64_t window) {
    Tensor<float> q({2, heads, dim}), out({2, heads, dim});
    ops_->GqaPrefill({.q = q.view(),
                      .positions = positions,
                      .cache = cache,
                      .table = std::span(table).first(static_cast<size_t>(blocks)),
                      .scale = 1,
                      .window = window,
                      .out = out.view()});
  };
  prefill(4, kDim, 2, 0);
  EXPECT_DEATH(prefill(3, kDim, 2, 0), "query heads modulo key-value heads: expected 0, got 1");
  EXPECT_DEATH(prefill(4, 5, 2, 0), "cache: dimension 3: expected 5, got 4");
  EXPECT_DEATH(prefill(4, kDim, 1, 0), "GqaPrefill: blocks in table: expected 2 to .*, got 1");
  EXPECT_DEATH(prefill(4, kDim, 2, -1), "window: expected 0 to .*, got -1");
  Tensor<float> q({2, 4, kDim}), sinks({3});
  EXPECT_DEATH(ops_->GqaDecode({.q = q.view(),
                                .positions = positions,
                                .cache = cache,
                                .tables = tables,
                                .sinks = sinks.view(),
                                .out = q.view()}),
               "GqaDecode: sinks: dimension 0: expected 4, got 3");
  Tensor<float> k({1, 2, kDim}), v({1, 1, kDim});
  const std::vector<int64_t> slots = {8};
  EXPECT_DEATH(ops_->GqaWrite({.k = k.view(), .v = v.view(), .slots = slots, .cache = cache}),
               "GqaWrite: v: dimension 1: expected 2, got 1");
  EXPECT_DEATH(ops_->GqaWrite({.k = k.view(), .v = k.view(), .slots = slots, .cache = cache}),
               "cache block 2 of 2");
  const auto rotate = [&](int64_t dim, std::initializer_list<int32_t> at) {
    const std::vector<int32_t> rotated(at);
    Tensor<float> angles({3, dim});
    ops_->GqaWrite({.k = k.view(),
                    .v = k.view(),
                    .slots = std::span(slots).first(1),
                    .cache = cache,
                    .rotation = {.positions = rotated, .table = angles.view()}});
  };
  EXPECT_DEATH(rotate(kDim, {1, 2}), "GqaWrite: positions: expected 1, got 2");
  EXPECT_DEATH(rotate(kDim + 2, {1}), "GqaWrite: table: dimension 1: expected 0 to 4, got 6");
  EXPECT_DEATH(rotate(kDim - 1, {1}), "GqaWrite: table: dimension 1 modulo 2: expected 0, got 1");
  EXPECT_DEATH(rotate(kDim, {3}), "GqaWrite: positions.0.: expected below 3, got 3");
}

}  // namespace
}  // namespace switchyard::kernels
