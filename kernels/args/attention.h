// Multi-head latent attention over a paged latent cache (MODEL_SPECS 1.5).
//
// Symbols: T tokens of the step, A heads of this rank, R latent rank, D rope dimensions, P nope
// dimensions, W value dimensions, B tokens of a cache block. A cache slot is block * B + offset.
// act = Ops::activation_dtype(). Exactness: an output row depends on its token's query and on cache
// entries 0 .. position alone: keys are walked in runs that start at fixed positions (multiples of
// a constant), whatever the batch, the chunk or the block table.
#ifndef SWITCHYARD_KERNELS_ARGS_ATTENTION_H_
#define SWITCHYARD_KERNELS_ARGS_ATTENTION_H_

#include <cstdint>
#include <span>

#include "kernels/args/padding.h"
#include "kernels/args/rotation.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// cache[slots[t]] = (c[t], k_pe[t]), rounded to the cache's type; nothing where that is kNoSlot.
struct LatentWriteArgs {
  TensorView c;                    // act [T, R]
  TensorView k_pe;                 // act [T, D], rotated, or to be rotated by `rotation`
  std::span<const int64_t> slots;  // T
  TensorView cache;                // bf16 or f32 [blocks, B, R + D]
  KeyRotation rotation;            // of all D elements; may be empty
};

// Reads positions [begin, begin + count) of one sequence.
struct LatentGatherArgs {
  TensorView cache;                // bf16 or f32 [blocks, B, R + D]
  std::span<const int32_t> table;  // blocks of the sequence, in order
  int64_t begin = 0;
  int64_t count = 0;
  TensorView c;     // act [count, R]
  TensorView k_pe;  // act [count, D]
};

// Keys are walked in tiles of so many, which begin at multiples of it; all but the last are full.
inline constexpr int64_t kPrefillTileTokens = 256;

// One tile of keys and values as the backend's products read them (Ops::KeyTileBytes).
struct KeyTileShape {
  int64_t heads = 0;
  int64_t key_dim = 0;    // P + D
  int64_t value_dim = 0;  // W
  bool bf16 = false;      // as in PrefillAttentionArgs
};

// Puts keys and values of `count` positions into a tile, behind those that are there already.
struct LayOutKeysArgs {
  TensorView kv;          // act [count, A, P + W]: keys without rope, then values, of each head
  TensorView k_pe;        // act [count, D]
  int64_t value_dim = 0;  // W
  int64_t begin = 0;      // where in the tile the first of them goes
  void* tile = nullptr;   // KeyTileBytes() of the device's memory, aligned to 64
  bool bf16 = false;      // as in PrefillAttentionArgs
};

// Naive form: keys and values of one sequence for some of its queries, as the rows of one tile or
// as tiles that were laid out; the bits are the same. Calls walk the keys in order of position;
// `state` carries the online softmax from call to call, the last one writes `out`. Causal: query t
// sees keys at positions <= positions[t].
struct PrefillAttentionArgs {
  TensorView q;                        // act [T, A, P + D]; the last D rotated
  std::span<const int32_t> positions;  // T, ascending by one
  TensorView
      kv;  // act [count, A, P + W]: keys without rope, then values, of each head; null: tiles
  TensorView k_pe;               // act [count, D]; null: tiles
  std::span<void* const> tiles;  // from position 0 on, laid out with the same `bf16`; or empty
  int64_t num_keys = 0;          // in `tiles`
  int64_t tile_begin = 0;        // position of kv[0]
  float scale = 0;               // softmax scale
  TensorView state;   // f32 [T, A, W + 2]: weighted values, running maximum, running sum; set up by
                      // the first tile
  bool last = false;  // these keys reach the last query's position
  TensorView out;     // act [T, A, W]; written when last
  bool bf16 =
      false;  // round queries, keys, values and probabilities to BF16 before they are multiplied
};

// Absorbed form: one query token per row, each of its own sequence. A row whose table is null has
// no keys, whatever its position: its output is zeros.
struct DecodeAttentionArgs {
  TensorView qa;                       // act [T, A, R]: queries times the key expansion
  TensorView q_pe;                     // act [T, A, D], rotated; row stride and head_stride free
  int64_t q_pe_head_stride = 0;        // elements from head to head; 0: D
  std::span<const int32_t> positions;  // T: each sees keys 0 .. position
  TensorView cache;                    // bf16 or f32 [blocks, B, R + D]
  std::span<const int32_t* const> tables;  // T: blocks of the row's sequence
  float scale = 0;
  TensorView out;  // act [T, A, R]: latents weighted by the softmax
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_ATTENTION_H_
