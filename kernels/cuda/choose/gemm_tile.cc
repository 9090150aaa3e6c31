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
  return SharedOf(tile.tokens, tile.warpgroups, tile.stages, tile.slot_bytes).num_bytes;
}

// Blocks of one launch. `parts`: of K that run side by side.
int64_t NumBlocks(const GemmWork& work, int64_t tokens, int64_t warpgroups, int64_t parts) {
  return work.jobs * CeilDiv(work.row_tiles, warpgroups) * CeilDiv(work.rows, tokens) * parts;
}

// The time of so many equal blocks, against that of all processors busy to the end.
double Waste(int64_t blocks, int num_sms) {
  return static_cast<double>(CeilDiv(blocks, num_sms) * num_sms) / static_cast<double>(blocks);
}

// Parts that run side by side keep more processors busy, but their sums go through memory: f32
// written and read for each output, beside the k_bytes of its weight row.
bool PartsPay(const GemmWork& work, int tokens, int num_sms) {
  constexpr int64_t kSumBytes = 8;
  if (work.parts == 1 || work.parts > kMostPartsBeside) return false;
  const double whole = Waste(NumBlocks(work, tokens, 1, 1), num_sms);
  const double split = Waste(NumBlocks(work, tokens, 1, work.parts), num_sms);
  const auto sum_bytes = static_cast<double>(kSumBytes * work.parts * work.rows);
  return split * (1 + sum_bytes / static_cast<double>(work.k_bytes)) < whole;
}

}  // namespace

int ResidentBlocks(const GemmTile& tile) {
  constexpr int kReservedBytes = 1 << 10;             // by the system, of each block
  if (ProducerThreads(tile.tokens) == 128) return 1;  // it takes all registers
  return std::max(1, (kSharedBytes + kReservedBytes) / (SharedBytes(tile) + kReservedBytes));
}

GemmTile ChooseGemmTile(const GemmWork& work, int num_sms) {
  GemmTile tile{.tokens = TokensFor(work), .slot_bytes = work.slot_bytes};
  tile.split_parts = PartsPay(work, tile.tokens, num_sms);
  // Wider blocks read less, narrower ones keep all processors busy.
  const int64_t parts = tile.split_parts ? work.parts : 1;
  if (NumBlocks(work, tile.tokens, kMaxWarpgroups, parts) >= num_sms) {
    tile.warpgroups = kMaxWarpgroups;
  }
  const bool alone = tile.warpgroups == kMaxWarpgroups || ProducerThreads(tile.tokens) == 128;
  const int room = alone ? kSharedBytes : kHalfSharedBytes;
  tile.stages = kMostStages;
  while (SharedBytes(tile) > room) --tile.stages;
  return tile;
}

}  // namespace switchyard::kernels::cuda
