// A cut step has the rows of the whole, and attention finds in each half what it needs.
#include "worker/layers/micro_batches.h"

#include <gtest/gtest.h>

#include <numeric>

#include "kernels/args/attention.h"

namespace switchyard::worker {
namespace {

constexpr int64_t kTile = kernels::kPrefillTileTokens;

// Two prompts, of 5 rows from position 100 on and of 3 from the first, then 4 decoding rows.
class Whole {
 public:
  Whole() {
    batch.prefill = {{.row_begin = 0, .num_rows = 5, .begin_position = 100, .table = blocks},
                     {.row_begin = 5, .num_rows = 3, .begin_position = 0, .table = blocks}};
    batch.num_prefill_rows = 8;
    for (int row = 0; row < 12; ++row) {
      batch.token_ids.push_back(1000 + row);
      batch.positions.push_back(row < 5 ? 100 + row : row < 8 ? row - 5 : 50 + row);
      batch.slots.push_back(2000 + row);
      if (row >= 8) batch.decode_tables.push_back(blocks.data() + row);
    }
    batch.output_rows = {4, 7, 8, 9, 10, 11};
  }
  std::vector<int32_t> blocks = std::vector<int32_t>(16);
  ForwardBatch batch;
};

TEST(MicroBatchesTest, OneIsTheBatchItself) {
  const Whole whole;
  const MicroBatches parts(whole.batch, 1);
  EXPECT_EQ(&parts.batch(0), &whole.batch);
  EXPECT_EQ(parts.rows(0), (IndexRange{0, 12}));
}

TEST(MicroBatchesTest, EveryRowIsInOneHalfWithItsPositionAndItsCache) {
  const Whole whole;
  for (int64_t cut = 0; cut <= 12; ++cut) {
    SCOPED_TRACE(cut);
    for (const IndexRange& rows : {IndexRange{0, cut}, IndexRange{cut, 12}}) {
      const ForwardBatch half = RowsOf(whole.batch, rows);
      ASSERT_EQ(half.num_rows(), rows.size());
      std::vector<int> seen(static_cast<size_t>(rows.size()));
      for (const PrefillSpan& span : half.prefill) {
        ASSERT_GT(span.num_rows, 0);
        ASSERT_LE(span.row_begin + span.num_rows, half.num_prefill_rows);
        EXPECT_EQ(span.table.data(), whole.blocks.data());
        for (int64_t i = 0; i < span.num_rows; ++i) {
          ++seen[static_cast<size_t>(span.row_begin + i)];
          EXPECT_EQ(half.positions[static_cast<size_t>(span.row_begin + i)],
                    span.begin_position + i);
        }
      }
      ASSERT_EQ(std::ssize(half.decode_tables), half.num_rows() - half.num_prefill_rows);
      for (int64_t i = 0; i < half.num_rows(); ++i) {
        const auto row = static_cast<size_t>(rows.begin + i), at = static_cast<size_t>(i);
        EXPECT_EQ(half.token_ids[at], whole.batch.token_ids[row]);
        EXPECT_EQ(half.positions[at], whole.batch.positions[row]);
        EXPECT_EQ(half.slots[at], whole.batch.slots[row]);
        EXPECT_EQ(seen[at], row < 8 ? 1 : 0);
        if (row < 8) continue;
        EXPECT_EQ(half.decode_tables[at - static_cast<size_t>(half.num_prefill_rows)],
                  whole.batch.decode_tables[row - 8]);
      }
    }
  }
}

TEST(MicroBatchesTest, TheSecondHalfOfAPromptFindsWhatTheFirstHasExpanded) {
  Whole whole;
  const std::vector<int32_t> tiles = {3};
  PrefillSpan& span = whole.batch.prefill[0];
  span.begin_position = kTile - 3;
  span.tiles = tiles;
  span.num_expanded = kTile - 3;
  const auto second = [&](int64_t cut) { return RowsOf(whole.batch, {cut, 12}).prefill[0]; };
  EXPECT_EQ(RowsOf(whole.batch, {0, 2}).prefill[0].num_expanded, kTile - 3);
  EXPECT_EQ(second(2).num_expanded, kTile - 1);
  EXPECT_EQ(second(4).num_expanded, kTile) << "there is one tile";
}

TEST(MicroBatchesTest, TheFirstHalfOfAPromptHasTheTilesThatItReaches) {
  Whole whole;
  const std::vector<int32_t> tiles = {3, 1};
  PrefillSpan& span = whole.batch.prefill[0];
  span.begin_position = kTile - 3;
  span.tiles = tiles;
  EXPECT_EQ(RowsOf(whole.batch, {0, 3}).prefill[0].tiles.size(), 1u);
  EXPECT_EQ(RowsOf(whole.batch, {0, 4}).prefill[0].tiles.size(), 2u);
  EXPECT_EQ(RowsOf(whole.batch, {3, 12}).prefill[0].tiles.size(), 2u);
}

TEST(MicroBatchesTest, TheFirstHalfIsTheLarger) {
  ForwardBatch batch;
  for (int rows = 0; rows < 4; ++rows) {
    const MicroBatches parts(batch, 2);
    EXPECT_EQ(parts.rows(0).size(), (rows + 1) / 2);
    EXPECT_EQ(parts.rows(1).size(), rows / 2);
    batch.token_ids.push_back(0);
    batch.positions.push_back(rows);
    batch.slots.push_back(rows);
    batch.decode_tables.push_back(nullptr);
  }
}

}  // namespace
}  // namespace switchyard::worker
