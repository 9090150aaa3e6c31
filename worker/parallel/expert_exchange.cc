#include "worker/parallel/expert_exchange.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/units.h"

namespace switchyard::worker {

using kernels::Buffer;
using kernels::DType;
using kernels::SizeOf;
using kernels::TensorView;

namespace {

// Where the list of experts begins in a dispatched row.
int64_t ExpertListOffset(const ExpertExchangeOptions& options) {
  return RoundUp(options.hidden_size * SizeOf(options.dispatch_wire), SizeOf(DType::kI32));
}

int64_t DispatchRowBytes(const ParallelContext& context, const ExpertExchangeOptions& options) {
  return ExpertListOffset(options) +
         context.MostExpertsOfToken(options.experts_per_token) * SizeOf(DType::kI32);
}

absl::Status CheckOptions(const ParallelContext& context, const ExpertExchangeOptions& options,
                          DType act) {
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  const int64_t k = options.experts_per_token;
  const int64_t slice = options.max_slice_tokens;
  if (options.hidden_size < 1 || options.hidden_size > kMax || k < 1 || k > context.num_experts() ||
      slice < 1 || slice > kMax / context.world() / k - 1) {
    return absl::InvalidArgumentError(
        fmt::format("expert exchange of {} tokens per rank with {} of {} experts each, hidden size "
                    "{}, over {} ranks: a size is out of range",
                    slice, k, context.num_experts(), options.hidden_size, context.world()));
  }
  for (const DType wire : {options.dispatch_wire, options.combine_wire}) {
    if (wire != act && (wire != DType::kBf16 || act != DType::kF32)) {
      return absl::InvalidArgumentError(
          fmt::format("{} activations cannot travel as {}", Name(act), Name(wire)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

struct ExpertExchange::Capacity {
  Capacity(const ParallelContext& context, const ExpertExchangeOptions& options, DType act) {
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
    dispatch_rows = std::max(sent_rows, received_rows);
    list_bytes =
        dispatch_rows * context.MostExpertsOfToken(options.experts_per_token) * SizeOf(DType::kI32);
    row_of_bytes = slice * k * SizeOf(DType::kI32);
  }
  int64_t sent_rows;
  int64_t dispatch_rows;  // in either direction
  int64_t routed_rows;    // M
  int64_t cast_bytes;
  int64_t send_bytes;
  int64_t recv_bytes;
  int64_t batch_bytes;  // of x, and of y
  int64_t list_bytes;
  int64_t row_of_bytes;
};

int64_t ExpertExchange::NumBytes(const ParallelContext& context,
                                 const ExpertExchangeOptions& options, DType activation_dtype) {
  const Capacity capacity(context, options, activation_dtype);
  return capacity.cast_bytes + capacity.send_bytes + capacity.recv_bytes +
         2 * capacity.batch_bytes + capacity.list_bytes + capacity.row_of_bytes;
}

absl::StatusOr<std::unique_ptr<ExpertExchange>> ExpertExchange::Create(
    const ParallelContext& context, const ExpertExchangeOptions& options, kernels::Ops& ops,
    Collectives& world) {
  SY_CHECK_EQ(world.size(), context.world());
  SY_CHECK_EQ(world.rank(), context.rank());
  SY_RETURN_IF_ERROR(CheckOptions(context, options, ops.activation_dtype()));
  const Capacity capacity(context, options, ops.activation_dtype());
  return std::unique_ptr<ExpertExchange>(
      new ExpertExchange(context, options, capacity, ops, world));
}

ExpertExchange::ExpertExchange(const ParallelContext& context, const ExpertExchangeOptions& options,
                               const Capacity& capacity, kernels::Ops& ops, Collectives& world)
    : context_(context),
      options_(options),
      ops_(ops),
      world_(world),
      act_(ops.activation_dtype()),
      experts_per_row_(context.MostExpertsOfToken(options.experts_per_token)),
      dispatch_row_bytes_(DispatchRowBytes(context, options)),
      cast_(ops.device().Allocate(capacity.cast_bytes)),
      send_(ops.device().Allocate(capacity.send_bytes)),
      recv_(ops.device().Allocate(capacity.recv_bytes)),
      input_(ops.device().Allocate(capacity.batch_bytes)),
      output_(ops.device().Allocate(capacity.batch_bytes)),
      lists_(ops.device().Allocate(capacity.list_bytes)),
      row_of_(ops.device().Allocate(capacity.row_of_bytes)),
      routes_(context.world()),
      sent_counts_(context.world()),
      received_counts_(context.world()),
      send_bytes_(context.world()),
      recv_bytes_(context.world()),
      row_tokens_(capacity.sent_rows),
      ids_(options.max_slice_tokens * options.experts_per_token),
      host_row_of_(options.max_slice_tokens * options.experts_per_token),
      row_experts_(capacity.dispatch_rows * experts_per_row_),
      source_rows_(capacity.routed_rows),
      return_rows_(capacity.routed_rows),
      in_order_(std::max(capacity.dispatch_rows, options.max_slice_tokens)),
      offsets_(context.local_experts().size() + 2),
      next_(context.local_experts().size()),
      expert_rows_(context.local_experts().size()) {
  std::iota(in_order_.begin(), in_order_.end(), 0);
}

int64_t ExpertExchange::num_bytes() const {
  int64_t bytes = 0;
  for (const Buffer* buffer : {&cast_, &send_, &recv_, &input_, &output_, &lists_, &row_of_}) {
    bytes += buffer->num_bytes();
  }
  return bytes;
}

void ExpertExchange::BeginDispatch(const TensorView& ids, const TensorView& x) {
  dispatched_ = false;
  x_ = x;
  num_tokens_ = x.rows();
  SY_CHECK_LE(num_tokens_, options_.max_slice_tokens);
  SY_CHECK_EQ(ids.rows(), num_tokens_);
  SY_CHECK_EQ(ids.RowElements(), options_.experts_per_token);
  SY_CHECK_EQ(x.RowElements(), options_.hidden_size);

  FetchIds(ids);
  CountRoutes();
  PackRows(x);
  world_.Fork();
}

absl::Status ExpertExchange::EndDispatch(ExpertBatch* batch) {
  absl::Status status = ExchangeRowCounts();
  if (status.ok()) status = ExchangeRows();
  world_.Join();
  SY_RETURN_IF_ERROR(status);
  SY_RETURN_IF_ERROR(CountReceivedExperts());
  GroupReceivedRows();
  FillBatch(batch);
  dispatched_ = true;
  return absl::OkStatus();
}

void ExpertExchange::FetchIds(const TensorView& ids) {
  SY_CHECK(ids.contiguous());
  if (num_tokens_ == 0) return;
  ops_.device().CopyToHost(ids_.data(), ids.data, ids.NumElements() * SizeOf(DType::kI32));
}

std::span<const int32_t> ExpertExchange::IdsOfToken(int64_t token) const {
  const size_t k = static_cast<size_t>(options_.experts_per_token);
  return std::span(ids_).subspan(static_cast<size_t>(token) * k, k);
}

// How many rows and slots go to each rank, and so where each rank's part begins in what is sent and
// in what comes back.
void ExpertExchange::CountRoutes() {
  for (Route& route : routes_) route = {.last_token = -1};
  for (int64_t t = 0; t < num_tokens_; ++t) {
    const std::span<const int32_t> experts = IdsOfToken(t);
    for (int64_t j = 0; j < options_.experts_per_token; ++j) {
      SY_CHECK(experts[j] >= 0 && experts[j] < context_.num_experts() &&
               (j == 0 || experts[j - 1] < experts[j]))
          << "token " << t << ", slot " << j << ": expert " << experts[j];
      Route& route = routes_[context_.RankOfExpert(experts[j])];
      if (route.last_token != t) ++route.num_rows;
      route.last_token = static_cast<int32_t>(t);
      ++route.num_slots;
    }
  }
  int32_t row = 0;
  int32_t slot = 0;
  for (Route& route : routes_) {
    route.next_row = row;
    route.next_slot = slot;
    route.last_token = -1;
    row += route.num_rows;
    slot += route.num_slots;
  }
}

// Rows by destination, then token; behind each the experts that it meets there. Outputs will come
// back in the same order, one for each expert of each row: that is row_of_.
void ExpertExchange::PackRows(const TensorView& x) {
  const int64_t k = options_.experts_per_token;
  for (int64_t t = 0; t < num_tokens_; ++t) {
    const std::span<const int32_t> experts = IdsOfToken(t);
    for (int64_t j = 0; j < k; ++j) {
      Route& route = routes_[context_.RankOfExpert(experts[j])];
      if (route.last_token != t) {
        route.last_token = static_cast<int32_t>(t);
        route.row_experts = 0;
        row_tokens_[route.next_row] = static_cast<int32_t>(t);
        std::ranges::fill(ExpertsOfRow(route.next_row), -1);
        ++route.next_row;
      }
      ExpertsOfRow(route.next_row - 1)[route.row_experts++] =
          context_.LocalIndexOfExpert(experts[j]);
      host_row_of_[t * k + j] = route.next_slot++;
    }
  }
  const int32_t num_rows = routes_.back().next_row;
  GatherToWire(x, std::span(row_tokens_).first(num_rows), DispatchRows(send_, num_rows));
  SendExpertLists(num_rows);
  ops_.device().CopyToDevice(row_of_.data(), host_row_of_.data(),
                             num_tokens_ * k * SizeOf(DType::kI32));
}

absl::Status ExpertExchange::ExchangeRowCounts() {
  for (size_t r = 0; r < routes_.size(); ++r) sent_counts_[r] = routes_[r].num_rows;
  SY_RETURN_IF_ERROR(world_.AllToAllCounts(sent_counts_, received_counts_));
  const int64_t most = expert_rows_.empty() ? 0 : options_.max_slice_tokens;
  num_received_ = 0;
  for (size_t r = 0; r < routes_.size(); ++r) {
    const int32_t count = received_counts_[r];
    if (count < 0 || count > most) {
      world_.Abort();
      return absl::InternalError(
          fmt::format("rank {} dispatches {} rows to rank {}, at most {} are possible", r, count,
                      context_.rank(), most));
    }
    routes_[r].received_rows = count;
    num_received_ += count;
  }
  return absl::OkStatus();
}

absl::Status ExpertExchange::ExchangeRows() {
  for (size_t r = 0; r < routes_.size(); ++r) {
    send_bytes_[r] = routes_[r].num_rows * dispatch_row_bytes_;
    recv_bytes_[r] = routes_[r].received_rows * dispatch_row_bytes_;
  }
  return world_.AllToAllV(send_.data(), send_bytes_, recv_.data(), recv_bytes_);
}

// Rows of each local expert, and what goes back to each rank.
absl::Status ExpertExchange::CountReceivedExperts() {
  FetchExpertLists(num_received_);
  std::ranges::fill(expert_rows_, 0);
  int64_t row = 0;
  for (size_t r = 0; r < routes_.size(); ++r) {
    for (int64_t end = row + routes_[r].received_rows; row < end; ++row) {
      int32_t previous = -1;
      for (const int32_t expert : ExpertsOfRow(row)) {
        if (expert == -1) break;
        if (expert <= previous || expert >= std::ssize(expert_rows_)) {
          world_.Abort();
          return absl::InternalError(
              fmt::format("rank {} dispatches a row to local expert {} of rank {}, which has {}", r,
                          expert, context_.rank(), expert_rows_.size()));
        }
        previous = expert;
        ++expert_rows_[expert];
        ++routes_[r].received_slots;
      }
    }
  }
  return absl::OkStatus();
}

// Expert rows by expert, then source rank, then row; rows go back by source rank, then row, then
// expert.
void ExpertExchange::GroupReceivedRows() {
  offsets_[0] = 0;
  std::partial_sum(expert_rows_.begin(), expert_rows_.end(), offsets_.begin() + 1);
  offsets_.back() = static_cast<int32_t>(num_routed_rows() + num_tokens_);
  std::copy_n(offsets_.begin(), next_.size(), next_.begin());
  int64_t returned = 0;
  for (int64_t row = 0; row < num_received_; ++row) {
    for (const int32_t expert : ExpertsOfRow(row)) {
      if (expert == -1) break;
      const int32_t expert_row = next_[expert]++;
      source_rows_[expert_row] = static_cast<int32_t>(row);
      return_rows_[returned++] = expert_row;
    }
  }
}

void ExpertExchange::FillBatch(ExpertBatch* batch) {
  const int64_t num_routed = num_routed_rows();
  const int64_t num_rows = num_routed + num_tokens_;
  *batch = {.x = TensorView(input_.data(), act_, {num_rows, options_.hidden_size}),
            .y = TensorView(output_.data(), act_, {num_rows, options_.hidden_size}),
            .offsets = offsets_,
            .num_routed_rows = num_routed};
  GatherFromWire(DispatchRows(recv_, num_received_), std::span(source_rows_).first(num_routed),
                 batch->x.Rows(0, num_routed));
  ops_.GatherRows({.x = x_,
                   .rows = std::span(in_order_).first(num_tokens_),
                   .y = batch->x.Rows(num_routed, num_tokens_)});
}

absl::Status ExpertExchange::Combine(CombinedRows* combined) {
  SY_CHECK(dispatched_) << "Combine without a dispatch before it";
  dispatched_ = false;
  const int64_t num_routed = num_routed_rows();
  const TensorView y(output_.data(), act_, {num_routed, options_.hidden_size});
  GatherToWire(y, std::span(return_rows_).first(num_routed), CombineRows(send_, num_routed));

  const int64_t row_bytes = options_.hidden_size * SizeOf(options_.combine_wire);
  for (size_t r = 0; r < routes_.size(); ++r) {
    send_bytes_[r] = routes_[r].received_slots * row_bytes;
    recv_bytes_[r] = routes_[r].num_slots * row_bytes;
  }
  SY_RETURN_IF_ERROR(world_.AllToAllV(send_.data(), send_bytes_, recv_.data(), recv_bytes_));
  const int64_t k = options_.experts_per_token;
  *combined = {.rows = CombineRows(recv_, num_tokens_ * k),
               .row_of = TensorView(row_of_.data(), DType::kI32, {num_tokens_, k})};
  return absl::OkStatus();
}

std::span<int32_t> ExpertExchange::ExpertsOfRow(int64_t row) {
  return std::span(row_experts_).subspan(row * experts_per_row_, experts_per_row_);
}

void ExpertExchange::SendExpertLists(int64_t num_rows) {
  const TensorView lists(lists_.data(), DType::kI32, {num_rows, experts_per_row_});
  ops_.device().CopyToDevice(lists.data, row_experts_.data(),
                             lists.NumElements() * SizeOf(DType::kI32));
  ops_.GatherRows({.x = lists,
                   .rows = std::span(in_order_).first(num_rows),
                   .y = ExpertLists(send_, num_rows)});
}

void ExpertExchange::FetchExpertLists(int64_t num_rows) {
  const TensorView lists(lists_.data(), DType::kI32, {num_rows, experts_per_row_});
  ops_.GatherRows({.x = ExpertLists(recv_, num_rows),
                   .rows = std::span(in_order_).first(num_rows),
                   .y = lists});
  ops_.device().CopyToHost(row_experts_.data(), lists.data,
                           lists.NumElements() * SizeOf(DType::kI32));
}

TensorView ExpertExchange::ExpertLists(const Buffer& buffer, int64_t num_rows) const {
  TensorView lists(static_cast<std::byte*>(buffer.data()) + ExpertListOffset(options_), DType::kI32,
                   {num_rows, experts_per_row_});
  lists.row_stride = dispatch_row_bytes_ / SizeOf(DType::kI32);
  return lists;
}

TensorView ExpertExchange::DispatchRows(const Buffer& buffer, int64_t num_rows) const {
  TensorView rows(buffer.data(), options_.dispatch_wire, {num_rows, options_.hidden_size});
  rows.row_stride = dispatch_row_bytes_ / SizeOf(options_.dispatch_wire);
  return rows;
}

TensorView ExpertExchange::CombineRows(const Buffer& buffer, int64_t num_rows) const {
  return TensorView(buffer.data(), options_.combine_wire, {num_rows, options_.hidden_size});
}

void ExpertExchange::GatherToWire(const TensorView& x, std::span<const int32_t> rows,
                                  const TensorView& y) {
  if (x.dtype == y.dtype) return ops_.GatherRows({.x = x, .rows = rows, .y = y});
  const TensorView narrow(cast_.data(), y.dtype, {x.rows(), options_.hidden_size});
  ops_.Cast({.x = x, .y = narrow});
  ops_.GatherRows({.x = narrow, .rows = rows, .y = y});
}

void ExpertExchange::GatherFromWire(const TensorView& x, std::span<const int32_t> rows,
                                    const TensorView& y) {
  if (x.dtype == y.dtype) return ops_.GatherRows({.x = x, .rows = rows, .y = y});
  const TensorView narrow(cast_.data(), x.dtype, {y.rows(), options_.hidden_size});
  ops_.GatherRows({.x = x, .rows = rows, .y = narrow});
  ops_.Cast({.x = narrow, .y = y});
}

}  // namespace switchyard::worker
