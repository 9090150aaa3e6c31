// How a product is cut into blocks of threads. No choice here changes a bit of the result.
#ifndef SWITCHYARD_KERNELS_CUDA_CHOOSE_GEMM_TILE_H_
#define SWITCHYARD_KERNELS_CUDA_CHOOSE_GEMM_TILE_H_

#include <cstdint>

#include "kernels/cuda/choose/gemm_layout.h"

namespace switchyard::kernels::cuda {

inline constexpr int kStagedTokens = 32;      // of a result on its way out
inline constexpr int kStagedPitch = 68;       // floats; rows of 64 on different banks
inline constexpr int kMaxWarpgroups = 2;      // that multiply
inline constexpr int kMostPartsBeside = 512;  // of K, that one launch adds afterwards
inline constexpr int kJobBytes = 160;         // of a GemmJob

// Of the warp that copies. Wide tiles need the registers that a whole warpgroup of them can give
// away (an SM's registers are cut by four, so one warp more costs as much).
constexpr int ProducerThreads(int tokens) { return tokens >= 128 ? 128 : 32; }

struct GemmTile {
  int tokens = 8;               // columns of wgmma: 8, 16, 32, 64 or 128
  int warpgroups = 1;           // that multiply, 64 outputs each
  int stages = 4;               // of K on their way
  int slot_bytes = kTileBytes;  // of a stage's weight tile: SlotBytes
  // Parts of K run side by side and are added afterwards; else one block walks them all.
  bool split_parts = false;

  int threads() const { return warpgroups * 128 + ProducerThreads(tokens); }
};

// Places in a block's shared memory.
struct GemmShared {
  int stage_bytes;     // weight tiles, then activations; a multiple of 1024
  int x_begin;         // of the activations in a stage; likewise
  int scales_begin;    // f32 [stages, tokens]
  int barriers_begin;  // [2, stages] of 8 bytes
  int job_begin;       // kJobBytes for each warpgroup and one for the warp that copies
  int staged_begin;    // f32 [warpgroups, min(tokens, kStagedTokens), kStagedPitch]
  int num_bytes;
};
constexpr GemmShared SharedOf(int tokens, int warpgroups, int stages, int slot_bytes = kTileBytes) {
  constexpr int kAlignment = 1024;  // of what wgmma reads
  GemmShared shared{};
  shared.x_begin = (warpgroups * slot_bytes + kAlignment - 1) & -kAlignment;
  shared.stage_bytes = shared.x_begin + tokens * 128;
  shared.scales_begin = stages * shared.stage_bytes;
  shared.barriers_begin = shared.scales_begin + stages * tokens * 4;
  shared.job_begin = shared.barriers_begin + stages * 16;
  shared.staged_begin = shared.job_begin + (warpgroups + 1) * kJobBytes;
  const int staged = tokens < kStagedTokens ? tokens : kStagedTokens;
  shared.num_bytes = shared.staged_begin + warpgroups * staged * kStagedPitch * 4;
  return shared;
}

// What a launch has to do.
struct GemmWork {
  int64_t rows = 0;  // of a job, on average over those that have any
  int64_t jobs = 1;
  int64_t row_tiles = 0;        // of a job on average
  int64_t parts = 1;            // of K, of a job at most
  int64_t k_bytes = 1;          // of a weight row, on average
  int slot_bytes = kTileBytes;  // see GemmTile
};
// Blocks that an SM holds at once.
int ResidentBlocks(const GemmTile& tile);
GemmTile ChooseGemmTile(const GemmWork& work, int num_sms);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CHOOSE_GEMM_TILE_H_
