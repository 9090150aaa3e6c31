// The MoE exchange of steps whose sizes are known beforehand: what ExpertExchange does, with
// the same bits, and without a number that the host must wait for. Which rows travel and which
// experts compute them stays on the device.
//
// Why it is there: on a GPU a host that waits for counts lets the device run dry in every layer,
// and a step with such a wait cannot be captured as a CUDA graph.
//
// How: every rank shows all its tokens with their experts' ids to all ranks, in S places each, then
// every rank takes the rows of its own experts (Ops::RouteTokens), and hands R output rows for each
// place back to every rank. S is at least the tokens of any rank's slice, R the most slots of a
// token that one rank can have. So W * S * R rows travel where about S * k would do: this pays for
// small steps only, and longer ones go through ExpertExchange. A rank that is alone shows and hands
// back nothing; then every step goes this way.
//
// All ranks must choose alike. They do, because the choice is a function of the step plan, which
// all have (MostSliceTokens), of the shard plan, and of the constants here.
//
// Rows travel as they are: only where activations have the wire's type. Symbols as in
// kernels/args/moe.h. Owner: the executor. Thread: one caller. Create allocates; a step does not.
#ifndef SWITCHYARD_WORKER_PARALLEL_FIXED_EXCHANGE_H_
#define SWITCHYARD_WORKER_PARALLEL_FIXED_EXCHANGE_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "base/units.h"
#include "kernels/ops.h"
#include "proto/step.pb.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

struct FixedExchangeOptions {
  int64_t hidden_size = 0;        // H
  int64_t experts_per_token = 0;  // k
  // Tokens of a rank's slice, at most, of a step that may go this way; the same on all ranks. For
  // a rank that is alone: of any step.
  int64_t max_slice_tokens = 0;
};

// Valid until the next BeginDispatch. Rows: this rank's own tokens, for the shared expert, then
// those of the local experts; behind them, rows that nothing has written.
struct FixedBatch {
  kernels::TensorView x;      // act [C, H]
  kernels::TensorView y;      // act [C, H]; for the caller to fill
  kernels::TensorView spans;  // i32 [L + 1, 2]: of the local experts, then of the shared one
  int64_t likely_rows = 0;    // see kernels::RoutedMlpArgs
};

// Valid until the next BeginDispatch.
struct FixedRows {
  kernels::TensorView rows;    // act [*, H]
  kernels::TensorView row_of;  // i32 [T, k], of the rows
};

// The most tokens that any rank's slice can have in the step: a sequence that goes on with what is
// sampled has as many as the plan lets it draft, and one more.
int64_t MostSliceTokens(const v1::StepPlan& plan, const ParallelContext& context);
// The same where all groups pad their rows (PaddedRows).
int64_t PaddedSliceTokens(const v1::StepPlan& plan, const ParallelContext& context);

class FixedExchange {
 public:
  // Bound of what a rank hands back to all others together: about what NVLink carries while a host
  // that waits, and the device that waits for it, lose as much. Not measured on a GPU.
  static constexpr int64_t kMostReturnedBytes = 16 * kMiB;

  // `context`, `ops` and `world` outlive it. INVALID_ARGUMENT for sizes that are not positive, lead
  // to 2^31 rows, or more experts per token than there are.
  static absl::StatusOr<std::unique_ptr<FixedExchange>> Create(const ParallelContext& context,
                                                               const FixedExchangeOptions& options,
                                                               kernels::Ops& ops,
                                                               Collectives& world);

  // Before a step's first layer, on all ranks: no slice has more tokens than this
  // (MostSliceTokens), nor has any pass of drafts behind it. Where there is room for `padded`
  // tokens, slices may have as many.
  void BeginStep(int64_t most_slice_tokens, int64_t padded = 0) {
    step_places_ = padded <= max_places_ ? std::max(padded, most_slice_tokens) : most_slice_tokens;
    has_expert_rows_ = has_expert_rows_ || TakesStep();  // a replayed step issues no ops
  }
  // Whether the layers of this step are to go this way. Of several ranks, none does before the
  // first BeginStep.
  bool TakesStep() const;

  // Device memory that Create took.
  int64_t num_bytes() const;

  // What sizes of this step depend on: the tokens that a slice may have; 0 for a rank alone.
  int64_t step_places() const { return alone() ? 0 : step_places_; }

  // Whether rows travel beside ops that are issued between BeginDispatch and EndDispatch, such as
  // the shared expert's.
  bool overlaps() const { return world_.overlaps(); }

  // ids: i32 [T, k], experts of each token, ascending; x: act [T, H]; both stay as they are until
  // EndDispatch. T may be 0. `slots`: T cache slots, of which kNoSlot means a row that is no token;
  // empty: all are. REQUIRES: TakesStep(). Errors: those of Collectives. Ids that cannot be end the
  // program.
  absl::Status BeginDispatch(const kernels::TensorView& ids, const kernels::TensorView& x,
                             std::span<const int64_t> slots = {});

  // Of the same tokens.
  void EndDispatch(FixedBatch* batch);

  // Hands batch.y back.
  absl::Status Combine(FixedRows* rows);

  // After a step, whichever way its layers went: waits for the device, and adds the rows that each
  // local expert computed since the last call. Errors: those of Collectives, for this is where a
  // step that was aborted under way comes to light.
  absl::Status TakeExpertRows(std::span<uint32_t> expert_rows);

 private:
  FixedExchange(const ParallelContext& context, const FixedExchangeOptions& options,
                kernels::Ops& ops, Collectives& world);

  bool alone() const { return world_.size() == 1; }
  int64_t num_tokens() const { return x_.rows(); }
  int64_t NumPlaces() const { return alone() ? num_tokens() : step_places_; }
  int64_t MaxRows(int64_t tokens, int64_t places) const;
  kernels::TensorView PlacesX(int64_t places) const;
  kernels::TensorView PlacesIds(int64_t places) const;
  absl::Status ShowTokens(const kernels::TensorView& ids, const kernels::TensorView& x);

  const ParallelContext& context_;
  const FixedExchangeOptions options_;
  kernels::Ops& ops_;
  Collectives& world_;
  const kernels::DType act_;
  const int64_t num_local_;       // L
  const int64_t returned_slots_;  // R
  const int64_t max_places_;      // S, at most
  const int64_t place_bytes_;     // a row and its ids

  const kernels::Buffer rank_of_expert_, local_index_of_expert_;  // i32 [E]
  const kernels::Buffer places_;       // [W * S] of place_bytes_: every rank's tokens
  const kernels::Buffer input_;        // FixedBatch::x
  const kernels::Buffer output_;       // FixedBatch::y
  const kernels::Buffer spans_;        // FixedBatch::spans
  const kernels::Buffer sources_;      // i32 [C]: the place of each row of the batch
  const kernels::Buffer returned_;     // i32 [W * S * R]: the batch row that goes back there
  const kernels::Buffer sent_;         // act [W * S * R, H]
  const kernels::Buffer received_;     // the same, as other ranks sent it
  const kernels::Buffer row_of_;       // i32 [T, k]
  const kernels::Buffer expert_rows_;  // i32 [L], since the last TakeExpertRows

  int64_t step_places_ = -1;     // S of the step; -1: none has begun
  kernels::TensorView ids_, x_;  // of the layer in progress
  std::span<const int64_t> slots_;
  bool has_expert_rows_ = false;  // the device may have counted some
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_FIXED_EXCHANGE_H_
