#include "kernels/cuda/decode_waves.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "base/check.h"

namespace switchyard::kernels::cuda {
namespace {

// Of unfinished softmaxes. A single row may need more.
constexpr int64_t kMaxPartialBytes = int64_t{256} << 20;

// What is staged of a wave: splits, merges, block tables; one array behind the other. More splits
// and merges than the wave has now leave room for rows that grow while the op is replayed.
struct WaveRoom {
  int64_t splits, merges, blocks;

  int64_t split_bytes() const { return splits * int64_t{sizeof(DecodeSplit)}; }
  int64_t merge_bytes() const { return merges * int64_t{sizeof(DecodeMerge)}; }
  int64_t num_bytes() const {
    return split_bytes() + merge_bytes() + blocks * int64_t{sizeof(int32_t)};
  }
};

DecodeRowWork WorkOf(int64_t splits, int64_t blocks) {
  const WaveRoom room{.splits = splits, .merges = splits > 1 ? 1 : 0, .blocks = blocks};
  return {.splits = splits, .staged_bytes = room.num_bytes()};
}

bool HasKeys(const DecodeRows& rows, int64_t row) {
  return rows.tables[static_cast<size_t>(row)] != nullptr;
}

// A row without keys has one split, which is empty.
int64_t NumSplitsOf(const DecodeRows& rows, int64_t row) {
  return HasKeys(rows, row) ? NumDecodeSplits(rows.positions[static_cast<size_t>(row)], rows.window)
                            : 1;
}

// Blocks of a row's sequence: those that it sees.
struct SeenBlocks {
  int64_t begin, end;

  int64_t count() const { return end - begin; }
};
SeenBlocks BlocksOf(const DecodeRows& rows, int64_t row) {
  const int32_t position = rows.positions[static_cast<size_t>(row)];
  if (!HasKeys(rows, row)) return {0, 0};
  return {FirstDecodeKey(position, rows.window) / rows.block_tokens,
          position / rows.block_tokens + 1};
}
// At most, until the row has the next split whole.
int64_t MostBlocksOf(const DecodeRows& rows, int64_t row) {
  const int64_t splits = NumDecodeSplits(rows.positions[static_cast<size_t>(row)]) + 1;
  return std::min((splits * kDecodeSplitTokens - 1) / rows.block_tokens + 1,
                  (rows.window - 2) / rows.block_tokens + 2);
}

// Writes the arrays of a wave. False where they have no room.
bool FillWave(const DecodeRows& rows, const DecodeWave& wave, const WaveRoom& room,
              std::byte* host) {
  auto* split = reinterpret_cast<DecodeSplit*>(host);
  auto* merge = reinterpret_cast<DecodeMerge*>(host + room.split_bytes());
  auto* const tables = reinterpret_cast<int32_t*>(host + room.split_bytes() + room.merge_bytes());
  const DecodeSplit* const splits_end = split + room.splits;
  const DecodeMerge* const merges_end = merge + room.merges;
  int32_t table = 0, partial = 0;
  for (int64_t row = wave.begin; row < wave.end; ++row) {
    const auto row_id = static_cast<int32_t>(row);
    const int32_t position = HasKeys(rows, row) ? rows.positions[static_cast<size_t>(row)] : -1;
    const auto num_splits = static_cast<int32_t>(NumSplitsOf(rows, row));
    const SeenBlocks blocks = BlocksOf(rows, row);
    if (num_splits > splits_end - split || table + blocks.count() > room.blocks) return false;
    if (num_splits > 1) {
      if (merge == merges_end) return false;
      *merge++ = {row_id, partial, num_splits};
    }
    const auto first = static_cast<int32_t>(FirstDecodeKey(position, rows.window));
    const int32_t first_split = first / kDecodeSplitTokens;
    for (int32_t i = 0; i < num_splits; ++i) {
      const int32_t begin = (first_split + i) * kDecodeSplitTokens;
      *split++ = {.row = row_id,
                  .begin = std::max(begin, first),
                  .end = std::min(begin + kDecodeSplitTokens, position + 1),
                  .table = table - static_cast<int32_t>(blocks.begin),
                  .partial = num_splits > 1 ? partial++ : -1};
    }
    for (int64_t i = blocks.begin; i < blocks.end; ++i) {
      const int32_t block = rows.tables[static_cast<size_t>(row)][i];
      SY_CHECK(block >= 0 && block < rows.num_blocks)
          << "cache block " << block << " of " << rows.num_blocks;
      tables[table++] = block;
    }
  }
  // What is left over: splits and merges of nothing.
  const auto first_row = static_cast<int32_t>(wave.begin);
  while (split != splits_end) {
    *split++ = {.row = first_row, .begin = 0, .end = 0, .table = 0, .partial = 0};
  }
  while (merge != merges_end) *merge++ = {first_row, 0, 0};
  return true;
}

StagedWave StageWave(CudaContext& cuda, const DecodeRows& rows, const DecodeWave& wave) {
  WaveRoom room{.splits = wave.num_splits, .merges = wave.num_merges, .blocks = 0};
  for (int64_t row = wave.begin; row < wave.end; ++row) {
    room.blocks += cuda.staging.recording() ? MostBlocksOf(rows, row) : BlocksOf(rows, row).count();
  }
  const StagedInputs::Key key = {reinterpret_cast<intptr_t>(rows.positions.data()),
                                 reinterpret_cast<intptr_t>(rows.tables.data()),
                                 rows.window,
                                 rows.block_tokens,
                                 rows.num_blocks,
                                 wave.begin,
                                 wave.end,
                                 room.num_bytes()};
  const std::byte* const staged = cuda.staging.Stage(
      room.num_bytes(), key, [=](std::byte* host) { return FillWave(rows, wave, room, host); });
  return {reinterpret_cast<const DecodeSplit*>(staged),
          reinterpret_cast<const DecodeMerge*>(staged + room.split_bytes()),
          reinterpret_cast<const int32_t*>(staged + room.split_bytes() + room.merge_bytes()),
          /*partial_stats=*/nullptr, /*partial_sums=*/nullptr};
}

}  // namespace

WaveBounds DecodeWaveBounds(const PartialShape& partial) {
  return {.partials = kMaxPartialBytes / partial.num_bytes(),
          .staged_bytes = HostStaging::kSegmentBytes};
}

void ForDecodeWaves(CudaContext& cuda, const DecodeRows& rows, const PartialShape& partial,
                    const WaveBounds& bounds,
                    const std::function<void(const DecodeWave&, const StagedWave&)>& launch) {
  // Of each row, and, where the op is recorded, of rows that are up to a split longer.
  std::vector<DecodeRowWork> now, grown;
  for (int64_t row = 0; row < std::ssize(rows.positions); ++row) {
    const int32_t position = rows.positions[static_cast<size_t>(row)];
    now.push_back(WorkOf(NumSplitsOf(rows, row), BlocksOf(rows, row).count()));
    grown.push_back(WorkOf(MostDecodeSplits(int64_t{position} + kDecodeSplitTokens, rows.window),
                           MostBlocksOf(rows, row)));
  }
  const std::vector<DecodeRowWork>& cut = cuda.staging.recording() ? grown : now;
  const auto num_rows = std::ssize(rows.positions);
  for (int64_t begin = 0; begin < num_rows;) {
    const DecodeWave wave = NextDecodeWave(cut, begin, bounds);
    // As much as the recorded op will want, and more: when memory moves, all recordings end.
    const DecodeWave then = NextDecodeWave(grown, begin, bounds);
    const int64_t wanted = std::max(
        {wave.num_partials, then.num_partials, then.end < num_rows ? bounds.partials : int64_t{0}});
    const auto rounded = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(wanted)));
    auto* const partials = cuda.attention.Reserve<std::byte>(
        std::min(rounded, std::max(wanted, bounds.partials)) * partial.num_bytes());
    StagedWave staged = StageWave(cuda, rows, wave);
    staged.partial_stats = reinterpret_cast<float2*>(partials);
    staged.partial_sums =
        reinterpret_cast<float*>(staged.partial_stats + wave.num_partials * partial.heads);
    launch(wave, staged);
    begin = wave.end;
  }
}

}  // namespace switchyard::kernels::cuda
