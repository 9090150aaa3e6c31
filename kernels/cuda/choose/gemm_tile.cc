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

}  // namespace

GemmTile ChooseGemmTile(const GemmWork& work, int num_sms) {
  constexpr int kWidestTokens = 256;
  GemmTile tile{.tokens = TokensFor(work)};
  const auto blocks = [&](int64_t tokens, int64_t warpgroups) {
    return work.jobs * CeilDiv(work.row_tiles, warpgroups) * CeilDiv(work.rows, tokens);
  };
  // Wider blocks read less, narrower ones keep all processors busy.
  if (blocks(tile.tokens, kMaxWarpgroups) >= num_sms) tile.warpgroups = kMaxWarpgroups;
  if (work.form == GemmForm::kBf16 && work.rows > tile.tokens &&
      blocks(kWidestTokens, kMaxWarpgroups) >= num_sms) {
    tile.tokens = kWidestTokens;
  }
  const int room = tile.warpgroups == 1 ? kHalfSharedBytes : kSharedBytes;
  tile.stages = kMostStages;
  while (SharedOf(tile.tokens, tile.warpgroups, tile.stages).num_bytes > room) --tile.stages;
  return tile;
}

}  // namespace switchyard::kernels::cuda
