// The exchange of steps whose sizes are known beforehand: what CountedExchange does, with the same
// bits, and without a number that the host must wait for.
//
// Why it is there: on a GPU a host that waits for counts lets the device run dry in every layer,
// and a step with such a wait cannot be captured as a CUDA graph.
//
// How: every rank shows all its tokens with their experts' ids to all ranks, in S places each, then
// every rank takes the rows of its own experts (Ops::RouteTokens), and hands R output rows for each
// place back to every rank. S is at least the tokens of any rank's slice, R the most slots of a
// token that one rank can have. So W * S * R rows travel where about S * k would do: this pays for
// small steps only, and longer ones go through CountedExchange. A rank that is alone shows and
// hands back nothing; then every step goes this way.
//
// Rows travel as they are: only where activations have the wire's type. Symbols as in
// kernels/args/moe.h. Owner: the ExchangeSet.
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
#include "worker/parallel/collectives.h"
#include "worker/parallel/expert_exchange.h"
#include "worker/parallel/expert_tables.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

struct FixedExchangeOptions {
  int64_t hidden_size = 0;        // H
  int64_t experts_per_token = 0;  // k
  // Tokens of a rank's slice, at most, of a step that may go this way; the same on all ranks. For
  // a rank that is alone: of any step.
  int64_t max_slice_tokens = 0;
};

class FixedExchange final : public ExpertExchange {
 public:
  // Bound of what a rank hands back to all others together: about what NVLink carries while a host
  // that waits, and the device that waits for it, lose as much. Not measured on a GPU.
  static constexpr int64_t kMostReturnedBytes = 16 * kMiB;

  // All outlive it. INVALID_ARGUMENT for sizes that are not positive, lead
  // to 2^31 rows, or more experts per token than there are.
  static absl::StatusOr<std::unique_ptr<FixedExchange>> Create(const ParallelContext& context,
                                                               const FixedExchangeOptions& options,
                                                               const ExpertTables& tables,
                                                               kernels::Ops& ops,
                                                               Collectives& world);

  // Before a step's first layer, on all ranks: no slice has more tokens than this
  // (MostSliceTokens), nor has any pass of drafts behind it. Where there is room for `padded`
  // tokens, slices may have as many.
  void BeginStep(int64_t most_slice_tokens, int64_t padded = 0) {
    step_places_ = padded <= max_places_ ? std::max(padded, most_slice_tokens) : most_slice_tokens;
  }
  // Whether the layers of this step are to go this way. Of several ranks, none does before the
  // first BeginStep.
  bool TakesStep() const;

  // Device memory that Create took.
  int64_t num_bytes() const;

  // What sizes of this step depend on: the tokens that a slice may have; 0 for a rank alone.
  int64_t step_places() const { return alone() ? 0 : step_places_; }

  // REQUIRES of all of these: TakesStep().
  bool overlaps() const override { return world_.overlaps(); }
  absl::Status BeginDispatch(const kernels::TensorView& ids, const kernels::TensorView& x,
                             std::span<const int64_t> slots) override;
  absl::Status Send() override { return absl::OkStatus(); }  // rows are on their way
  absl::Status EndDispatch(ExpertBatch* batch) override;
  absl::Status BeginCombine() override;
  absl::Status EndCombine(CombinedRows* combined) override;

 private:
  FixedExchange(const ParallelContext& context, const FixedExchangeOptions& options,
                const ExpertTables& tables, kernels::Ops& ops, Collectives& world);

  bool alone() const { return world_.size() == 1; }
  int64_t num_tokens() const { return x_.rows(); }
  int64_t NumPlaces() const { return alone() ? num_tokens() : step_places_; }
  int64_t MaxRows(int64_t tokens, int64_t places) const;
  kernels::TensorView PlacesX(int64_t places) const;
  kernels::TensorView PlacesIds(int64_t places) const;
  absl::Status ShowTokens(const kernels::TensorView& ids, const kernels::TensorView& x);

  const ParallelContext& context_;
  const FixedExchangeOptions options_;
  const ExpertTables& tables_;
  kernels::Ops& ops_;
  Collectives& world_;
  const kernels::DType act_;
  const int64_t num_local_;       // L
  const int64_t returned_slots_;  // R
  const int64_t max_places_;      // S, at most
  const int64_t place_bytes_;     // a row and its ids

  const kernels::Buffer places_;    // [W * S] of place_bytes_: every rank's tokens
  const kernels::Buffer input_;     // ExpertBatch::x
  const kernels::Buffer output_;    // ExpertBatch::y
  const kernels::Buffer spans_;     // ExpertBatch::spans
  const kernels::Buffer sources_;   // i32 [C]: the place of each row of the batch
  const kernels::Buffer returned_;  // i32 [W * S * R]: the batch row that goes back there
  const kernels::Buffer sent_;      // act [W * S * R, H]
  const kernels::Buffer received_;  // the same, as other ranks sent it
  const kernels::Buffer row_of_;    // i32 [T, k]

  int64_t step_places_ = -1;     // S of the step; -1: none has begun
  kernels::TensorView ids_, x_;  // of the layer in progress
  std::span<const int64_t> slots_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_FIXED_EXCHANGE_H_
