// The exchange that sends each token's row to the ranks of its experts and nowhere else. Defines
// order, rounding and padding; faster ways must agree with it bit for bit.
//
// Which rows travel and which experts compute them stays on the device (Ops::DispatchTokens,
// Ops::ReceiveTokens). The host learns how many there are for each rank, which is all that it needs
// to send them: Send waits for these numbers, once per layer and micro-batch.
//
// A token whose experts share a rank travels to it once, with the list of its experts there. Rows
// are rounded to the wire type on every way, also when they stay on this rank: what an expert
// computes from, and what is summed, does not depend on the layout (ARCHITECTURE 1.5).
//
// Symbols as in expert_exchange.h; S the most tokens of any rank's slice, M rows that this rank's
// experts compute in a call, R the most experts of a token on one rank. Owner: the ExchangeSet. All
// buffers are allocated by Create, sized for the worst case (all tokens of all ranks to this rank).
#ifndef SWITCHYARD_WORKER_PARALLEL_COUNTED_EXCHANGE_H_
#define SWITCHYARD_WORKER_PARALLEL_COUNTED_EXCHANGE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/ops.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/expert_exchange.h"
#include "worker/parallel/expert_tables.h"
#include "worker/parallel/parallel_context.h"

namespace switchyard::worker {

struct CountedExchangeOptions {
  int64_t hidden_size = 0;        // H
  int64_t experts_per_token = 0;  // k
  int64_t max_slice_tokens = 0;   // S, the same on all ranks
  // Types that rows travel in. BF16 loses nothing on the way to experts that multiply in BF16.
  kernels::DType dispatch_wire = kernels::DType::kBf16;  // kBf16 or kF32
  kernels::DType combine_wire = kernels::DType::kBf16;   // kBf16 or kF32
  // Of several exchanges over one communicator, that begin before others have ended, each has a
  // place: 0 or 1.
  int place = 0;
};

class CountedExchange final : public ExpertExchange {
 public:
  // All outlive it; `world` spans all ranks of `context` and works in the memory of ops' device.
  // INVALID_ARGUMENT for sizes that are not positive or lead to 2^31 rows, more experts per token
  // than experts, or a wire type that is not allowed or wider than act.
  static absl::StatusOr<std::unique_ptr<CountedExchange>> Create(
      const ParallelContext& context, const CountedExchangeOptions& options,
      const ExpertTables& tables, kernels::Ops& ops, Collectives& world);

  bool overlaps() const override { return world_.overlaps(); }
  // `slots` must be empty. INTERNAL from Send when a peer's numbers break their bounds.
  absl::Status BeginDispatch(const kernels::TensorView& ids, const kernels::TensorView& x,
                             std::span<const int64_t> slots) override;
  absl::Status Send() override;
  absl::Status EndDispatch(ExpertBatch* batch) override;
  absl::Status BeginCombine() override;
  absl::Status EndCombine(CombinedRows* combined) override;

  // Device memory that Create took.
  int64_t num_bytes() const;

 private:
  // Rows of each buffer in the worst case, and bytes.
  struct Capacity;
  // Rows that go to a rank or come from it, and the slots of their tokens that meet experts there.
  struct Count {
    int32_t rows = 0;
    int32_t slots = 0;
  };

  CountedExchange(const ParallelContext& context, const CountedExchangeOptions& options,
                  const Capacity& capacity, const ExpertTables& tables, kernels::Ops& ops,
                  Collectives& world);

  absl::Status TakeCounts();
  // Of `world`: where rows have come (call 0), and outputs (1).
  int PointOf(int call) const { return 1 + 2 * options_.place + call; }
  int64_t NumOwn() const { return overlaps() ? 0 : x_.rows(); }  // rows for the shared expert
  kernels::TensorView ExpertLists(const kernels::Buffer& buffer, int64_t num_rows) const;
  kernels::TensorView DispatchRows(const kernels::Buffer& buffer, int64_t num_rows) const;
  kernels::TensorView CombineRows(const kernels::Buffer& buffer, int64_t num_rows) const;
  // y = x[rows]; where the types differ, rows move in the narrow one.
  void SelectToWire(const kernels::TensorView& x, const kernels::TensorView& rows,
                    const kernels::TensorView& y);
  void SelectFromWire(const kernels::TensorView& x, const kernels::TensorView& rows,
                      const kernels::TensorView& y);

  const ParallelContext& context_;
  const CountedExchangeOptions options_;
  const ExpertTables& tables_;
  kernels::Ops& ops_;
  Collectives& world_;
  const kernels::DType act_;
  const int64_t num_local_;    // L
  const int64_t row_experts_;  // R
  const int64_t row_bytes_;    // of a dispatched row and its experts

  const kernels::Buffer cast_;      // rows in the wire type, on either side of the wire
  const kernels::Buffer send_;      // wire rows, by destination
  const kernels::Buffer recv_;      // wire rows, by source; after a combine, those that came back
  const kernels::Buffer input_;     // ExpertBatch::x
  const kernels::Buffer output_;    // ExpertBatch::y
  const kernels::Buffer counts_;    // i32 [world, 2]: rows and slots for each rank
  const kernels::Buffer tokens_;    // i32: the token of each dispatched row
  const kernels::Buffer spans_;     // i32 [L + 1, 2]
  const kernels::Buffer sources_;   // i32 [M]: the received row of each expert row
  const kernels::Buffer returned_;  // i32 [M]: the row of the batch of each output that goes back
  const kernels::Buffer row_of_;    // i32 [S, k]

  kernels::TensorView x_;                         // of the layer in progress
  int64_t num_received_ = 0;                      // rows that came
  int64_t num_routed_ = 0;                        // M
  std::vector<Count> sent_, arrived_;             // [world]
  std::vector<int64_t> send_bytes_, recv_bytes_;  // [world]
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_COUNTED_EXCHANGE_H_
