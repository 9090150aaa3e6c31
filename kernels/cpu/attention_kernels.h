// The inner loops of attention, one table per instruction set: one head's share of a prefill tile,
// one head group's share of a decode run. The ops (attention_prefill.cc, gqa_prefill.cc,
// attention_decode.cc) cut the work and give each task its own working memory.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_KERNELS_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_KERNELS_H_

#include <cstdint>

#include "kernels/args/attention.h"
#include "kernels/cpu/cpu_context.h"
#include "kernels/dtype.h"

namespace switchyard::kernels::cpu {

// Prefill walks a tile in blocks of this many keys, which begin at its multiples: the softmax is
// rescaled once per block.
inline constexpr int64_t kPrefillBlockTokens = 64;
static_assert(kPrefillTileTokens % kPrefillBlockTokens == 0);

// Decode walks a sequence in runs of this many keys, which begin at its multiples: each is a
// softmax by itself.
inline constexpr int64_t kDecodeRunTokens = 256;

// Heads that share one reading of the latents.
inline constexpr int64_t kMaxDecodeHeads = 16;

// No instruction set has longer vectors, or holds more query rows or columns in its registers at
// once.
inline constexpr int64_t kMaxLanes = 16;
inline constexpr int64_t kMaxTileRows = 6;
inline constexpr int64_t kMaxTileColumns = 64;

// The widths of a head.
struct HeadDims {
  int64_t nope = 0;
  int64_t rope = 0;
  int64_t value = 0;
};

// Keys and values of one head as rows. Pointers are at the first of them; strides are elements from
// row to row.
struct HeadRows {
  const float* kv = nullptr;
  int64_t kv_stride = 0;
  const float* k_pe = nullptr;
  int64_t k_pe_stride = 0;
};

// Query rows of one head against keys from tile_begin on: rows of one tile, or tiles that are laid
// out. Pointers are at row 0 of this head; strides are elements from row to row.
struct PrefillTask {
  HeadDims dims;
  const float* q = nullptr;
  int64_t q_stride = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;  // of row 0; each row is one further
  HeadRows rows;
  void* const* tiles = nullptr;  // null: rows
  int64_t head_offset = 0;       // of this head in each tile, in floats
  int64_t num_keys = 0;
  int64_t tile_begin = 0;
  float scale = 0;
  float* state = nullptr;  // set up
  int64_t state_stride = 0;
  float* out = nullptr;  // null: not the last tile
  int64_t out_stride = 0;
  float* work = nullptr;  // PrefillWorkSize() floats, aligned to 64 bytes
};

constexpr int64_t RoundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

// Of one head in a tile, laid out with units of `depth` elements. The same for all instruction
// sets: the coordinator counts it, too (coordinator/core/plan/model_memory.cc).
constexpr int64_t HeadTileFloats(const HeadDims& dims, int64_t depth) {
  return kPrefillTileTokens * ((dims.nope + dims.rope + depth - 1) / depth) +
         kPrefillTileTokens / depth * RoundUp(dims.value, kMaxTileColumns);
}

// How many BF16 a unit of a tile has.
inline constexpr int64_t kTileDepthBf16 = 2;

// Keys and values of one head, to be laid out as a tile has them.
struct LayOutTask {
  HeadDims dims;
  HeadRows rows;
  int64_t begin = 0;      // of the tile's keys, those that are laid out
  int64_t count = 0;      // and how many
  float* tile = nullptr;  // this head's part of it
  float* work = nullptr;  // PrefillWorkSize() floats, aligned to 64 bytes
};

constexpr int64_t PrefillWorkSize(const HeadDims& dims) {
  const int64_t key = RoundUp(dims.nope + dims.rope, kMaxTileColumns);
  const int64_t value = RoundUp(dims.value, kMaxTileColumns);
  const int64_t packed = kPrefillTileTokens * (key + value);
  const int64_t rows = kMaxTileRows * (key + value + 2 * kPrefillBlockTokens);
  return packed + rows + (kMaxLanes + 1) * key;
}

// Query rows of the heads that share one key-value head against one tile of its keys. Pointers are
// at row 0 of the first of these heads, heads are dim elements apart; strides are elements from row
// to row.
struct GqaPrefillTask {
  int64_t dim = 0;
  int64_t num_heads = 0;
  const float* q = nullptr;
  int64_t q_stride = 0;
  int64_t num_rows = 0;
  int64_t first_position = 0;         // of row 0; each row is one further
  const void* const* keys = nullptr;  // by position in the tile
  const void* const* values = nullptr;
  int64_t first_key = 0;  // positions before this one, and from num_keys on, are not read
  int64_t num_keys = 0;
  int64_t tile_begin = 0;
  int64_t window = 0;  // a row sees so many keys at most
  float scale = 0;
  float* out = nullptr;  // sums, divided in the last tile
  int64_t out_stride = 0;
  float* stats = nullptr;  // [num_rows, num_heads, 2]: running maximum and sum
  bool last = false;
  float* work = nullptr;  // GqaPrefillWorkSize() floats, aligned to 64 bytes
};

constexpr int64_t GqaPrefillWorkSize(int64_t dim) {
  return PrefillWorkSize({.nope = dim, .value = dim});
}

// Some heads of one query against one run of keys: out = sum of exp(score - max) * value,
// unnormalised. A query lies in two parts, a value is the first latent_dim elements of its entry.
struct DecodeTask {
  int64_t latent_dim = 0;
  int64_t rope_dim = 0;
  int64_t num_heads = 0;  // at most kMaxDecodeHeads
  const float* qa = nullptr;
  int64_t qa_stride = 0;  // elements from head to head
  const float* q_pe = nullptr;
  int64_t q_pe_stride = 0;
  const void* const* keys = nullptr;    // num_keys cache entries of the run
  const void* const* values = nullptr;  // and those of their values; may be the same
  int64_t num_keys = 0;                 // 1 to kDecodeRunTokens
  float scale = 0;
  float* sums = nullptr;  // [num_heads, latent_dim], rows sums_stride apart
  int64_t sums_stride = 0;
  float* max = nullptr;    // num_heads
  float* total = nullptr;  // num_heads: sum of exp(score - max)
  float* work = nullptr;   // DecodeWorkSize() floats, aligned to 64 bytes
};

constexpr int64_t DecodeWorkSize(int64_t latent_dim, int64_t rope_dim) {
  return (kMaxDecodeHeads + 1) * RoundUp(latent_dim + rope_dim, 2 * kMaxLanes) +
         2 * kMaxDecodeHeads * kDecodeRunTokens;
}

// A softmax over some keys of one head and query, not yet normalised.
struct PartialSoftmax {
  float* sums;
  float max;
  float total;
};

struct AttentionKernels {
  void (*prefill_f32)(const PrefillTask& task);
  void (*prefill_bf16)(const PrefillTask& task);
  void (*lay_out_f32)(const LayOutTask& task);
  void (*lay_out_bf16)(const LayOutTask& task);
  void (*gqa_prefill_f32)(const GqaPrefillTask& task);   // f32 cache
  void (*gqa_prefill_bf16)(const GqaPrefillTask& task);  // bf16 cache
  void (*decode_f32)(const DecodeTask& task);            // f32 cache
  void (*decode_bf16)(const DecodeTask& task);           // bf16 cache
  // Adds the softmax over later keys to `into`; both have n sums.
  void (*merge)(PartialSoftmax& into, const PartialSoftmax& later, int64_t n);
  // x /= total
  void (*normalize)(float* x, float total, int64_t n);
};

const AttentionKernels& AttentionKernelsOf(Isa isa);

extern const AttentionKernels kAttentionKernelsPortable;
extern const AttentionKernels kAttentionKernelsAvx2;        // x86-64 alone
extern const AttentionKernels kAttentionKernelsAvx512;      // x86-64 alone
extern const AttentionKernels kAttentionKernelsAvx512Bf16;  // x86-64 alone

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_KERNELS_H_
