// The MoE exchange: every token's row travels to the ranks of its experts (dispatch), every
// expert's output row travels back to the token's owner (combine). Defines order, rounding and
// padding; faster paths must agree with it bit for bit.
//
// Per MoE layer, on every rank of the world and in this order, also on a rank with no tokens:
//   BeginDispatch, EndDispatch -> rows of x grouped by local expert
//   (the caller runs GroupedMlp from batch.x into batch.y)
//   Combine -> one row per (own token, slot), ready for kernels' CombineRows
//
// A token whose experts share a rank travels to it once, with the list of its experts there. Rows
// are rounded to the wire type on every way, also when they stay on this rank: what an expert
// computes from, and what is summed, does not depend on the layout (ARCHITECTURE 1.5).
//
// Symbols: T tokens of this rank's slice, S the most tokens of any rank's slice, k experts per
// token, L experts of this rank, H hidden size, M rows that this rank's experts compute in this
// call. act = Ops::activation_dtype(). Owner: the worker's MoE layer. Thread: one caller. All
// buffers are allocated by Create, sized for the worst case (all tokens of all ranks to this rank);
// a step allocates nothing.
#ifndef SWITCHYARD_WORKER_PARALLEL_EXPERT_EXCHANGE_H_
#define SWITCHYARD_WORKER_PARALLEL_EXPERT_EXCHANGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "kernels/ops.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

struct ExpertExchangeOptions {
  int64_t hidden_size = 0;        // H
  int64_t experts_per_token = 0;  // k
  int64_t max_slice_tokens =
      0;  // S, the same on all ranks: ParallelContext::MaxTokenSlice(limits.max_batched_tokens)
  // Types that rows travel in. BF16 loses nothing on the way to experts that multiply in BF16.
  kernels::DType dispatch_wire = kernels::DType::kBf16;  // kBf16 or kF32
  kernels::DType combine_wire = kernels::DType::kBf16;   // kBf16 or kF32
};

// Valid until the next BeginDispatch.
struct ExpertBatch {
  // Rows of the local experts, in order of the experts, then T rows for the shared expert.
  kernels::TensorView x;  // act [M + T, H]; the last T rows are this rank's own slice, not rounded
  kernels::TensorView y;  // act [M + T, H]; for the caller to fill; Combine reads the first M rows
  // Expert i of ParallelContext::local_experts() has rows [offsets[i], offsets[i + 1]), the shared
  // expert [offsets[L], offsets[L + 1]).
  std::span<const int32_t> offsets;  // L + 2
  int64_t num_routed_rows = 0;       // M = offsets[L]
};

// Valid until the next BeginDispatch.
struct CombinedRows {
  kernels::TensorView rows;    // combine_wire [T * k, H]
  kernels::TensorView row_of;  // i32 [T, k]: row_of[t, j] is the output of the token's j-th expert
};

class ExpertExchange {
 public:
  // `context`, `ops` and `world` outlive it; `world` spans all ranks of `context` and works in the
  // memory of ops' device. INVALID_ARGUMENT for sizes that are not positive or lead to 2^31
  // rows, more experts per token than experts, or a wire type that is not allowed or wider than
  // act.
  static absl::StatusOr<std::unique_ptr<ExpertExchange>> Create(
      const ParallelContext& context, const ExpertExchangeOptions& options, kernels::Ops& ops,
      Collectives& world);

  // Device memory that Create takes.
  static int64_t NumBytes(const ParallelContext& context, const ExpertExchangeOptions& options,
                          kernels::DType activation_dtype);

  // Whether rows travel beside ops that are issued between BeginDispatch and EndDispatch, such as
  // the shared expert's.
  bool overlaps() const { return world_.overlaps(); }

  // ids: i32 [T, k], experts of each token, ascending; x: act [T, H], which stays as it is until
  // EndDispatch. T may be 0.
  void BeginDispatch(const kernels::TensorView& ids, const kernels::TensorView& x);

  // Of the same tokens. Errors: those of Collectives, INTERNAL when a peer's numbers break its
  // bounds.
  absl::Status EndDispatch(ExpertBatch* batch);

  // Sends batch.y back. REQUIRES: the last dispatch succeeded and has not been combined.
  absl::Status Combine(CombinedRows* combined);

  // Device memory that Create took.
  int64_t num_bytes() const;

  // Rows that each local expert had in the last dispatch.
  std::span<const int32_t> expert_rows() const { return expert_rows_; }

 private:
  // What one rank is to this rank in the step in progress.
  struct Route {
    int32_t num_rows = 0;        // rows dispatched to it
    int32_t num_slots = 0;       // (token, slot) pairs that it computes for this rank
    int32_t next_row = 0;        // while packing: where its next row goes in the send buffer,
    int32_t next_slot = 0;       // where its next output will be in the rows that come back,
    int32_t last_token = 0;      // the token of its newest row
    int32_t row_experts = 0;     // and the experts that row has so far
    int32_t received_rows = 0;   // rows dispatched by it
    int32_t received_slots = 0;  // (row, expert) pairs that this rank computes for it
  };
  // Rows of each buffer in the worst case, and bytes.
  struct Capacity;

  ExpertExchange(const ParallelContext& context, const ExpertExchangeOptions& options,
                 const Capacity& capacity, kernels::Ops& ops, Collectives& world);

  // The stages of dispatch, in order.
  void FetchIds(const kernels::TensorView& ids);
  void CountRoutes();
  void PackRows(const kernels::TensorView& x);
  absl::Status ExchangeRowCounts();
  absl::Status ExchangeRows();
  absl::Status CountReceivedExperts();
  void GroupReceivedRows();
  void FillBatch(ExpertBatch* batch);

  int64_t num_routed_rows() const { return offsets_[expert_rows_.size()]; }
  std::span<const int32_t> IdsOfToken(int64_t token) const;
  // Row `row` of a dispatch carries the local indices of its experts: ascending, then -1 up to
  // experts_per_row_. They are written and read on the host, and travel behind the row.
  std::span<int32_t> ExpertsOfRow(int64_t row);
  void SendExpertLists(int64_t num_rows);
  void FetchExpertLists(int64_t num_rows);
  kernels::TensorView ExpertLists(const kernels::Buffer& buffer, int64_t num_rows) const;
  kernels::TensorView DispatchRows(const kernels::Buffer& buffer, int64_t num_rows) const;
  kernels::TensorView CombineRows(const kernels::Buffer& buffer, int64_t num_rows) const;
  // y = x[rows]; where the types differ, rows move in the narrow one.
  void GatherToWire(const kernels::TensorView& x, std::span<const int32_t> rows,
                    const kernels::TensorView& y);
  void GatherFromWire(const kernels::TensorView& x, std::span<const int32_t> rows,
                      const kernels::TensorView& y);

  const ParallelContext& context_;
  const ExpertExchangeOptions options_;
  kernels::Ops& ops_;
  Collectives& world_;
  const kernels::DType act_;
  const int64_t experts_per_row_;
  const int64_t dispatch_row_bytes_;

  const kernels::Buffer cast_;    // rows in the wire type, on either side of the wire
  const kernels::Buffer send_;    // wire rows, by destination
  const kernels::Buffer recv_;    // wire rows, by source; after Combine, the rows that came back
  const kernels::Buffer input_;   // ExpertBatch::x
  const kernels::Buffer output_;  // ExpertBatch::y
  const kernels::Buffer lists_;   // i32 [rows, experts_per_row_], on their way from and to the host
  const kernels::Buffer row_of_;  // i32 [T, k], CombinedRows::row_of

  kernels::TensorView x_;     // of the step in progress
  int64_t num_tokens_ = 0;    // T of it
  int64_t num_received_ = 0;  // rows that were dispatched to this rank
  bool dispatched_ = false;
  std::vector<Route> routes_;                           // [world]
  std::vector<int32_t> sent_counts_, received_counts_;  // [world], as they travel
  std::vector<int64_t> send_bytes_, recv_bytes_;        // [world]
  std::vector<int32_t> row_tokens_;                     // token of each dispatched row
  std::vector<int32_t> ids_;                            // [T, k]
  std::vector<int32_t> host_row_of_;                    // [T, k]
  std::vector<int32_t> row_experts_;                    // [rows, experts_per_row_]
  std::vector<int32_t> source_rows_;                    // [M] received row of each expert row
  std::vector<int32_t> return_rows_;                    // [M] expert row of each row that goes back
  std::vector<int32_t> in_order_;                       // 0, 1, 2, ...
  std::vector<int32_t> offsets_;                        // [L + 2]
  std::vector<int32_t> next_;         // [L] while grouping: each expert's next row
  std::vector<int32_t> expert_rows_;  // [L]
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_EXPERT_EXCHANGE_H_
