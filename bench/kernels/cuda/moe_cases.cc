// The gate, the combine, and the way of tokens to experts.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

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

// Rows begin where sectors do also with an odd width.
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
            const int64_t padded = PaddedToSectors(shape.hidden);
            const auto random = [&](DType type, int64_t count) {
              return tensors->Random(type, {count, padded}).Cols(0, shape.hidden);
            };
            const CombineRowsArgs args = {
                .rows = random(rows_type, num_rows),
                .row_of = tensors->Ints({tokens, shape.slots}, row_of),
                .weights = tensors->Random(DType::kF32, {tokens, shape.slots}),
                .base = random(DType::kBf16, tokens),
                .y = random(DType::kBf16, tokens)};
            return [=, &ops] { ops.CombineRows(args), (void)tensors; };
          }};
}

// `tokens` of each of kRanks, which hold every kRanks-th expert; ids follow one another.
constexpr int64_t kRanks = 8;

struct SpreadExperts {
  SpreadExperts(const cases::MoeCase& shape, int64_t tokens) {
    for (int64_t i = 0; i < tokens * shape.slots; ++i) {
      const int64_t first = i / shape.slots * 7 % (shape.experts - shape.slots);
      ids.push_back(static_cast<int32_t>(first + i % shape.slots));
    }
    for (int64_t e = 0; e < shape.experts; ++e) {
      rank_of.push_back(static_cast<int32_t>(e % kRanks));
      local_of.push_back(static_cast<int32_t>(e / kRanks));
    }
  }
  std::vector<int32_t> ids, rank_of, local_of;
};

OpCase RouteCase(const cases::MoeCase& shape, int64_t tokens) {
  const int64_t places = kRanks * tokens;
  return {.op = "RouteTokens",
          .shape = fmt::format("{}, {} tokens of {} ranks", shape.name, tokens, kRanks),
          .cost = {.bytes = static_cast<double>(places * shape.slots * 12)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const int64_t local = shape.experts / kRanks;
            const SpreadExperts spread(shape, places);
            const RouteTokensArgs args = {
                .ids = tensors->Ints({places, shape.slots}, spread.ids),
                .rank_of_expert = tensors->Ints({shape.experts}, spread.rank_of),
                .local_index_of_expert = tensors->Ints({shape.experts}, spread.local_of),
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

// What one of the ranks sends, and what each of them then gets: as many rows.
OpCase DispatchCase(const cases::MoeCase& shape, int64_t tokens) {
  const int64_t rows = tokens * std::min(shape.slots, kRanks);
  return {.op = "DispatchTokens",
          .shape = fmt::format("{}, {} tokens to {} ranks", shape.name, tokens, kRanks),
          .cost = {.bytes = static_cast<double>(tokens * shape.slots * 8 +
                                                rows * 4 * (shape.slots + 1))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const SpreadExperts spread(shape, tokens);
            const DispatchTokensArgs args = {
                .ids = tensors->Ints({tokens, shape.slots}, spread.ids),
                .rank_of_expert = tensors->Ints({shape.experts}, spread.rank_of),
                .local_index_of_expert = tensors->Ints({shape.experts}, spread.local_of),
                .counts = tensors->Zeros(DType::kI32, {kRanks, 2}),
                .tokens = tensors->Zeros(DType::kI32, {rows}),
                .experts = tensors->Zeros(DType::kI32, {rows, shape.slots}),
                .row_of = tensors->Zeros(DType::kI32, {tokens, shape.slots})};
            return [=, &ops] { ops.DispatchTokens(args), (void)tensors; };
          }};
}

// Rows with one expert each.
OpCase ReceiveCase(const cases::MoeCase& shape, int64_t tokens) {
  const int64_t rows = tokens * shape.slots;
  return {.op = "ReceiveTokens",
          .shape = fmt::format("{}, {} rows", shape.name, rows),
          .cost = {.bytes = static_cast<double>(rows * 4 * (shape.slots + 2))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const int64_t local = shape.experts / kRanks;
            std::vector<int32_t> lists;
            for (int64_t row = 0; row < rows; ++row) {
              lists.push_back(static_cast<int32_t>(row * 7 % local));
              lists.insert(lists.end(), static_cast<size_t>(shape.slots) - 1, -1);
            }
            const ReceiveTokensArgs args = {.experts = tensors->Ints({rows, shape.slots}, lists),
                                            .own_tokens = tokens,
                                            .spans = tensors->Zeros(DType::kI32, {local + 1, 2}),
                                            .sources = tensors->Zeros(DType::kI32, {rows}),
                                            .returned = tensors->Zeros(DType::kI32, {rows}),
                                            .expert_rows = tensors->Zeros(DType::kI32, {local})};
            return [=, &ops] { ops.ReceiveTokens(args), (void)tensors; };
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
      all.push_back(DispatchCase(shape, tokens));
      all.push_back(ReceiveCase(shape, tokens));
      all.push_back(SelectCase(shape, tokens));
    }
  }
  if (brief) {
    constexpr cases::MoeCase kByElements = {"hidden_of_60", 16, 1, 1, 2, 60};
    for (const DType type : {DType::kBf16, DType::kF32}) {
      all.push_back(CombineCase(kByElements, type, 8));
    }
  }
  return all;
}

}  // namespace switchyard::bench
