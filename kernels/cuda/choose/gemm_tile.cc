#include "kernels/cuda/choose/gemm_tile.h"

#include <algorithm>

namespace switchyard::kernels::cuda {
namespace {

constexpr int kMostStages = 8;
constexpr int kSharedBytes = 227 << 10;  // of a block; an SM has one KiB more for each block
// One warpgroup leaves room for a second block on the SM: one multiplies while the other begins or
// writes its results.
constexpr int kHalfSharedBytes = 113 << 10;

int64_t CeilDiv(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

// The least tile that holds all rows: every further one would read the weight again.
int TokensFor(const GemmWork& work) {
  constexpr int kMostTokens = 128;
  int tokens = 8;
  while (tokens < kMostTokens && tokens < work.rows) tokens *= 2;
  return tokens;
}

int SharedBytes(const GemmTile& tile) {
  return SharedOf(tile.tokens, tile.warpgroups, tile.stages).num_bytes;
}

}  // namespace

int ResidentBlocks(const GemmTile& tile) {
  constexpr int kReservedBytes = 1 << 10;             // by the system, of each block
  if (ProducerThreads(tile.tokens) == 128) return 1;  // it takes all registers
  return std::max(1, (kSharedBytes + kReservedBytes) / (SharedBytes(tile) + kReservedBytes));
}

GemmTile ChooseGemmTile(const GemmWork& work, int num_sms) {
  GemmTile tile{.tokens = TokensFor(work)};
  const auto blocks = [&](int64_t tokens, int64_t warpgroups) {
    const int64_t parts = tile.split_parts ? work.parts : 1;
    return work.jobs * CeilDiv(work.row_tiles, warpgroups) * CeilDiv(work.rows, tokens) * parts;
  };
  tile.split_parts = work.parts > 1 && blocks(tile.tokens, 1) < num_sms;
  // Wider blocks read less, narrower ones keep all processors busy.
  if (blocks(tile.tokens, kMaxWarpgroups) >= num_sms) tile.warpgroups = kMaxWarpgroups;
  const bool alone = tile.warpgroups == kMaxWarpgroups || ProducerThreads(tile.tokens) == 128;
  const int room = alone ? kSharedBytes : kHalfSharedBytes;
  tile.stages = kMostStages;
  while (SharedBytes(tile) > room) --tile.stages;
  return tile;
}

}  // namespace switchyard::kernels::cuda
