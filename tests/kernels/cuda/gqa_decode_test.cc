// Grouped-query attention of single queries on CUDA: right, and the same bits for a row whatever
// its neighbours and blocks.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/rows.h"
#include "tests/kernels/cuda/gqa_fixture.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

// Sequences of which the last token of each has a query.
struct Batch {
  Batch(const cases::GqaCase& widths, std::vector<int32_t> last_positions)
      : shape(widths), positions(std::move(last_positions)) {
    for (const int32_t position : positions) {
      tokens.push_back(position + 1);
      sequences.emplace_back(shape, position + 1, static_cast<uint32_t>(position));
    }
  }

  int64_t rows() const { return std::ssize(positions); }
  int64_t out_width() const { return shape.heads * shape.dim; }

  cases::GqaCase shape;
  std::vector<int32_t> positions;
  std::vector<int64_t> tokens;
  std::vector<GqaSequence> sequences;
};

class CudaGqaDecodeTest : public CudaGqaTest {
 protected:
  // [rows, heads, dim]. Blocks are dealt out by `seed`, those behind windows are not there.
  std::vector<float> Run(const Batch& batch, uint32_t seed = 7, const WavesOfRun& waves = {},
                         int64_t without_keys = -1) {
    const auto& shape = batch.shape;
    GqaBlocks blocks(batch.tokens, kBlockTokens, seed);
    const TensorView cache = MakeCache(blocks.num_blocks(), shape);
    std::vector<float> q;
    for (int64_t row = 0; row < batch.rows(); ++row) {
      const GqaSequence& sequence = batch.sequences[static_cast<size_t>(row)];
      Write(sequence, blocks.SlotsOf(row, sequence.tokens), cache);
      q.insert(q.end(), sequence.q.end() - batch.out_width(), sequence.q.end());
      blocks.FreeBefore(row, sequence.FirstSeen(sequence.tokens - 1));
    }
    const TensorView out = Make(DType::kBf16, {batch.rows(), shape.heads, shape.dim});
    std::vector<const int32_t*> tables = blocks.tables();
    if (without_keys >= 0) tables[static_cast<size_t>(without_keys)] = nullptr;
    const GqaDecodeArgs args = {.q = PutHeads(batch.rows(), shape.heads, q),
                                .positions = batch.positions,
                                .cache = cache,
                                .tables = tables,
                                .scale = batch.sequences[0].scale(),
                                .window = shape.window,
                                .sinks = PutSinks(shape),
                                .out = out};
    if (waves.has_value()) {
      cuda::GqaDecodeInWaves(cuda_, args, *waves);
    } else {
      cuda::GqaDecode(cuda_, args);
    }
    return Get(out);
  }

  void ExpectRight(const Batch& batch, const std::vector<float>& got) {
    reference::AttentionOutput want;
    for (const GqaSequence& sequence : batch.sequences) {
      sequence.AddReference(sequence.tokens - 1, want);
    }
    ExpectClose(got, want, batch.shape);
  }
};

TEST_F(CudaGqaDecodeTest, RowsWithoutKeysAreZerosAndDoNotShow) {
  for (const auto& shape : {cases::kCheckedGqa[3], cases::kCheckedGqa[5]}) {
    const Batch batch(shape, {20, 600, 70});
    std::vector<float> want = Run(batch);
    std::fill_n(want.begin() + batch.out_width(), batch.out_width(), 0.0f);
    EXPECT_TRUE(SameBits(Run(batch, /*seed=*/7, /*waves=*/{}, /*without_keys=*/1), want,
                         batch.out_width()));
  }
}

TEST_F(CudaGqaDecodeTest, AgreesWithDoublePrecision) {
  const std::vector<int32_t> positions = {0, 1, 15, 16, 63, 64, 511, 512, 700};
  for (const auto& shape : cases::kCheckedGqa) {
    const Batch batch(shape, positions);
    ExpectRight(batch, Run(batch));
  }
}

TEST_F(CudaGqaDecodeTest, ServedShapesAreRight) {
  for (const auto& shape : cases::kServedGqa) {
    const Batch batch(shape, {1100});
    ExpectRight(batch, Run(batch));
  }
}

TEST_F(CudaGqaDecodeTest, NeighboursAndBlocksDoNotShow) {
  const std::vector<int32_t> positions = {5, 1300, 511, 512, 77, 0, 1100};
  for (const size_t i : {3, 5, 7, 9}) {
    const Batch batch(cases::kCheckedGqa[i], positions);
    const std::vector<float> all = Run(batch);
    EXPECT_TRUE(SameBits(Run(batch, /*seed=*/99), all, batch.out_width()));
    for (int64_t row = 0; row < batch.rows(); ++row) {
      const Batch alone(batch.shape, {positions[static_cast<size_t>(row)]});
      EXPECT_TRUE(SameBits(Run(alone),
                           std::span(all).subspan(row * batch.out_width(), batch.out_width()),
                           batch.out_width()))
          << batch.shape.name << " " << row;
    }
  }
}

TEST_F(CudaGqaDecodeTest, WavesDoNotShow) {
  for (const int64_t window : {0, 300}) {
    const Batch batch({"waves", 3, 1, 24, window, true}, {600, 5, 1030, 513, 20, 700});
    const std::vector<float> all = Run(batch);
    for (const cuda::WaveBounds& bounds : kTightWaves) {
      EXPECT_TRUE(SameBits(Run(batch, /*seed=*/7, bounds), all, batch.out_width()));
    }
  }
}

// Weights of earlier steps, warps and splits must shrink when a higher score comes.
TEST_F(CudaGqaDecodeTest, ScoresMayRiseAndFallFromKeyToKey) {
  Batch batch({"steep", 4, 1, 32, 0, false}, {1100});
  std::vector<float>& keys = batch.sequences[0].k;
  for (size_t i = 0; i < keys.size(); ++i) {
    const double key = static_cast<double>(i / 32);
    keys[i] = RoundToBf16(keys[i] * static_cast<float>(3 + 3 * std::sin(key / 30)));
  }
  ExpectRight(batch, Run(batch));
}

TEST_F(CudaGqaDecodeTest, ANanReachesTheHeadsOfItsRowAlone) {
  const cases::GqaCase shape = {"nan", 4, 2, 24, 0, false};
  const Batch clean(shape, {40, 600, 70});
  const std::vector<float> want = Run(clean);
  Batch bad = clean;
  bad.sequences[1].k[(550 * 2 + 1) * 24 + 3] = kNan;  // heads 2 and 3 of row 1
  bad.sequences[2].q[(70 * 4 + 1) * 24 + 1] = kNan;   // head 1 of row 2
  const std::vector<float> got = Run(bad);
  for (int64_t i = 0; i < 12; ++i) {
    const auto head = [&](const std::vector<float>& of) {
      return std::span(of).subspan(i * 24, 24);
    };
    if (i == 6 || i == 7 || i == 9) {
      for (const float value : head(got)) EXPECT_TRUE(std::isnan(value)) << i;
    } else {
      EXPECT_TRUE(SameBits(head(got), head(want), 24)) << i;
    }
  }
}

// Rows that grow, and windows that move over splits and blocks, while a recorded op is replayed.
TEST_F(CudaGqaDecodeTest, RecordedRowsGrowAndTheirWindowsMove) {
  constexpr int64_t kRows = 3, kDim = 64, kTokens = 2400;
  const auto ops = cuda::MakeCudaOps(*device_);
  for (const int64_t window : {0, 300}) {
    const cases::GqaCase shape = {"recorded", 2, 1, kDim, window, true};
    const GqaBlocks blocks({kTokens, kTokens, kTokens}, kBlockTokens, /*seed=*/7);
    const int64_t count = blocks.num_blocks() * 2 * kBlockTokens * kDim;
    const TensorView cache =
        PutBf16({blocks.num_blocks(), 1, 2 * kBlockTokens, kDim}, RandomBf16(count, 3));
    const TensorView q = PutBf16({kRows, 2, kDim}, RandomBf16(kRows * 2 * kDim, 4));
    const TensorView out = Make(DType::kBf16, {kRows, 2, kDim}), sinks = PutSinks(shape);
    std::vector<int32_t> positions = {3, 500, 700};
    std::vector<const int32_t*> tables(kRows);
    std::vector<std::vector<int32_t>> seen(kRows);
    const auto move_to = [&](const std::vector<int32_t>& to) {
      std::ranges::copy(to, positions.begin());
      GqaBlocks now = blocks;
      for (int64_t row = 0; row < kRows; ++row) {
        if (window > 0) now.FreeBefore(row, std::max<int64_t>(to[row] + 1 - window, 0));
        seen[row] = now.table(row);
        tables[row] = seen[row].data();
      }
    };
    const auto issue = [&] {
      ops->GqaDecode({.q = q,
                      .positions = positions,
                      .cache = cache,
                      .tables = tables,
                      .scale = 0.1f,
                      .window = window,
                      .sinks = sinks,
                      .out = out});
    };
    const auto result = [&] {
      const std::vector<float> values = Get(out);
      device_->Zero(out.data, out.NumElements() * 2);
      return values;
    };
    move_to(positions);
    issue();
    ops->BeginRecording();
    issue();
    const auto recording = ops->EndRecording();
    using Positions = std::vector<int32_t>;
    for (const Positions& to : {Positions{4, 511, 701}, {4, 512, 1023}, {0, 1000, 600}}) {
      move_to(to);
      issue();
      const std::vector<float> want = result();
      ASSERT_TRUE(recording->Replay()) << to[1];
      EXPECT_TRUE(SameBits(result(), want, 2 * kDim)) << to[1];
    }
    // What a window holds is bounded, wherever it is; whole sequences outgrow their room.
    move_to({2300, 811, 2000});
    EXPECT_EQ(recording->Replay(), window > 0);
  }
}

// By words of 16 bytes and by elements.
TEST_F(CudaGqaDecodeTest, KeysAndValuesLieWhereTheManualSays) {
  constexpr int64_t kHeads = 2, kBlock = 4;
  for (const int64_t dim : {16, 3}) {
    const std::vector<float> k = RandomBf16(kHeads * dim, 1), v = RandomBf16(kHeads * dim, 2);
    const std::vector<int64_t> slots = {kBlock + 2};  // the third place of block 1
    const TensorView cache = Make(DType::kBf16, {2, kHeads, 2 * kBlock, dim});
    cuda::GqaWrite(
        cuda_,
        {.k = PutHeads(1, kHeads, k), .v = PutHeads(1, kHeads, v), .slots = slots, .cache = cache});
    const std::vector<float> got = Get(cache);
    for (int64_t i = 0; i < std::ssize(got); ++i) {
      const int64_t column = i % dim, place = i / dim % (2 * kBlock);
      const int64_t head = i / (2 * kBlock * dim) % kHeads, block = i / (2 * kBlock * dim * kHeads);
      const auto at = static_cast<size_t>(head * dim + column);
      float want = 0;
      if (block == 1 && place == 2) want = k[at];
      if (block == 1 && place == kBlock + 2) want = v[at];
      EXPECT_EQ(got[static_cast<size_t>(i)], want) << i;
    }
  }
}

// All of a head or its first elements; aligned or not.
TEST_F(CudaGqaDecodeTest, KeysAreRotatedOnTheirWayIntoTheCache) {
  constexpr int64_t kTokens = 3, kHeads = 2, kBlock = 4, kPositions = 40;
  const std::vector<int32_t> positions = {39, 0, 5};
  const std::vector<int64_t> slots = {5, 2, kNoSlot};
  struct HeadWidths {
    int64_t dim, rotated;
  };
  for (const auto& [dim, rotated] : {HeadWidths{128, 128}, {64, 32}, {16, 4}, {19, 6}, {3, 2}}) {
    const std::vector<float> k = RandomBf16(kTokens * kHeads * dim, 1);
    const TensorView v = PutHeads(kTokens, kHeads, RandomBf16(kTokens * kHeads * dim, 2));
    const TensorView table = PutF32({kPositions, rotated}, RandomValues(kPositions * rotated, 3));
    for (const bool halves : {false, true}) {
      const auto write = [&](bool at_once) {
        const TensorView keys = PutHeads(kTokens, kHeads, k);
        const TensorView cache = Make(DType::kBf16, {2, kHeads, 2 * kBlock, dim});
        GqaWriteArgs args = {.k = keys, .v = v, .slots = slots, .cache = cache};
        if (at_once) {
          args.rotation = {.positions = positions, .table = table, .halves = halves};
        } else {
          TensorView part = keys;
          part.dims[2] = rotated;
          cuda::Rope(cuda_, {.x = part,
                             .head_stride = dim,
                             .positions = positions,
                             .table = table,
                             .halves = halves});
        }
        cuda::GqaWrite(cuda_, args);
        return Get(cache);
      };
      EXPECT_TRUE(SameBits(write(true), write(false), dim)) << dim << ' ' << halves;
    }
  }
}

TEST_F(CudaGqaDecodeTest, NoRowsIsNoWork) {
  const TensorView none = Make(DType::kBf16, {0, 4, 16}), cache = Make(DType::kBf16, {2, 2, 8, 16});
  cuda::GqaDecode(cuda_, {.q = none, .cache = cache, .out = none});
  cuda::GqaWrite(
      cuda_,
      {.k = Make(DType::kBf16, {0, 2, 16}), .v = Make(DType::kBf16, {0, 2, 16}), .cache = cache});
  device_->Synchronize();
}

TEST_F(CudaGqaDecodeTest, WhatItCannotTakeIsRefused) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  const auto decode = [&](DType type, int64_t dim, int32_t block) {
    const TensorView q = Make(DType::kBf16, {1, 2, dim});
    const std::vector<int32_t> positions = {5}, table = {0, block};
    const std::vector<const int32_t*> tables = {table.data()};
    cuda::GqaDecode(cuda_, {.q = q,
                            .positions = positions,
                            .cache = Make(type, {2, 1, 8, dim}),
                            .tables = tables,
                            .scale = 1,
                            .out = q});
  };
  EXPECT_DEATH(decode(DType::kBf16, 16, 2), "cache block 2 of 2");
  EXPECT_DEATH(decode(DType::kBf16, 264, 1), "heads of 264 are wider than a block takes");
  EXPECT_DEATH(decode(DType::kF32, 16, 1), "on CUDA, expected bf16, got f32");
}

}  // namespace
}  // namespace switchyard::kernels
