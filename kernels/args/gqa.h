// Grouped-query attention over a paged cache of keys and values (MODEL_SPECS 5 to 8b).
//
// Symbols: T tokens of the step, A query heads of this rank, H key-value heads, A = G H: query head
// a sees the keys of head a / G; D elements of a head, B tokens of a cache block. A cache slot is
// block * B + offset. act = Ops::activation_dtype(). The cache is bf16 or f32 [blocks, H, 2 B, D]:
// of each block and head its B keys, rotated, then its B values, so that what a head reads lies
// together.
//
// A query at position p sees the keys at positions u <= p; with a window also u > p - window.
// Blocks that lie wholly before that are not read, nor are their places in the table. A sink is a
// score beside those of the keys, not scaled, that takes a share of the softmax and has no value.
//
// Exactness: an output row depends on its query, on the keys and values that it sees, and on its
// position alone: keys are walked in runs that start at fixed positions, whatever the batch, the
// chunk or the block table. Queries, keys, values and weights are rounded to BF16 before they are
// multiplied where the cache is bf16.
#ifndef SWITCHYARD_KERNELS_ARGS_GQA_H_
#define SWITCHYARD_KERNELS_ARGS_GQA_H_

#include <cstdint>
#include <span>

#include "kernels/args/padding.h"
#include "kernels/args/rotation.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// Keys and values of token t go to slots[t], rounded to the cache's type; nowhere where that is
// kNoSlot.
struct GqaWriteArgs {
  TensorView k;                    // act [T, H, D], rotated, or to be rotated by `rotation`
  TensorView v;                    // act [T, H, D]
  std::span<const int64_t> slots;  // T
  TensorView cache;                // bf16 or f32 [blocks, H, 2 B, D]
  KeyRotation rotation;            // may be empty
};

// Queries of one sequence at consecutive positions, whose keys are in the cache, their own too.
struct GqaPrefillArgs {
  TensorView q;                        // act [T, A, D], rotated
  std::span<const int32_t> positions;  // T, ascending by one
  TensorView cache;                    // bf16 or f32 [blocks, H, 2 B, D]
  std::span<const int32_t> table;      // blocks of the sequence, in order
  float scale = 0;                     // softmax scale
  int64_t window = 0;                  // 0: all keys
  TensorView sinks;                    // f32 [A]; may be null
  TensorView out;                      // act [T, A, D]
};

// One query for each of T sequences. A row whose table is null has no keys, whatever its position:
// its output is zeros.
struct GqaDecodeArgs {
  TensorView q;                            // act [T, A, D], rotated
  std::span<const int32_t> positions;      // T
  TensorView cache;                        // bf16 or f32 [blocks, H, 2 B, D]
  std::span<const int32_t* const> tables;  // T: blocks of the row's sequence
  float scale = 0;                         // softmax scale
  int64_t window = 0;                      // 0: all keys
  TensorView sinks;                        // f32 [A]; may be null
  TensorView out;                          // act [T, A, D]
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_GQA_H_
