// The MoE exchange: every token's row travels to the ranks of its experts (dispatch), every
// expert's output row travels back to the token's owner (combine). Two ways do it with the same
// bits: CountedExchange sends what there is, FixedExchange places of a size that is known
// beforehand.
//
// Per MoE layer and micro-batch, on every rank of the world and in this order, also on a rank with
// no tokens:
//   BeginDispatch, Send, EndDispatch -> rows of x by local expert
//   (the caller runs RoutedMlp from batch.x into batch.y)
//   BeginCombine, EndCombine -> one row per (own token, slot), ready for kernels' CombineRows
// What is issued between two of these runs beside the travelling where the exchange overlaps ops.
//
// Symbols: T tokens of this rank's slice, k experts per token, L experts of this rank, H hidden
// size, C rows of a batch. act = Ops::activation_dtype(). Thread: one caller. Steps allocate
// nothing. Errors of all calls: those of Collectives. Ids that cannot be end the program.
#ifndef SWITCHYARD_WORKER_PARALLEL_EXPERT_EXCHANGE_H_
#define SWITCHYARD_WORKER_PARALLEL_EXPERT_EXCHANGE_H_

#include <cstdint>
#include <span>

#include "base/status.h"
#include "kernels/tensor_view.h"

namespace switchyard::worker {

// Valid until the next BeginDispatch. Rows: this rank's own tokens, not rounded, for a shared
// expert that computes with the others; then those of the local experts in their order. Behind
// them there may be rows that nothing has written.
struct ExpertBatch {
  kernels::TensorView x;      // act [C, H]
  kernels::TensorView y;      // act [C, H]; for the caller to fill
  kernels::TensorView spans;  // i32 [L + 1, 2]: of the local experts, then of the shared one
  int64_t likely_rows = 0;    // see kernels::RoutedMlpArgs
};

// Valid until the next BeginDispatch.
struct CombinedRows {
  kernels::TensorView rows;    // [*, H]
  kernels::TensorView row_of;  // i32 [T, k], of the rows: the output of the token's j-th expert
  kernels::TensorView shared;  // act [T, H]: the first T rows of batch.y; none where it overlaps
};

class ExpertExchange {
 public:
  virtual ~ExpertExchange() = default;

  // Whether rows travel beside ops: then the shared expert is such an op, and not the batch's.
  virtual bool overlaps() const = 0;

  // ids: i32 [T, k], experts of each token, ascending; x: act [T, H]; both stay as they are until
  // EndDispatch. T may be 0. `slots`: T cache slots, of which kNoSlot means a row that is no token;
  // empty: all are.
  virtual absl::Status BeginDispatch(const kernels::TensorView& ids, const kernels::TensorView& x,
                                     std::span<const int64_t> slots) = 0;
  // May wait for numbers that the host needs.
  virtual absl::Status Send() = 0;
  virtual absl::Status EndDispatch(ExpertBatch* batch) = 0;

  // Hands batch.y back.
  virtual absl::Status BeginCombine() = 0;
  virtual absl::Status EndCombine(CombinedRows* combined) = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_EXPERT_EXCHANGE_H_
