#include "worker/parallel/fixed_exchange.h"

#include <algorithm>

#include "base/check.h"
#include "worker/parallel/exchange_sizes.h"

namespace switchyard::worker {

using kernels::Buffer;
using kernels::DType;
using kernels::SizeOf;
using kernels::TensorView;

namespace {

constexpr int64_t kInt = SizeOf(DType::kI32);
constexpr int64_t kRowAlignment = 16;  // of what kernels copy at once
constexpr int kPoint = 0;              // of the world: where all have shown their tokens

// Alike on all ranks: by what the largest hands back.
int64_t MaxPlaces(const ParallelContext& context, const FixedExchangeOptions& options, DType act) {
  if (context.world() == 1) return options.max_slice_tokens;
  const int64_t bytes_of_place = context.world() *
                                 context.MostExpertsOfToken(options.experts_per_token) *
                                 options.hidden_size * SizeOf(act);
  return std::min(options.max_slice_tokens, FixedExchange::kMostReturnedBytes / bytes_of_place);
}

TensorView Ints(const Buffer& buffer, int64_t count) {
  return TensorView(buffer.data(), DType::kI32, {count});
}

}  // namespace

absl::StatusOr<std::unique_ptr<FixedExchange>> FixedExchange::Create(
    const ParallelContext& context, const FixedExchangeOptions& options, const ExpertTables& tables,
    kernels::Ops& ops, Collectives& world) {
  SY_CHECK_EQ(world.size(), context.world());
  SY_CHECK_EQ(world.rank(), context.rank());
  SY_RETURN_IF_ERROR(CheckSizes(context, {.hidden_size = options.hidden_size,
                                          .experts_per_token = options.experts_per_token,
                                          .max_slice_tokens = options.max_slice_tokens}));
  return std::unique_ptr<FixedExchange>(new FixedExchange(context, options, tables, ops, world));
}

FixedExchange::FixedExchange(const ParallelContext& context, const FixedExchangeOptions& options,
                             const ExpertTables& tables, kernels::Ops& ops, Collectives& world)
    : context_(context),
      options_(options),
      tables_(tables),
      ops_(ops),
      world_(world),
      act_(ops.activation_dtype()),
      num_local_(std::ssize(context.local_experts())),
      returned_slots_(context.MostExpertsOfToken(options.experts_per_token)),
      max_places_(MaxPlaces(context, options, act_)),
      place_bytes_(RoundUp(
          RoundUp(options.hidden_size * SizeOf(act_), kInt) + options.experts_per_token * kInt,
          kRowAlignment)),
      places_(ops.device().Allocate(alone() ? 0 : world.size() * max_places_ * place_bytes_)),
      input_(ops.device().Allocate(MaxRows(max_places_, max_places_) * options.hidden_size *
                                   SizeOf(act_))),
      output_(ops.device().Allocate(input_.num_bytes())),
      spans_(ops.device().Allocate((num_local_ + 1) * 2 * kInt)),
      sources_(ops.device().Allocate(MaxRows(max_places_, max_places_) * kInt)),
      returned_(
          ops.device().Allocate(alone() ? 0 : world.size() * max_places_ * returned_slots_ * kInt)),
      sent_(
          ops.device().Allocate(returned_.num_bytes() / kInt * options.hidden_size * SizeOf(act_))),
      received_(ops.device().Allocate(sent_.num_bytes())),
      row_of_(ops.device().Allocate(max_places_ * options.experts_per_token * kInt)) {}

int64_t FixedExchange::num_bytes() const {
  int64_t bytes = 0;
  for (const Buffer* buffer : {&places_, &input_, &output_, &spans_, &sources_, &returned_, &sent_,
                               &received_, &row_of_}) {
    bytes += buffer->num_bytes();
  }
  return bytes;
}

bool FixedExchange::TakesStep() const {
  return alone() || (step_places_ >= 0 && step_places_ <= max_places_);
}

// Of a batch.
int64_t FixedExchange::MaxRows(int64_t tokens, int64_t places) const {
  return tokens + world_.size() * places * std::min(options_.experts_per_token, num_local_);
}

TensorView FixedExchange::PlacesX(int64_t places) const {
  TensorView x(places_.data(), act_, {world_.size() * places, options_.hidden_size});
  x.row_stride = place_bytes_ / SizeOf(act_);
  return x;
}

TensorView FixedExchange::PlacesIds(int64_t places) const {
  auto* const first =
      static_cast<std::byte*>(places_.data()) + RoundUp(options_.hidden_size * SizeOf(act_), kInt);
  TensorView ids(first, DType::kI32, {world_.size() * places, options_.experts_per_token});
  ids.row_stride = place_bytes_ / kInt;
  return ids;
}

// Every rank's tokens come into the places of all ranks.
absl::Status FixedExchange::ShowTokens(const TensorView& ids, const TensorView& x) {
  const int64_t places = step_places_, first = world_.rank() * places;
  ops_.PlaceTokens({.x = x,
                    .ids = ids,
                    .places_x = PlacesX(places).Rows(first, places),
                    .places_ids = PlacesIds(places).Rows(first, places),
                    .slots = slots_});
  const auto* const own = static_cast<const std::byte*>(places_.data()) + first * place_bytes_;
  world_.Fork();
  const absl::Status status = world_.AllGather(own, places_.data(), places * place_bytes_);
  world_.Mark(kPoint);
  return status;
}

absl::Status FixedExchange::BeginDispatch(const TensorView& ids, const TensorView& x,
                                          std::span<const int64_t> slots) {
  SY_CHECK(TakesStep());
  SY_CHECK_LE(x.rows(), alone() ? max_places_ : step_places_);
  SY_CHECK_EQ(ids.rows(), x.rows());
  ids_ = ids;
  x_ = x;
  slots_ = slots;
  return alone() ? absl::OkStatus() : ShowTokens(ids, x);
}

absl::Status FixedExchange::EndDispatch(ExpertBatch* batch) {
  if (!alone()) world_.Await(kPoint);
  const int64_t k = options_.experts_per_token, places = NumPlaces();
  const int64_t max_rows = MaxRows(num_tokens(), places);
  const TensorView spans(spans_.data(), DType::kI32, {num_local_ + 1, 2});
  ops_.RouteTokens({.ids = alone() ? ids_ : PlacesIds(places),
                    .rank_of_expert = tables_.rank_of_expert(),
                    .local_index_of_expert = tables_.local_index_of_expert(),
                    .rank = world_.rank(),
                    .num_ranks = world_.size(),
                    .own_tokens = num_tokens(),
                    .slots = alone() ? slots_ : std::span<const int64_t>(),
                    .returned_slots = returned_slots_,
                    .spans = spans,
                    .places = Ints(sources_, max_rows),
                    .returned = alone() ? TensorView()
                                        : Ints(returned_, world_.size() * places * returned_slots_),
                    .row_of = TensorView(row_of_.data(), DType::kI32, {num_tokens(), k}),
                    .expert_rows = tables_.expert_rows()});
  const int64_t hidden = options_.hidden_size;
  *batch = {.x = TensorView(input_.data(), act_, {max_rows, hidden}),
            .y = TensorView(output_.data(), act_, {max_rows, hidden}),
            .spans = spans,
            .likely_rows = std::min(max_rows, num_tokens() + places * k)};
  ops_.SelectRows(
      {.x = alone() ? x_ : PlacesX(places), .rows = Ints(sources_, max_rows), .y = batch->x});
  return absl::OkStatus();
}

absl::Status FixedExchange::BeginCombine() {
  if (alone()) return absl::OkStatus();
  const int64_t hidden = options_.hidden_size, returned = step_places_ * returned_slots_;
  const int64_t all = world_.size() * returned;  // `returned` are one rank's
  ops_.SelectRows(
      {.x = TensorView(output_.data(), act_, {MaxRows(num_tokens(), step_places_), hidden}),
       .rows = Ints(returned_, all),
       .y = TensorView(sent_.data(), act_, {all, hidden})});
  return world_.AllToAll(sent_.data(), received_.data(), returned * hidden * SizeOf(act_));
}

// Where the rank is alone, outputs stay where they are.
absl::Status FixedExchange::EndCombine(CombinedRows* combined) {
  const int64_t rows = alone() ? MaxRows(num_tokens(), num_tokens())
                               : world_.size() * step_places_ * returned_slots_;
  const Buffer& buffer = alone() ? output_ : received_;
  *combined = {
      .rows = TensorView(buffer.data(), act_, {rows, options_.hidden_size}),
      .row_of = TensorView(row_of_.data(), DType::kI32, {num_tokens(), options_.experts_per_token}),
      .shared = TensorView(output_.data(), act_, {num_tokens(), options_.hidden_size})};
  return absl::OkStatus();
}

}  // namespace switchyard::worker
