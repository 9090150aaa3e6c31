// How attention is cut into blocks of threads. Cuts along keys lie at fixed positions, so that no
// choice here shows in a row's bits when its batch or its sequence changes.
#ifndef SWITCHYARD_KERNELS_CUDA_CHOOSE_ATTENTION_SPLIT_H_
#define SWITCHYARD_KERNELS_CUDA_CHOOSE_ATTENTION_SPLIT_H_

#include <cstdint>
#include <span>

namespace switchyard::kernels::cuda {

inline constexpr int kMaxSharedBytes = 227 << 10;  // of a block on Hopper
inline constexpr int kMmaRows = 16;                // heads or queries of one product
inline constexpr int kAttentionThreads = 256;
inline constexpr int kAttentionWarps = kAttentionThreads / 32;

// Bytes of a row of `width` elements in a shared tile.
constexpr int TileRowBytes(int width) { return (width * 2 + 127) / 128 * 128; }

// --- Decode ---
// A split is the run of keys that one block walks. Each makes a softmax of its own; merging those
// costs, written and read, as much traffic as 455 keys with 128 heads, as 57 with 16.
inline constexpr int kDecodeSplitTokens = 512;
inline constexpr int kDecodeStepTokens = 64;   // keys of one turn of a block
inline constexpr int kDecodeColumns = 512;     // latent columns that a block sums
inline constexpr int kMaxDecodeHeadTiles = 4;  // kMmaRows heads each
inline constexpr int kDecodeStages = 2;        // turns on their way

// Places in a block's shared memory.
struct DecodeShared {
  int row_bytes;      // of queries and keys
  int keys_begin;     // queries lie at 0
  int weights_begin;  // bf16 [heads, kDecodeStepTokens]
  int stats_begin;    // f32 [2 * warps + 3, heads]
  int num_bytes;
};
constexpr DecodeShared DecodeSharedOf(int head_tiles, int width) {
  const int heads = head_tiles * kMmaRows;
  const int parts = head_tiles > 1 ? kAttentionWarps / 2 : kAttentionWarps;
  DecodeShared shared{};
  shared.row_bytes = TileRowBytes(width);
  shared.keys_begin = heads * shared.row_bytes;
  shared.weights_begin = shared.keys_begin + kDecodeStages * kDecodeStepTokens * shared.row_bytes;
  shared.stats_begin = shared.weights_begin + heads * kDecodeStepTokens * 2;
  shared.num_bytes = shared.stats_begin + (2 * parts + 3) * heads * 4;
  return shared;
}

// kMmaRows-head tiles of a block: 1, 2 or 4; 0 where entries of `width` elements are too wide for
// shared memory.
int ChooseDecodeHeadTiles(int64_t heads, int64_t width);

// Whether products of warpgroups do the work: their shapes are whole then.
constexpr bool DecodeTakesWgmma(int head_tiles, int64_t latent_dim) {
  return head_tiles == kMaxDecodeHeadTiles && latent_dim == kDecodeColumns;
}

inline constexpr int64_t kWholeSequence = INT32_MAX;  // as a window

// The first key that a row at `position` sees, where it sees `window` at most.
constexpr int64_t FirstDecodeKey(int32_t position, int64_t window) {
  return position < window ? 0 : position - window + 1;
}
constexpr int64_t NumDecodeSplits(int32_t position, int64_t window = kWholeSequence) {
  return position / kDecodeSplitTokens - FirstDecodeKey(position, window) / kDecodeSplitTokens + 1;
}
// At this or an earlier position.
constexpr int64_t MostDecodeSplits(int64_t position, int64_t window) {
  const int64_t of_window = (window + kDecodeSplitTokens - 2) / kDecodeSplitTokens + 1;
  const int64_t of_sequence = position / kDecodeSplitTokens + 1;
  return of_window < of_sequence ? of_window : of_sequence;
}

// Rows that go to the device together, because what they need there fits at once.
struct DecodeWave {
  int64_t begin, end;    // rows
  int64_t num_splits;    // of these rows
  int64_t num_partials;  // of those among them that have more than one
  int64_t num_merges;    // rows that have more than one
};
// Of a row.
struct DecodeRowWork {
  int64_t splits;
  int64_t staged_bytes;  // of its arrays: splits, merge, block table
};
// Of all rows of a wave.
struct WaveBounds {
  int64_t partials;
  int64_t staged_bytes;
};
// The wave that begins at row `begin` < rows.size(): at least one row, and further ones while all
// are within the bounds.
DecodeWave NextDecodeWave(std::span<const DecodeRowWork> rows, int64_t begin,
                          const WaveBounds& bounds);

// --- Prefill ---
inline constexpr int kPrefillQueries = kAttentionWarps * kMmaRows;  // of a block, of one head
inline constexpr int kPrefillStepTokens = 64;                       // keys of one turn of a block
inline constexpr int kPrefillStages = 2;                            // turns on their way
inline constexpr int kMaxPrefillColumns = 256;                      // value columns of a block

// Places in a block's shared memory. Queries lie at 0; a stage holds keys, then values.
struct PrefillShared {
  int key_row_bytes;  // of queries too
  int value_row_bytes;
  int stages_begin;
  int values_in_stage;
  int stage_bytes;
  int first_bad_begin;  // i32 [kMaxPrefillColumns]
  int num_bytes;
};
constexpr PrefillShared PrefillSharedOf(int key_width, int value_width) {
  PrefillShared shared{};
  shared.key_row_bytes = TileRowBytes(key_width);
  shared.value_row_bytes = TileRowBytes(value_width);
  shared.stages_begin = kPrefillQueries * shared.key_row_bytes;
  shared.values_in_stage = kPrefillStepTokens * shared.key_row_bytes;
  shared.stage_bytes = shared.values_in_stage + kPrefillStepTokens * shared.value_row_bytes;
  shared.first_bad_begin = shared.stages_begin + kPrefillStages * shared.stage_bytes;
  shared.num_bytes = shared.first_bad_begin + kMaxPrefillColumns * 4;
  return shared;
}

// Value columns that a block's registers hold: 128 or kMaxPrefillColumns; 0 where heads are too
// wide.
int ChoosePrefillColumns(int64_t key_width, int64_t value_width);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CHOOSE_ATTENTION_SPLIT_H_
