// Absorbed attention on CUDA: right, and the same bits for a row whatever its neighbours and
// blocks.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/cases/attention.h"
#include "kernels/cuda/attention.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/reference/attention_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

constexpr int64_t kBlockTokens = 16;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Weights and results are rounded to BF16, one after the other.
constexpr double kTwoRoundings = 2 * kOneBf16Rounding;

// Sequences whose latents lie in one cache, and one query for each.
class Batch {
 public:
  Batch(const cases::AttentionCase& widths, std::vector<int32_t> last_positions, uint32_t seed = 1)
      : shape(widths), positions(std::move(last_positions)) {
    for (const int32_t position : positions) {
      const uint32_t row_seed = seed + static_cast<uint32_t>(position);  // known by its position
      qa.push_back(RandomBf16(out_width(), row_seed));
      q_pe.push_back(RandomBf16(shape.heads * shape.rope, row_seed + 1));
      latents.push_back(RandomBf16((position + 1) * width(), row_seed + 2));
    }
  }

  int64_t rows() const { return std::ssize(positions); }
  int64_t width() const { return shape.latent + shape.rope; }
  int64_t out_width() const { return shape.heads * shape.latent; }
  float scale() const { return 1.0f / std::sqrt(static_cast<float>(width())); }

  reference::AttentionOutput Reference() const {
    reference::AttentionOutput all;
    for (int64_t row = 0; row < rows(); ++row) {
      for (int64_t head = 0; head < shape.heads; ++head) {
        const auto qa_head = qa[row].begin() + head * shape.latent;
        const auto pe_head = q_pe[row].begin() + head * shape.rope;
        std::vector<float> q(qa_head, qa_head + shape.latent);
        q.insert(q.end(), pe_head, pe_head + shape.rope);
        const auto key = [&](int64_t u) {
          return std::span(latents[row]).subspan(u * width(), width());
        };
        const auto one =
            reference::Attention({.q = q,
                                  .position = positions[row],
                                  .scale = scale(),
                                  .key = key,
                                  .value = [&](int64_t u) { return key(u).first(shape.latent); }});
        all.value.insert(all.value.end(), one.value.begin(), one.value.end());
        all.magnitude.insert(all.magnitude.end(), one.magnitude.begin(), one.magnitude.end());
      }
    }
    return all;
  }

  const cases::AttentionCase shape;
  const std::vector<int32_t> positions;
  std::vector<std::vector<float>> qa, q_pe, latents;
};

class CudaDecodeAttentionTest : public CudaTest {
 protected:
  // [rows, heads, latent]. Blocks are dealt out by `seed`; what no sequence wrote is NaN. The rope
  // part of queries lies in wider heads, as a projection leaves it.
  std::vector<float> Run(const Batch& batch, uint32_t seed = 7, int64_t nope = 8,
                         const WavesOfRun& waves = {},
                         const std::vector<int64_t>& without_keys = {}) {
    const int64_t rows = batch.rows(), heads = batch.shape.heads, rope = batch.shape.rope;
    const auto tables = DealBlocks(batch, seed);
    std::vector<float> qa, q(rows * heads * (nope + rope), kNan);
    std::vector<const int32_t*> table_pointers;
    for (int64_t row = 0; row < rows; ++row) {
      qa.insert(qa.end(), batch.qa[row].begin(), batch.qa[row].end());
      for (int64_t head = 0; head < heads; ++head) {
        std::copy_n(batch.q_pe[row].begin() + head * rope, rope,
                    q.begin() + (row * heads + head) * (nope + rope) + nope);
      }
      table_pointers.push_back(tables[row].data());
    }
    for (const int64_t row : without_keys) table_pointers[static_cast<size_t>(row)] = nullptr;
    const TensorView wide = PutBf16({rows, heads * (nope + rope)}, q);
    TensorView q_pe(wide.Cols(nope, rope).data, DType::kBf16, {rows, heads, rope});
    q_pe.row_stride = wide.row_stride;
    const TensorView out = Make(DType::kBf16, {rows, heads, batch.shape.latent});
    const DecodeAttentionArgs args = {.qa = PutBf16({rows, heads, batch.shape.latent}, qa),
                                      .q_pe = q_pe,
                                      .q_pe_head_stride = nope + rope,
                                      .positions = batch.positions,
                                      .cache = CacheOf(batch, tables),
                                      .tables = table_pointers,
                                      .scale = batch.scale(),
                                      .out = out};
    if (waves.has_value()) {
      cuda::DecodeAttentionInWaves(cuda_, args, *waves);
    } else {
      cuda::DecodeAttention(cuda_, args);
    }
    return Get(out);
  }

 private:
  std::vector<std::vector<int32_t>> DealBlocks(const Batch& batch, uint32_t seed) {
    num_blocks_ = 3;  // some that nobody has
    for (const int32_t position : batch.positions) num_blocks_ += position / kBlockTokens + 1;
    std::vector<int32_t> blocks(static_cast<size_t>(num_blocks_));
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937(seed));
    std::vector<std::vector<int32_t>> tables;
    for (const int32_t position : batch.positions) {
      tables.emplace_back(blocks.end() - (position / kBlockTokens + 1), blocks.end());
      blocks.resize(blocks.size() - tables.back().size());
    }
    return tables;
  }

  TensorView CacheOf(const Batch& batch, const std::vector<std::vector<int32_t>>& tables) {
    std::vector<float> cache(num_blocks_ * kBlockTokens * batch.width(), kNan);
    for (int64_t row = 0; row < batch.rows(); ++row) {
      for (int64_t u = 0; u <= batch.positions[row]; ++u) {
        const int64_t slot = tables[row][u / kBlockTokens] * kBlockTokens + u % kBlockTokens;
        std::copy_n(batch.latents[row].begin() + u * batch.width(), batch.width(),
                    cache.begin() + slot * batch.width());
      }
    }
    return PutBf16({num_blocks_, kBlockTokens, batch.width()}, cache);
  }

  int64_t num_blocks_ = 0;
};

void ExpectRight(const Batch& batch, const std::vector<float>& got) {
  const auto want = batch.Reference();
  EXPECT_TRUE(Close({.got = got,
                     .want = want.value,
                     .magnitude = want.magnitude,
                     .columns = batch.out_width(),
                     .num_terms = 0,
                     .epsilon = kTwoRoundings,
                     .min_cosine = 1 - 2e-5}))
      << batch.shape.name;
}

constexpr cases::AttentionCase kTinyR1 = {"tiny_r1", 4, 64, 32, 64, 128};

TEST_F(CudaDecodeAttentionTest, AgreesWithDoublePrecision) {
  std::vector<cases::AttentionCase> shapes(std::begin(cases::kOddAttention),
                                           std::end(cases::kOddAttention));
  shapes.push_back(kTinyR1);
  const std::vector<int32_t> positions = {0, 1, 62, 63, 64, 511, 512, 700};
  for (const auto& shape : shapes) {
    const Batch batch(shape, positions);
    ExpectRight(batch, Run(batch, /*seed=*/7, shape.latent % 8 == 0 ? 8 : 3));
  }
}

// Blocks of one, two and four tiles of heads, and more heads than a block takes.
TEST_F(CudaDecodeAttentionTest, TakesAnyNumberOfHeads) {
  for (const int64_t heads : {16, 17, 33, 64, 70, 128}) {
    const Batch batch({"heads", heads, 0, 16, 0, 48}, {5, 130});
    ExpectRight(batch, Run(batch));
  }
}

// By products of warpgroups.
TEST_F(CudaDecodeAttentionTest, ServedLatentsWithManyHeads) {
  const std::vector<int32_t> positions = {0, 130, 530};
  const Batch batch({"v3", 66, 128, 64, 128, 512}, positions);
  const std::vector<float> all = Run(batch);
  ExpectRight(batch, all);
  EXPECT_TRUE(SameBits(Run(Batch(batch.shape, {530}), /*seed=*/99),
                       std::span(all).last(batch.out_width()), batch.out_width()));
  // Widths that come element by element.
  const Batch odd({"odd", 40, 0, 13, 0, 512}, {100});
  ExpectRight(odd, Run(odd, /*seed=*/7, /*nope=*/3));
}

// More latent columns than a block sums.
TEST_F(CudaDecodeAttentionTest, TakesWideLatents) {
  const Batch batch({"wide", 2, 0, 8, 0, 600}, {530});
  ExpectRight(batch, Run(batch));
}

TEST_F(CudaDecodeAttentionTest, NeighboursAndBlocksDoNotShow) {
  const std::vector<int32_t> positions = {5, 1300, 511, 512, 77, 0, 2000};
  for (const auto& shape : {cases::kOddAttention[3], kTinyR1}) {
    const Batch batch(shape, positions);
    const std::vector<float> all = Run(batch);
    EXPECT_TRUE(SameBits(Run(batch, /*seed=*/99), all, batch.out_width()));
    for (int64_t row = 0; row < batch.rows(); ++row) {
      const Batch alone(shape, {positions[row]});
      EXPECT_TRUE(SameBits(Run(alone),
                           std::span(all).subspan(row * batch.out_width(), batch.out_width()),
                           batch.out_width()));
    }
  }
}

TEST_F(CudaDecodeAttentionTest, WavesDoNotShow) {
  const Batch batch({"waves", 3, 0, 8, 0, 24}, {600, 5, 1030, 513, 20, 700});
  const std::vector<float> all = Run(batch);
  for (const cuda::WaveBounds& bounds : kTightWaves) {
    EXPECT_TRUE(SameBits(Run(batch, /*seed=*/7, /*nope=*/8, bounds), all, batch.out_width()));
  }
}

TEST_F(CudaDecodeAttentionTest, RowsWithoutKeysAreZerosAndDoNotShow) {
  const cases::AttentionCase shapes[] = {{"any", 3, 0, 8, 0, 24},  // also of a block of their own
                                         {"columns", 2, 0, 8, 0, 600},
                                         {"v3", 66, 128, 64, 128, 512}};
  for (const auto& shape : shapes) {
    const Batch batch(shape, {600, 3, 70, 700});
    const std::vector<float> all = Run(batch);
    for (const WavesOfRun& waves : {WavesOfRun(), WavesOfRun(kTightWaves[0])}) {
      std::vector<float> want = all;
      for (const int64_t row : {1, 3}) {
        std::fill_n(want.begin() + row * batch.out_width(), batch.out_width(), 0.0f);
      }
      EXPECT_TRUE(SameBits(Run(batch, /*seed=*/7, /*nope=*/8, waves, /*without_keys=*/{1, 3}), want,
                           batch.out_width()));
    }
  }
  const Batch none(shapes[0], {0, 5});
  EXPECT_EQ(Run(none, /*seed=*/7, /*nope=*/8, /*waves=*/{}, /*without_keys=*/{0, 1}),
            std::vector<float>(static_cast<size_t>(2 * none.out_width())));
}

// What a row computes when its keys are far apart in size: weights of earlier turns and splits must
// shrink when a higher score comes.
TEST_F(CudaDecodeAttentionTest, ScoresMayRiseAndFallFromKeyToKey) {
  Batch batch({"steep", 3, 0, 8, 0, 24}, {1100});
  std::vector<float>& latents = batch.latents[0];
  for (size_t i = 0; i < latents.size(); ++i) {
    const auto key = static_cast<double>(i / static_cast<size_t>(batch.width()));
    latents[i] = RoundToBf16(latents[i] * static_cast<float>(3 + 3 * std::sin(key / 90)));
  }
  ExpectRight(batch, Run(batch));
}

TEST_F(CudaDecodeAttentionTest, ANanInAQueryOrAKeyReachesItsRowAlone) {
  const cases::AttentionCase shape = {"nan", 2, 0, 8, 0, 24};
  const Batch clean(shape, {40, 600, 70});
  const std::vector<float> want = Run(clean);
  Batch bad = clean;
  bad.latents[1][550 * bad.width() + 3] = kNan;
  bad.qa[2][shape.latent + 1] = kNan;  // head 1
  const std::vector<float> got = Run(bad);
  const auto head = [&](const std::vector<float>& of, int64_t i) {
    return std::span(of).subspan(i * shape.latent, shape.latent);
  };
  for (const int64_t i : {0, 1, 4}) {
    EXPECT_TRUE(SameBits(head(got, i), head(want, i), shape.latent)) << i;
  }
  for (const int64_t i : {2, 3, 5}) {
    for (const float value : head(got, i)) EXPECT_TRUE(std::isnan(value)) << i;
  }
}

TEST_F(CudaDecodeAttentionTest, NoRowsIsNoWork) {
  cuda::DecodeAttention(cuda_, {.qa = Make(DType::kBf16, {0, 4, 16}),
                                .q_pe = Make(DType::kBf16, {0, 4, 8}),
                                .cache = Make(DType::kBf16, {2, 4, 24}),
                                .out = Make(DType::kBf16, {0, 4, 16})});
  device_->Synchronize();
}

TEST_F(CudaDecodeAttentionTest, WhatItCannotTakeIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  const TensorView qa = Make(DType::kBf16, {1, 4, 16}), q_pe = Make(DType::kBf16, {1, 4, 8});
  const TensorView cache = Make(DType::kBf16, {2, 4, 24}), f32 = Make(DType::kF32, {2, 4, 24});
  const TensorView huge = Make(DType::kBf16, {1, 4, 1024});
  const TensorView huge_cache = Make(DType::kBf16, {2, 4, 1032});
  const std::vector<int32_t> position = {3}, table = {2};
  const int32_t* const tables[] = {table.data()};
  const auto attend = [&](const TensorView& q, const TensorView& from) {
    cuda::DecodeAttention(
        cuda_,
        {.qa = q, .q_pe = q_pe, .positions = position, .cache = from, .tables = tables, .out = q});
  };
  EXPECT_DEATH(attend(qa, cache), "cache block 2 of 2");
  EXPECT_DEATH(attend(qa, f32), "expected bf16");
  EXPECT_DEATH(attend(huge, huge_cache), "more than shared memory takes");
}

}  // namespace
}  // namespace switchyard::kernels
