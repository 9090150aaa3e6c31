// The gate, the combine, and the way of tokens to experts.
#include <fmt/format.h>

#include <memory>

#include "bench/kernels/cuda/op_case.h"
#include "bench/kernels/cuda/tensors.h"
#include "kernels/cases/moe.h"

namespace switchyard::bench {
namespace {

using namespace kernels;  // the bench is about nothing else

OpCase GateCase(const cases::MoeCase& shape, int64_t tokens) {
  return {.op = "Gate",
          .shape = fmt::format("{}, {} tokens", shape.name, tokens),
          .cost = {.bytes = static_cast<double>(tokens * (shape.experts * 4 + shape.slots * 8))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const GateArgs args = {.logits = tensors->Random(DType::kF32, {tokens, shape.experts}),
                                   .bias = tensors->Zeros(DType::kF32, {shape.experts}),
                                   .num_groups = shape.groups,
                                   .top_groups = shape.top_groups,
                                   .scale = 2.5f,
                                   .ids = tensors->Zeros(DType::kI32, {tokens, shape.slots}),
                                   .weights = tensors->Zeros(DType::kF32, {tokens, shape.slots})};
            return [=, &ops] { ops.Gate(args), (void)tensors; };
          }};
}

OpCase CombineCase(const cases::MoeCase& shape, DType rows_type, int64_t tokens) {
  const int64_t num_rows = tokens * shape.slots;
  return {.op = "CombineRows",
          .shape = fmt::format("{} {}, {} tokens", shape.name, Name(rows_type), tokens),
          .cost = {.bytes = static_cast<double>(num_rows * shape.hidden * SizeOf(rows_type) +
                                                tokens * shape.hidden * 4)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            std::vector<int32_t> row_of(static_cast<size_t>(num_rows));
            for (int64_t i = 0; i < num_rows; ++i) {
              row_of[static_cast<size_t>(i)] = static_cast<int32_t>((i * 37 + 5) % num_rows);
            }
            const CombineRowsArgs args = {
                .rows = tensors->Random(rows_type, {num_rows, shape.hidden}),
                .row_of = tensors->Ints({tokens, shape.slots}, row_of),
                .weights = tensors->Random(DType::kF32, {tokens, shape.slots}),
                .base = tensors->Random(DType::kBf16, {tokens, shape.hidden}),
                .y = tensors->Zeros(DType::kBf16, {tokens, shape.hidden})};
            return [=, &ops] { ops.CombineRows(args), (void)tensors; };
          }};
}

// `tokens` of each of kRanks, which hold every kRanks-th expert; ids follow one another.
constexpr int64_t kRanks = 8;

OpCase RouteCase(const cases::MoeCase& shape, int64_t tokens) {
  const int64_t places = kRanks * tokens;
  return {.op = "RouteTokens",
          .shape = fmt::format("{}, {} tokens of {} ranks", shape.name, tokens, kRanks),
          .cost = {.bytes = static_cast<double>(places * shape.slots * 12)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const int64_t local = shape.experts / kRanks;
            std::vector<int32_t> ids, rank_of, local_of;
            for (int64_t i = 0; i < places * shape.slots; ++i) {
              const int64_t first = i / shape.slots * 7 % (shape.experts - shape.slots);
              ids.push_back(static_cast<int32_t>(first + i % shape.slots));
            }
            for (int64_t e = 0; e < shape.experts; ++e) {
              rank_of.push_back(static_cast<int32_t>(e % kRanks));
              local_of.push_back(static_cast<int32_t>(e / kRanks));
            }
            const RouteTokensArgs args = {
                .ids = tensors->Ints({places, shape.slots}, ids),
                .rank_of_expert = tensors->Ints({shape.experts}, rank_of),
                .local_index_of_expert = tensors->Ints({shape.experts}, local_of),
                .num_ranks = kRanks,
                .own_tokens = tokens,
                .returned_slots = shape.slots,
                .spans = tensors->Zeros(DType::kI32, {local + 1, 2}),
                .places = tensors->Zeros(DType::kI32, {tokens + places * shape.slots}),
                .returned = tensors->Zeros(DType::kI32, {places * shape.slots}),
                .row_of = tensors->Zeros(DType::kI32, {tokens, shape.slots}),
                .expert_rows = tensors->Zeros(DType::kI32, {local})};
            return [=, &ops] { ops.RouteTokens(args), (void)tensors; };
          }};
}

OpCase PlaceCase(const cases::MoeCase& shape, int64_t tokens) {
  return {.op = "PlaceTokens",
          .shape = fmt::format("{}, {} tokens", shape.name, tokens),
          .cost = {.bytes = static_cast<double>(tokens * (shape.hidden * 4 + shape.slots * 8))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const PlaceTokensArgs args = {
                .x = tensors->Random(DType::kBf16, {tokens, shape.hidden}),
                .ids = tensors->Zeros(DType::kI32, {tokens, shape.slots}),
                .places_x = tensors->Zeros(DType::kBf16, {tokens, shape.hidden}),
                .places_ids = tensors->Zeros(DType::kI32, {tokens, shape.slots})};
            return [=, &ops] { ops.PlaceTokens(args), (void)tensors; };
          }};
}

// Of places for `tokens` of all slots, every second holds a row.
OpCase SelectCase(const cases::MoeCase& shape, int64_t tokens) {
  const int64_t places = tokens * shape.slots;
  return {.op = "SelectRows",
          .shape = fmt::format("{}, {} of {} rows", shape.name, places / 2, places),
          .cost = {.bytes = static_cast<double>(places / 2 * shape.hidden * 4)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            std::vector<int32_t> rows;
            for (int64_t i = 0; i < places; ++i) {
              rows.push_back(static_cast<int32_t>(i % 2 == 0 ? i / shape.slots : -1));
            }
            const SelectRowsArgs args = {.x = tensors->Random(DType::kBf16, {tokens, shape.hidden}),
                                         .rows = tensors->Ints({places}, rows),
                                         .y = tensors->Zeros(DType::kBf16, {places, shape.hidden})};
            return [=, &ops] { ops.SelectRows(args), (void)tensors; };
          }};
}

}  // namespace

std::vector<OpCase> MoeCases(Extent extent) {
  std::vector<OpCase> all;
  const bool brief = extent == Extent::kBrief;
  for (const cases::MoeCase& shape : cases::kServedMoe) {
    for (const int64_t tokens : cases::kMoeTokens) {
      if (brief && (&shape != cases::kServedMoe || tokens != 8)) continue;
      all.push_back(GateCase(shape, tokens));
      all.push_back(CombineCase(shape, DType::kBf16, tokens));
      all.push_back(CombineCase(shape, DType::kF32, tokens));
      all.push_back(PlaceCase(shape, tokens));
      all.push_back(RouteCase(shape, tokens));
      all.push_back(SelectCase(shape, tokens));
    }
  }
  return all;
}

}  // namespace switchyard::bench
