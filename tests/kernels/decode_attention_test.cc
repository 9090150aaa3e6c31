// Absorbed attention over the paged cache: right, and the same bits for a row whatever its
// neighbours, blocks and threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/cases/attention.h"
#include "tests/kernels/reference/attention_reference.h"
#include "tests/kernels/row_ops_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

constexpr int64_t kBlockTokens = 16;

// Sequences whose latents lie in one cache, and one query for each.
class Batch {
 public:
  Batch(const cases::AttentionCase& shape, std::vector<int32_t> positions, uint32_t seed = 1)
      : shape_(shape), positions_(std::move(positions)) {
    for (size_t row = 0; row < positions_.size(); ++row) {
      const auto row_seed =
          seed + static_cast<uint32_t>(positions_[row]);  // a row is known by its position
      qa_.push_back(Random({shape_.heads, shape_.latent}, row_seed));
      q_pe_.push_back(Random({shape_.heads, shape_.rope}, row_seed + 1));
      latents_.push_back(Random({positions_[row] + 1, width()}, row_seed + 2));
    }
  }

  int64_t width() const { return shape_.latent + shape_.rope; }
  int64_t out_width() const { return shape_.heads * shape_.latent; }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(width())); }

  // f32 [rows, heads, latent]. Blocks are dealt out by `seed`; what no sequence wrote is NaN.
  Tensor<float> Run(Ops& ops, DType cache_type, uint32_t seed = 7) const {
    return cache_type == DType::kBf16 ? RunIn<Bf16>(ops, seed) : RunIn<float>(ops, seed);
  }

  // These rows have no keys from now on.
  void TakeKeys(std::vector<size_t> rows) { without_keys_ = std::move(rows); }

  reference::AttentionOutput Reference(bool bf16) const {
    reference::AttentionOutput all;
    for (size_t row = 0; row < positions_.size(); ++row) {
      for (int64_t head = 0; head < shape_.heads; ++head) {
        std::vector<float> q(qa_[row].row(head).begin(), qa_[row].row(head).end());
        q.insert(q.end(), q_pe_[row].row(head).begin(), q_pe_[row].row(head).end());
        const auto one = reference::Attention(
            {.q = q,
             .position = positions_[row],
             .scale = scale(),
             .key = [&](int64_t u) { return latents_[row].row(u); },
             .value = [&](int64_t u) { return latents_[row].row(u).first(shape_.latent); },
             .bf16 = bf16});
        all.value.insert(all.value.end(), one.value.begin(), one.value.end());
        all.magnitude.insert(all.magnitude.end(), one.magnitude.begin(), one.magnitude.end());
      }
    }
    return all;
  }

 private:
  template <typename T>
  Tensor<float> RunIn(Ops& ops, uint32_t seed) const {
    const auto tables = DealBlocks(seed);
    const int64_t num_blocks = num_blocks_;
    Tensor<T> cache({num_blocks, kBlockTokens, width()});
    for (T& value : cache.values) value = Stored<T>(kNan);
    for (size_t row = 0; row < positions_.size(); ++row) Fill(ops, row, tables[row], cache);

    const int64_t rows = static_cast<int64_t>(positions_.size());
    // The rope part of queries lies in wider heads, as a projection leaves it.
    constexpr int64_t kNope = 3;
    Tensor<float> qa({rows, shape_.heads, shape_.latent});
    Tensor<float> q({rows, shape_.heads, kNope + shape_.rope}, kNan);
    for (int64_t row = 0; row < rows; ++row) {
      std::ranges::copy(qa_[row].values, qa.values.begin() + row * out_width());
      for (int64_t head = 0; head < shape_.heads; ++head) {
        std::ranges::copy(
            q_pe_[row].row(head),
            q.values.begin() + (row * shape_.heads + head) * (kNope + shape_.rope) + kNope);
      }
    }
    TensorView q_pe(q.values.data() + kNope, DType::kF32, {rows, shape_.heads, shape_.rope});
    q_pe.row_stride = shape_.heads * (kNope + shape_.rope);
    std::vector<const int32_t*> table_pointers;
    for (const auto& table : tables) table_pointers.push_back(table.data());
    for (const size_t row : without_keys_) table_pointers[row] = nullptr;
    Tensor<float> out({rows, shape_.heads, shape_.latent}, kNan);
    ops.DecodeAttention({.qa = qa.view(),
                         .q_pe = q_pe,
                         .q_pe_head_stride = kNope + shape_.rope,
                         .positions = positions_,
                         .cache = cache.view(),
                         .tables = table_pointers,
                         .scale = scale(),
                         .out = out.view()});
    return out;
  }

  template <typename T>
  static T Stored(float value) {
    if constexpr (std::is_same_v<T, Bf16>)
      return ToBf16(value);
    else
      return value;
  }

  std::vector<std::vector<int32_t>> DealBlocks(uint32_t seed) const {
    num_blocks_ = 3;  // some that nobody has
    for (int32_t position : positions_) num_blocks_ += position / kBlockTokens + 1;
    std::vector<int32_t> blocks(static_cast<size_t>(num_blocks_));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937(seed));
    std::vector<std::vector<int32_t>> tables;
    for (int32_t position : positions_) {
      tables.emplace_back(blocks.end() - (position / kBlockTokens + 1), blocks.end());
      blocks.resize(blocks.size() - tables.back().size());
    }
    return tables;
  }

  template <typename T>
  void Fill(Ops& ops, size_t row, const std::vector<int32_t>& table, Tensor<T>& cache) const {
    std::vector<int64_t> slots;
    for (int64_t u = 0; u <= positions_[row]; ++u) {
      slots.push_back(table[static_cast<size_t>(u / kBlockTokens)] * kBlockTokens +
                      u % kBlockTokens);
    }
    const TensorView latents = latents_[row].view();
    ops.LatentWrite({.c = latents.Cols(0, shape_.latent),
                     .k_pe = latents.Cols(shape_.latent, shape_.rope),
                     .slots = slots,
                     .cache = cache.view()});
  }

  const cases::AttentionCase shape_;
  const std::vector<int32_t> positions_;
  std::vector<Tensor<float>> qa_, q_pe_, latents_;
  std::vector<size_t> without_keys_;
  mutable int64_t num_blocks_ = 0;
};

class DecodeAttentionTest : public ::testing::TestWithParam<cpu::Isa> {};

TEST_P(DecodeAttentionTest, AgreesWithDoublePrecision) {
  auto ops = MakeOps(GetParam());
  for (const auto& shape : cases::kOddAttention) {
    const Batch batch(shape, {0, 1, 2, 62, 255, 256, 700});
    for (DType type : {DType::kF32, DType::kBf16}) {
      SCOPED_TRACE(std::string(shape.name) + " " + std::string(Name(type)));
      const bool bf16 = type == DType::kBf16;
      const auto want = batch.Reference(bf16);
      const auto got = batch.Run(*ops, type);
      EXPECT_TRUE(Close({.got = got.values,
                         .want = want.value,
                         .magnitude = want.magnitude,
                         .columns = batch.out_width(),
                         .num_terms = bf16 ? 0 : batch.width(),
                         .epsilon = bf16 ? kRoundedWeights : switchyard::testing::kF32Epsilon,
                         .min_cosine = bf16 ? 1 - 1e-5 : 1 - 1e-12}));
    }
  }
}

TEST_P(DecodeAttentionTest, NeighboursBlocksAndThreadsDoNotShow) {
  const auto& shape = cases::kOddAttention[3];
  const std::vector<int32_t> positions = {5, 1300, 255, 256, 77, 511, 2000, 0};
  for (DType type : {DType::kF32, DType::kBf16}) {
    const Batch batch(shape, positions);
    const auto all = batch.Run(*MakeOps(GetParam(), 2), type);
    EXPECT_TRUE(SameBits(batch.Run(*MakeOps(GetParam(), 2), type, /*seed=*/99).values, all.values,
                         batch.out_width()));
    for (int threads : {1, 3, 8}) {
      EXPECT_TRUE(SameBits(batch.Run(*MakeOps(GetParam(), threads), type).values, all.values,
                           batch.out_width()));
    }
    for (size_t row = 0; row < positions.size(); ++row) {
      const Batch alone(shape, {positions[row]});
      EXPECT_TRUE(SameBits(alone.Run(*MakeOps(GetParam(), 2), type).values, all.row(row),
                           batch.out_width()));
    }
  }
}

// More runs than a wave of tasks holds.
TEST_P(DecodeAttentionTest, LongSequencesAreJoinedAcrossWaves) {
  const cases::AttentionCase shape = {"small", 4, 0, 4, 8, 32};
  const Batch batch(shape, {30000, 100, 20000});
  const auto got = batch.Run(*MakeOps(GetParam()), DType::kF32);
  const auto want = batch.Reference(false);
  EXPECT_TRUE(Close({.got = got.values,
                     .want = want.value,
                     .magnitude = want.magnitude,
                     .columns = batch.out_width(),
                     .num_terms = batch.width()}));
}

TEST_P(DecodeAttentionTest, RowsWithoutKeysAreZerosAndDoNotShow) {
  const auto ops = MakeOps(GetParam(), /*threads=*/3);
  Batch batch(cases::kOddAttention[1], {600, 3, 70, 700});
  std::vector<float> want = batch.Run(*ops, DType::kBf16).values;
  batch.TakeKeys({0, 2});
  for (const int64_t row : {0, 2}) {
    std::fill_n(want.begin() + row * batch.out_width(), batch.out_width(), 0.0f);
  }
  EXPECT_TRUE(SameBits(batch.Run(*ops, DType::kBf16).values, want, batch.out_width()));
  batch.TakeKeys({0, 1, 2, 3});
  EXPECT_EQ(batch.Run(*ops, DType::kF32).values, std::vector<float>(want.size()));
}

TEST_P(DecodeAttentionTest, PaddingIsNotWritten) {
  Tensor<float> cache({1, 2, 3}, 7), rows({2, 3});
  rows.values = {1, 2, 3, 4, 5, 6};
  const std::vector<int64_t> slots = {kNoSlot, 1};
  MakeOps(GetParam())
      ->LatentWrite({.c = rows.view().Cols(0, 2),
                     .k_pe = rows.view().Cols(2, 1),
                     .slots = slots,
                     .cache = cache.view()});
  EXPECT_EQ(cache.values, (std::vector<float>{7, 7, 7, 4, 5, 6}));
}

INSTANTIATE_TEST_SUITE_P(Isas, DecodeAttentionTest, ::testing::ValuesIn(IsasOfThisMachine()),
                         [](const auto& info) { return NameOf(info.param); });

}  // namespace
}  // namespace switchyard::kernels
