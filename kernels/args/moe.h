// Routing tokens to experts and bringing their outputs together (MODEL_SPECS 1.4).
//
// Symbols: T tokens, E routed experts, k experts per token, H hidden size. act =
// Ops::activation_dtype(). Of routing among ranks: W ranks with S places for tokens each, N = W *
// S; L experts of this rank, R the most slots of a token that meet experts of one rank. A token's
// slots are its experts in ascending order.
#ifndef SWITCHYARD_KERNELS_ARGS_MOE_H_
#define SWITCHYARD_KERNELS_ARGS_MOE_H_

#include <cstdint>
#include <span>

#include "kernels/args/padding.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// Bounds of E, k and num_groups.
inline constexpr int64_t kMaxExperts = 1024;
inline constexpr int64_t kMaxExpertsPerToken = 64;
inline constexpr int64_t kMaxExpertGroups = 64;

// The `noaux_tc` gate: sigmoid scores, bias for selection only, a group's score the sum of its two
// largest, group mask by -inf, ties to the lower id. With `softmax` scores are a softmax over all
// experts, there is no bias, and a group's score is its largest (MODEL_SPECS 2, 6 and 7).
struct GateArgs {
  TensorView logits;  // f32 [T, E]
  TensorView bias;    // f32 [E]; empty with softmax
  bool softmax = false;
  int64_t num_groups = 1;
  int64_t top_groups = 1;
  bool normalize = true;
  float scale = 1;     // routed_scaling_factor
  TensorView ids;      // i32 [T, k], ascending: the slot order of the combine
  TensorView weights;  // f32 [T, k]
};

// y[t] = base[t] + sum over slots j, in order, of weights[t, j] * rows[row_of[t, j]]; FP32 sums,
// begun with slot 0, base added last. A token whose row_of is -1 in slot 0 has no rows: y[t] is
// base[t], or zeros.
struct CombineRowsArgs {
  TensorView rows;     // f32 or bf16 [M, H]
  TensorView row_of;   // i32 [T, k]
  TensorView weights;  // f32 [T, k]
  TensorView base;     // act [T, H]: the shared expert's output; may be empty, or y itself
  TensorView y;        // act [T, H]
};

// A rank's tokens as all ranks get to see them: in its first T places, in order; the ids of the
// other places are -1, and their rows keep what they hold. Tokens whose cache slot is kNoSlot have
// ids -1, too.
struct PlaceTokensArgs {
  TensorView x;                    // act [T, H]
  TensorView ids;                  // i32 [T, k]
  TensorView places_x;             // act [S, H]
  TensorView places_ids;           // i32 [S, k]
  std::span<const int64_t> slots;  // T; empty: all are tokens
};

// Which experts of this rank compute which tokens, as rows of a batch: first this rank's own T
// tokens, for the shared expert, then those of each local expert in order of the places. And where
// each output goes: every rank hands S * R rows back to every rank, of which row s * R + i is the
// output for the i-th slot, of those that meet its experts, of the token in place s. One rank
// alone keeps its outputs where they are.
//
// An id that is no expert, or ids that do not ascend, end the program.
struct RouteTokensArgs {
  TensorView ids;             // i32 [N, k], by rank; -1 in all slots of a place without a token
  TensorView rank_of_expert;  // i32 [E]
  TensorView local_index_of_expert;  // i32 [E], among the experts of its rank
  int64_t rank = 0;
  int64_t num_ranks = 1;   // W
  int64_t own_tokens = 0;  // T, at most S; S where W is 1
  // T, only where W is 1: ids of a token whose cache slot is kNoSlot count as -1. Empty: there are
  // none.
  std::span<const int64_t> slots;
  int64_t returned_slots = 0;  // R
  TensorView spans;            // i32 [L + 1, 2]: first row and number of each expert's rows, and
                               // of the shared expert's; see RoutedMlpArgs
  TensorView places;       // i32 [C]: where each row of the batch comes from; -1 behind the last.
                           // C is at least T + N * min(k, L)
  TensorView returned;     // i32 [N * R]: the row that is handed back there, or -1; empty where
                           // W is 1
  TensorView row_of;       // i32 [T, k]: row of what was handed back; of the batch where W is 1; -1
                           // where the place has no token
  TensorView expert_rows;  // i32 [L]: each expert's rows are added
};

// The rows that a rank sends to the ranks of its tokens' experts: one for each rank that a token
// has experts on, by rank, then token. With each go the local indices of those experts. What the
// experts put out comes back for each slot: by rank, then token, then slot.
//
// An id that is no expert, or ids that do not ascend, end the program.
struct DispatchTokensArgs {
  TensorView ids;                    // i32 [T, k]
  TensorView rank_of_expert;         // i32 [E]
  TensorView local_index_of_expert;  // i32 [E], among the experts of its rank
  TensorView counts;                 // i32 [W, 2]: rows for each rank, and slots
  TensorView tokens;   // i32 [C]: of each row; -1 behind the last. C is at least T * min(k, W)
  TensorView experts;  // i32 [C, R]: of each row, ascending, then -1; untouched behind the last
  TensorView row_of;   // i32 [T, k]: which of the outputs that come back is the slot's
};

// What a rank does with N such rows: a batch of rows, first T of its own tokens for the shared
// expert, then those of each local expert in order of what was received. Outputs go back in order
// of what was received, then of its experts.
//
// Indices that are no local expert or do not ascend, and an M that they do not add up to, end the
// program.
struct ReceiveTokensArgs {
  TensorView experts;      // i32 [N, R], as sent
  int64_t own_tokens = 0;  // T
  TensorView spans;        // i32 [L + 1, 2]: see RouteTokensArgs
  TensorView sources;      // i32 [M]: the received row of each row of the batch behind the first T
  TensorView returned;     // i32 [M]: which of those rows is each output that goes back
  TensorView expert_rows;  // i32 [L]: each expert's rows are added
};

// y[i] = x[rows[i]]; where rows[i] is -1, y[i] keeps what it holds. A row that x does not have ends
// the program.
struct SelectRowsArgs {
  TensorView x;     // any type [T, H]
  TensorView rows;  // i32 [M]
  TensorView y;     // the type of x [M, H]
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_MOE_H_
