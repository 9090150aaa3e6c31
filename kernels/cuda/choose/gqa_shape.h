// How grouped-query attention is cut into blocks of threads. Cuts along keys lie at fixed
// positions, so that no choice here shows in a row's bits when its batch or its sequence changes.
#ifndef SWITCHYARD_KERNELS_CUDA_CHOOSE_GQA_SHAPE_H_
#define SWITCHYARD_KERNELS_CUDA_CHOOSE_GQA_SHAPE_H_

#include <cstdint>

namespace switchyard::kernels::cuda {

// Columns of a head that a block has room for: 64, 128 or 256; 0 where heads are wider.
constexpr int GqaColumns(int64_t dim) {
  return dim <= 64 ? 64 : dim <= 128 ? 128 : dim <= 256 ? 256 : 0;
}

// --- Decode ---
// A block takes a split (attention_split.h) of one key-value head's keys, for at most
// kGqaDecodeHeads of the heads that share it. Each warp walks steps of its own, every
// kGqaDecodeWarps-th, at its own pace; their softmaxes are joined at the end.
inline constexpr int kGqaDecodeWarps = 4;
inline constexpr int kGqaDecodeThreads = kGqaDecodeWarps * 32;
inline constexpr int kGqaDecodeHeads = 16;       // rows of one product
inline constexpr int kGqaDecodeStepTokens = 16;  // keys of one step of a warp
inline constexpr int kGqaDecodeStages = 3;       // steps on their way, of each warp

// Places in a block's shared memory. Queries lie at 0; a stage holds keys, then values. The sums of
// the warps replace the stages at the end.
struct GqaDecodeShared {
  int stages_begin;
  int stage_bytes;
  int sums_row;     // floats, of a warp's head: no two rows of a product meet in a bank
  int stats_begin;  // float2 [warps, heads]: maximum, sum of the weights
  int num_bytes;
};
constexpr GqaDecodeShared GqaDecodeSharedOf(int columns) {
  GqaDecodeShared shared{};
  shared.stages_begin = kGqaDecodeHeads * columns * 2;
  shared.stage_bytes = 2 * kGqaDecodeStepTokens * columns * 2;
  shared.sums_row = columns + 8;
  const int stages = kGqaDecodeWarps * kGqaDecodeStages * shared.stage_bytes;
  const int sums = kGqaDecodeWarps * kGqaDecodeHeads * shared.sums_row * 4;
  shared.stats_begin = shared.stages_begin + (stages > sums ? stages : sums);
  shared.num_bytes = shared.stats_begin + kGqaDecodeWarps * kGqaDecodeHeads * 8;
  return shared;
}

// --- Prefill ---
// A block takes rows of one key-value head: a row is a query of one of the heads that share it, and
// those of a query lie side by side, so that few queries fill a block, too.
inline constexpr int kGqaPrefillThreads = 256;
inline constexpr int kGqaPrefillRows = 128;       // 64 for each of two warpgroups
inline constexpr int kGqaPrefillStepTokens = 64;  // keys of one turn of a block
inline constexpr int kGqaPrefillStages = 2;       // turns on their way

// Blocks on a multiprocessor: while one waits for weights, another multiplies.
constexpr int GqaPrefillBlocks(int columns) { return columns <= 128 ? 2 : 1; }

// Places in a block's shared memory. Queries lie at 0; a stage holds keys, then values.
struct GqaPrefillShared {
  int stages_begin;
  int stage_bytes;
  int bad_begin;  // u64 [columns]
  int num_bytes;
};
constexpr GqaPrefillShared GqaPrefillSharedOf(int columns) {
  GqaPrefillShared shared{};
  shared.stages_begin = kGqaPrefillRows * columns * 2;
  shared.stage_bytes = 2 * kGqaPrefillStepTokens * columns * 2;
  shared.bad_begin = shared.stages_begin + kGqaPrefillStages * shared.stage_bytes;
  shared.num_bytes = shared.bad_begin + columns * 8;
  return shared;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CHOOSE_GQA_SHAPE_H_
