// Grouped-query attention of single queries over the paged cache: right, and the same bits for a
// row whatever its neighbours, blocks and threads.
#include <gtest/gtest.h>

#include "tests/kernels/gqa_fixture.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::SameBits;

// Sequences of which the last token of each has a query.
class Batch {
 public:
  Batch(const cases::GqaCase& shape, const std::vector<int32_t>& positions)
      : shape_(shape), positions_(positions) {
    for (const int32_t position : positions) {
      tokens_.push_back(position + 1);
      sequences_.emplace_back(shape, position + 1, static_cast<uint32_t>(position));
    }
  }

  int64_t out_width() const { return shape_.heads * shape_.dim; }

  // [rows, heads, dim]
  std::vector<float> Run(Ops& ops, DType type, uint32_t seed = 7, int without_keys = -1) const {
    const auto rows = static_cast<int64_t>(positions_.size());
    GqaBlocks blocks(tokens_, kGqaBlockTokens, seed);
    const GqaCache cache(type, blocks.num_blocks(), shape_);
    std::vector<float> q;
    for (int64_t row = 0; row < rows; ++row) {
      const GqaSequence& sequence = sequences_[static_cast<size_t>(row)];
      cache.Write(ops, sequence, blocks.SlotsOf(row, sequence.tokens));
      q.insert(q.end(), sequence.q.end() - out_width(), sequence.q.end());
      blocks.FreeBefore(row, sequence.FirstSeen(sequence.tokens - 1));
    }
    const std::vector<float> sinks = GqaSequence::Sinks(shape_);
    std::vector<float> out(q.size(), kNan);
    auto tables = blocks.tables();
    if (without_keys >= 0) tables[static_cast<size_t>(without_keys)] = nullptr;
    ops.GqaDecode({.q = TensorView(q.data(), DType::kF32, {rows, shape_.heads, shape_.dim}),
                   .positions = positions_,
                   .cache = cache.view(),
                   .tables = tables,
                   .scale = sequences_[0].scale(),
                   .window = shape_.window,
                   .sinks = GqaSinks(shape_, sinks),
                   .out = TensorView(out.data(), DType::kF32, {rows, shape_.heads, shape_.dim})});
    return out;
  }

  reference::AttentionOutput Reference() const {
    reference::AttentionOutput all;
    for (const GqaSequence& sequence : sequences_) {
      sequence.AddReference(sequence.tokens - 1, all);
    }
    return all;
  }

 private:
  const cases::GqaCase shape_;
  const std::vector<int32_t> positions_;
  std::vector<int64_t> tokens_;
  std::vector<GqaSequence> sequences_;
};

class GqaDecodeTest : public ::testing::TestWithParam<cpu::Isa> {};

TEST_P(GqaDecodeTest, AgreesWithDoublePrecision) {
  const auto ops = MakeOps(GetParam());
  for (const auto& shape : cases::kCheckedGqa) {
    const Batch batch(shape, {0, 1, 2, 62, 255, 256, 700});
    for (const DType type : {DType::kF32, DType::kBf16}) {
      EXPECT_TRUE(GqaClose(batch.Run(*ops, type), batch.Reference(), shape, type))
          << shape.name << " " << Name(type);
    }
  }
}

TEST_P(GqaDecodeTest, NeighboursBlocksAndThreadsDoNotShow) {
  const std::vector<int32_t> positions = {5, 1300, 255, 256, 77, 511, 300, 0};
  for (const auto& shape : {cases::kCheckedGqa[3], cases::kCheckedGqa[5], cases::kCheckedGqa[9]}) {
    for (const DType type : {DType::kF32, DType::kBf16}) {
      const Batch batch(shape, positions);
      const std::vector<float> all = batch.Run(*MakeOps(GetParam()), type);
      EXPECT_TRUE(
          SameBits(batch.Run(*MakeOps(GetParam()), type, /*seed=*/99), all, batch.out_width()));
      for (const int threads : {1, 3, 8}) {
        EXPECT_TRUE(
            SameBits(batch.Run(*MakeOps(GetParam(), threads), type), all, batch.out_width()));
      }
      for (size_t row = 0; row < positions.size(); ++row) {
        const auto width = static_cast<size_t>(batch.out_width());
        const Batch alone(shape, {positions[row]});
        EXPECT_TRUE(SameBits(alone.Run(*MakeOps(GetParam()), type),
                             std::span(all).subspan(row * width, width), batch.out_width()));
      }
    }
  }
}

// More runs than a wave of tasks holds.
TEST_P(GqaDecodeTest, LongSequencesAreJoinedAcrossWaves) {
  const cases::GqaCase shape = {"small", 4, 2, 8, 0, true};
  const Batch batch(shape, {20000, 100, 9000});
  EXPECT_TRUE(GqaClose(batch.Run(*MakeOps(GetParam()), DType::kF32), batch.Reference(), shape,
                       DType::kF32));
}

TEST_P(GqaDecodeTest, KeysAndValuesLieWhereTheManualSays) {
  constexpr int64_t kHeads = 2, kBlock = 4, kDim = 3;
  const std::vector<float> k = {1, 2, 3, 4, 5, 6}, v = {-1, -2, -3, -4, -5, 1.00390625f};
  const std::vector<int64_t> slots = {kBlock + 2};  // the third place of block 1
  const TensorView rows(k.data(), DType::kF32, {1, kHeads, kDim});
  const TensorView values(v.data(), DType::kF32, {1, kHeads, kDim});
  Tensor<float> cache({2, kHeads, 2 * kBlock * kDim}, 9);
  Tensor<Bf16> narrow({2, kHeads, 2 * kBlock * kDim}, ToBf16(9));
  const auto ops = MakeOps(GetParam());
  for (const auto& [data, dtype] : {std::pair<const void*, DType>{cache.values.data(), DType::kF32},
                                    {narrow.values.data(), DType::kBf16}}) {
    ops->GqaWrite({.k = rows,
                   .v = values,
                   .slots = slots,
                   .cache = TensorView(data, dtype, {2, kHeads, 2 * kBlock, kDim})});
  }
  for (int64_t i = 0; i < std::ssize(cache.values); ++i) {
    const int64_t column = i % kDim, place = i / kDim % (2 * kBlock), head = i / 24 % 2;
    float want = 9;
    if (i / 48 == 1 && place == 2) want = k[static_cast<size_t>(head * kDim + column)];
    if (i / 48 == 1 && place == kBlock + 2) want = v[static_cast<size_t>(head * kDim + column)];
    EXPECT_EQ(cache.values[static_cast<size_t>(i)], want) << i;
    EXPECT_EQ(ToFloat(narrow.values[static_cast<size_t>(i)]), ToFloat(ToBf16(want))) << i;
  }
}

// Of each head the first elements; the rest is cached as it is.
TEST_P(GqaDecodeTest, KeysAreRotatedOnTheirWayIntoTheCache) {
  constexpr int64_t kTokens = 3, kHeads = 2, kDim = 10, kRotated = 6, kBlock = 2;
  const auto ops = MakeOps(GetParam());
  const Tensor<float> before = Random({kTokens, kHeads * kDim}, 1);
  const Tensor<float> v = Random({kTokens, kHeads * kDim}, 2), table = Random({8, kRotated}, 3);
  const std::vector<int32_t> positions = {7, 0, 4};
  const std::vector<int64_t> slots = {1, 2, kNoSlot};
  for (const bool halves : {false, true}) {
    Tensor<float> rotated = before, k = before;
    Tensor<float> want({2, kHeads, 2 * kBlock * kDim}, 9), got = want;
    const auto cache = [&](Tensor<float>& memory) {
      return TensorView(memory.values.data(), DType::kF32, {2, kHeads, 2 * kBlock, kDim});
    };
    TensorView heads = rotated.view().Reshaped({kTokens, kHeads, kDim});
    heads.dims[2] = kRotated;
    ops->Rope({.x = heads,
               .head_stride = kDim,
               .positions = positions,
               .table = table.view(),
               .halves = halves});
    const TensorView values = v.view().Reshaped({kTokens, kHeads, kDim});
    ops->GqaWrite({.k = rotated.view().Reshaped({kTokens, kHeads, kDim}),
                   .v = values,
                   .slots = slots,
                   .cache = cache(want)});
    ops->GqaWrite({.k = k.view().Reshaped({kTokens, kHeads, kDim}),
                   .v = values,
                   .slots = slots,
                   .cache = cache(got),
                   .rotation = {.positions = positions, .table = table.view(), .halves = halves}});
    EXPECT_TRUE(SameBits(got.values, want.values, kDim));
  }
}

TEST_P(GqaDecodeTest, RowsWithoutKeysAreZerosAndDoNotShow) {
  const auto ops = MakeOps(GetParam());
  const Batch batch(cases::kCheckedGqa[5], {20, 600, 70});
  std::vector<float> want = batch.Run(*ops, DType::kBf16);
  std::fill_n(want.begin() + batch.out_width(), batch.out_width(), 0.0f);
  EXPECT_TRUE(SameBits(batch.Run(*ops, DType::kBf16, /*seed=*/7, /*without_keys=*/1), want,
                       batch.out_width()));
}

TEST_P(GqaDecodeTest, NoRowsIsNoWork) {
  const auto ops = MakeOps(GetParam());
  const Tensor<float> memory({2 * 2 * 8 * 3});
  const TensorView cache(memory.values.data(), DType::kF32, {2, 2, 8, 3});
  const TensorView none(nullptr, DType::kF32, {0, 2, 3});
  ops->GqaDecode({.q = none, .cache = cache, .out = none});
  ops->GqaWrite({.k = none, .v = none, .cache = cache});
}

INSTANTIATE_TEST_SUITE_P(Isas, GqaDecodeTest, ::testing::ValuesIn(IsasOfThisMachine()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace switchyard::kernels
