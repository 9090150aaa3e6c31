#include "worker/parallel/counted_exchange.h"

#include <algorithm>

#include "base/check.h"
#include "base/units.h"
#include "worker/parallel/exchange_sizes.h"

namespace switchyard::worker {

using kernels::Buffer;
using kernels::DType;
using kernels::SizeOf;
using kernels::TensorView;

namespace {

constexpr int64_t kInt = SizeOf(DType::kI32);

// Where the list of experts begins in a dispatched row.
int64_t ExpertListOffset(const CountedExchangeOptions& options) {
  return RoundUp(options.hidden_size * SizeOf(options.dispatch_wire), SizeOf(DType::kI32));
}

int64_t DispatchRowBytes(const ParallelContext& context, const CountedExchangeOptions& options) {
  return ExpertListOffset(options) +
         context.MostExpertsOfToken(options.experts_per_token) * SizeOf(DType::kI32);
}

absl::Status CheckOptions(const ParallelContext& context, const CountedExchangeOptions& options,
                          DType act) {
  SY_RETURN_IF_ERROR(CheckSizes(context, {.hidden_size = options.hidden_size,
                                          .experts_per_token = options.experts_per_token,
                                          .max_slice_tokens = options.max_slice_tokens}));
  for (const DType wire : {options.dispatch_wire, options.combine_wire}) {
    if (wire != act && (wire != DType::kBf16 || act != DType::kF32)) {
      return absl::InvalidArgumentError(
          fmt::format("{} activations cannot travel as {}", Name(act), Name(wire)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct CountedExchange::Capacity {
  Capacity(const ParallelContext& context, const CountedExchangeOptions& options, DType act) {
    const int64_t slice = options.max_slice_tokens;
    const int64_t k = options.experts_per_token;
    const int64_t local = std::ssize(context.local_experts());
    sent_rows = slice * std::min<int64_t>(k, context.world());
    const int64_t received_rows = local == 0 ? 0 : slice * context.world();
    routed_rows = received_rows * std::min(k, local);
    const int64_t row_bytes = DispatchRowBytes(context, options);
    const int64_t combine_row_bytes = options.hidden_size * SizeOf(options.combine_wire);
    const bool casts = options.dispatch_wire != act || options.combine_wire != act;
    cast_bytes =
        casts ? std::max(slice, routed_rows) * options.hidden_size * SizeOf(DType::kBf16) : 0;
    send_bytes = std::max(sent_rows * row_bytes, routed_rows * combine_row_bytes);
    recv_bytes = std::max(received_rows * row_bytes, slice * k * combine_row_bytes);
    batch_bytes = (routed_rows + slice) * options.hidden_size * SizeOf(act);
  }
  int64_t sent_rows;
  int64_t routed_rows;  // M
  int64_t cast_bytes;
  int64_t send_bytes;
  int64_t recv_bytes;
  int64_t batch_bytes;  // of x, and of y
};

absl::StatusOr<std::unique_ptr<CountedExchange>> CountedExchange::Create(
    const ParallelContext& context, const CountedExchangeOptions& options,
    const ExpertTables& tables, kernels::Ops& ops, Collectives& world) {
  SY_CHECK_EQ(world.size(), context.world());
  SY_CHECK_EQ(world.rank(), context.rank());
  SY_RETURN_IF_ERROR(CheckOptions(context, options, ops.activation_dtype()));
  const Capacity capacity(context, options, ops.activation_dtype());
  return std::unique_ptr<CountedExchange>(
      new CountedExchange(context, options, capacity, tables, ops, world));
}

CountedExchange::CountedExchange(const ParallelContext& context,
                                 const CountedExchangeOptions& options, const Capacity& capacity,
                                 const ExpertTables& tables, kernels::Ops& ops, Collectives& world)
    : context_(context),
      options_(options),
      tables_(tables),
      ops_(ops),
      world_(world),
      act_(ops.activation_dtype()),
      num_local_(std::ssize(context.local_experts())),
      row_experts_(context.MostExpertsOfToken(options.experts_per_token)),
      row_bytes_(DispatchRowBytes(context, options)),
      cast_(ops.device().AllocateAhead(capacity.cast_bytes)),
      send_(ops.device().AllocateAhead(capacity.send_bytes)),
      recv_(ops.device().AllocateAhead(capacity.recv_bytes)),
      input_(ops.device().AllocateAhead(capacity.batch_bytes)),
      output_(ops.device().AllocateAhead(capacity.batch_bytes)),
      counts_(ops.device().Allocate(2 * context.world() * kInt)),
      tokens_(ops.device().Allocate(capacity.sent_rows * kInt)),
      spans_(ops.device().Allocate(2 * (num_local_ + 1) * kInt)),
      sources_(ops.device().Allocate(capacity.routed_rows * kInt)),
      returned_(ops.device().Allocate(capacity.routed_rows * kInt)),
      row_of_(ops.device().Allocate(options.max_slice_tokens * options.experts_per_token * kInt)),
      sent_(context.world()),
      arrived_(context.world()),
      send_bytes_(context.world()),
      recv_bytes_(context.world()) {
  SY_CHECK(PointOf(1) < Collectives::kNumPoints) << "place " << options.place;
}

int64_t CountedExchange::num_bytes() const {
  int64_t bytes = 0;
  for (const Buffer* buffer : {&cast_, &send_, &recv_, &input_, &output_, &counts_, &tokens_,
                               &spans_, &sources_, &returned_, &row_of_}) {
    bytes += buffer->num_bytes();
  }
  return bytes;
}

// Rows by destination, then token; behind each the experts that it meets there. Outputs will come
// back in the same order, one for each expert of each row.
absl::Status CountedExchange::BeginDispatch(const TensorView& ids, const TensorView& x,
                                            std::span<const int64_t> slots) {
  SY_CHECK(slots.empty()) << "rows that are no tokens";
  SY_CHECK_LE(x.rows(), options_.max_slice_tokens);
  SY_CHECK_EQ(x.RowElements(), options_.hidden_size);
  x_ = x;
  const int64_t k = options_.experts_per_token;
  const int64_t most_rows = x.rows() * std::min<int64_t>(k, context_.world());
  const TensorView tokens(tokens_.data(), DType::kI32, {most_rows});
  ops_.DispatchTokens({.ids = ids,
                       .rank_of_expert = tables_.rank_of_expert(),
                       .local_index_of_expert = tables_.local_index_of_expert(),
                       .counts = TensorView(counts_.data(), DType::kI32, {context_.world(), 2}),
                       .tokens = tokens,
                       .experts = ExpertLists(send_, most_rows),
                       .row_of = TensorView(row_of_.data(), DType::kI32, {x.rows(), k})});
  SelectToWire(x, tokens, DispatchRows(send_, most_rows));
  world_.Fork();
  const absl::Status status = world_.BeginCounts(static_cast<const int32_t*>(counts_.data()), 2);
  if (!status.ok()) world_.Mark(PointOf(0));
  return status;
}

absl::Status CountedExchange::Send() {
  absl::Status status = TakeCounts();
  if (status.ok()) status = world_.AllToAllV(send_.data(), send_bytes_, recv_.data(), recv_bytes_);
  world_.Mark(PointOf(0));
  return status;
}

absl::Status CountedExchange::TakeCounts() {
  const auto ints = [](std::vector<Count>& counts) {
    static_assert(sizeof(Count) == 2 * kInt);
    return std::span(&counts.data()->rows, 2 * counts.size());
  };
  SY_RETURN_IF_ERROR(world_.EndCounts(ints(sent_), ints(arrived_)));
  const int64_t most = num_local_ == 0 ? 0 : options_.max_slice_tokens;
  num_received_ = 0;
  num_routed_ = 0;
  for (size_t r = 0; r < arrived_.size(); ++r) {
    const auto [rows, slots] = arrived_[r];
    if (rows < 0 || rows > most || slots < rows || slots > rows * row_experts_) {
      world_.Abort();
      return absl::InternalError(fmt::format(
          "rank {} dispatches {} rows with {} experts to rank {}, at most {} with {} are possible",
          r, rows, slots, context_.rank(), most, most * row_experts_));
    }
    num_received_ += rows;
    num_routed_ += slots;
    send_bytes_[r] = sent_[r].rows * row_bytes_;
    recv_bytes_[r] = rows * row_bytes_;
  }
  return absl::OkStatus();
}

// Expert rows by expert, then source rank, then row; rows go back by source rank, then row, then
// expert.
absl::Status CountedExchange::EndDispatch(ExpertBatch* batch) {
  world_.Await(PointOf(0));
  const int64_t own = NumOwn(), num_rows = own + num_routed_;
  const TensorView spans(spans_.data(), DType::kI32, {num_local_ + 1, 2});
  const TensorView sources(sources_.data(), DType::kI32, {num_routed_});
  ops_.ReceiveTokens({.experts = ExpertLists(recv_, num_received_),
                      .own_tokens = own,
                      .spans = spans,
                      .sources = sources,
                      .returned = TensorView(returned_.data(), DType::kI32, {num_routed_}),
                      .expert_rows = tables_.expert_rows()});
  *batch = {.x = TensorView(input_.data(), act_, {num_rows, options_.hidden_size}),
            .y = TensorView(output_.data(), act_, {num_rows, options_.hidden_size}),
            .spans = spans,
            .likely_rows = num_rows};
  SelectFromWire(DispatchRows(recv_, num_received_), sources, batch->x.Rows(own, num_routed_));
  ops_.Cast({.x = x_.Rows(0, own), .y = batch->x.Rows(0, own)});
  return absl::OkStatus();
}

absl::Status CountedExchange::BeginCombine() {
  const TensorView y(output_.data(), act_, {NumOwn() + num_routed_, options_.hidden_size});
  SelectToWire(y.Rows(NumOwn(), num_routed_),
               TensorView(returned_.data(), DType::kI32, {num_routed_}),
               CombineRows(send_, num_routed_));
  const int64_t row_bytes = options_.hidden_size * SizeOf(options_.combine_wire);
  for (size_t r = 0; r < sent_.size(); ++r) {
    send_bytes_[r] = arrived_[r].slots * row_bytes;
    recv_bytes_[r] = sent_[r].slots * row_bytes;
  }
  world_.Fork();
  const absl::Status status =
      world_.AllToAllV(send_.data(), send_bytes_, recv_.data(), recv_bytes_);
  world_.Mark(PointOf(1));
  return status;
}

absl::Status CountedExchange::EndCombine(CombinedRows* combined) {
  world_.Await(PointOf(1));
  const int64_t k = options_.experts_per_token;
  *combined = {.rows = CombineRows(recv_, x_.rows() * k),
               .row_of = TensorView(row_of_.data(), DType::kI32, {x_.rows(), k}),
               .shared = TensorView(output_.data(), act_, {NumOwn(), options_.hidden_size})};
  return absl::OkStatus();
}

TensorView CountedExchange::ExpertLists(const Buffer& buffer, int64_t num_rows) const {
  TensorView lists(static_cast<std::byte*>(buffer.data()) + ExpertListOffset(options_), DType::kI32,
                   {num_rows, row_experts_});
  lists.row_stride = row_bytes_ / SizeOf(DType::kI32);
  return lists;
}

TensorView CountedExchange::DispatchRows(const Buffer& buffer, int64_t num_rows) const {
  TensorView rows(buffer.data(), options_.dispatch_wire, {num_rows, options_.hidden_size});
  rows.row_stride = row_bytes_ / SizeOf(options_.dispatch_wire);
  return rows;
}

TensorView CountedExchange::CombineRows(const Buffer& buffer, int64_t num_rows) const {
  return TensorView(buffer.data(), options_.combine_wire, {num_rows, options_.hidden_size});
}

void CountedExchange::SelectToWire(const TensorView& x, const TensorView& rows,
                                   const TensorView& y) {
  if (x.dtype == y.dtype) return ops_.SelectRows({.x = x, .rows = rows, .y = y});
  const TensorView narrow(cast_.data(), y.dtype, {x.rows(), options_.hidden_size});
  ops_.Cast({.x = x, .y = narrow});
  ops_.SelectRows({.x = narrow, .rows = rows, .y = y});
}

void CountedExchange::SelectFromWire(const TensorView& x, const TensorView& rows,
                                     const TensorView& y) {
  if (x.dtype == y.dtype) return ops_.SelectRows({.x = x, .rows = rows, .y = y});
  const TensorView narrow(cast_.data(), x.dtype, {y.rows(), options_.hidden_size});
  ops_.SelectRows({.x = x, .rows = rows, .y = narrow});
  ops_.Cast({.x = narrow, .y = y});
}

}  // namespace switchyard::worker
