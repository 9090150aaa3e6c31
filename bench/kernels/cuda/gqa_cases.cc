// Grouped-query attention, and the write into its cache.
#include <fmt/format.h>

#include <memory>

#include "bench/kernels/cuda/op_case.h"
#include "bench/kernels/cuda/tensors.h"
#include "kernels/cases/attention.h"
#include "kernels/cases/gqa.h"

namespace switchyard::bench {
namespace {

using namespace kernels;  // the bench is about nothing else

constexpr int64_t kBlockTokens = 64;

int64_t Seen(const cases::GqaCase& shape, int64_t keys) {
  return shape.window == 0 ? keys : std::min(keys, shape.window);
}

TensorView SinksOf(Tensors& tensors, const cases::GqaCase& shape) {
  return shape.sinks ? tensors.Random(DType::kF32, {shape.heads}) : TensorView();
}

TensorView CacheOf(Tensors& tensors, const cases::GqaCase& shape, int64_t blocks) {
  return tensors.Random(DType::kBf16, {blocks, shape.kv_heads, 2 * kBlockTokens, shape.dim});
}

// Every row is a sequence of its own.
OpCase DecodeCase(const cases::GqaCase& shape, int64_t position, int64_t rows) {
  const int64_t keys = rows * Seen(shape, position + 1);
  return {.op = "GqaDecode",
          .shape = fmt::format("{}, {} rows at {}", shape.name, rows, position),
          .arithmetic = Arithmetic::kBf16,
          .cost = GqaCost({.queries = rows,
                           .keys = keys,
                           .pairs = keys,
                           .heads = shape.heads,
                           .kv_heads = shape.kv_heads,
                           .dim = shape.dim,
                           .activation = DType::kBf16}),
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const int64_t blocks = position / kBlockTokens + 1;
            const std::vector<int32_t> positions(static_cast<size_t>(rows),
                                                 static_cast<int32_t>(position));
            const auto table = std::make_shared<std::vector<int32_t>>(Ascending(0, rows * blocks));
            std::vector<const int32_t*> tables;
            for (int64_t row = 0; row < rows; ++row) tables.push_back(table->data() + row * blocks);
            const TensorView q = tensors->Random(DType::kBf16, {rows, shape.heads, shape.dim});
            const TensorView out = tensors->Zeros(DType::kBf16, {rows, shape.heads, shape.dim});
            const TensorView cache = CacheOf(*tensors, shape, rows * blocks);
            const TensorView sinks = SinksOf(*tensors, shape);
            return [=, &ops] {
              ops.GqaDecode({.q = q,
                             .positions = positions,
                             .cache = cache,
                             .tables = tables,
                             .scale = 0.1f,
                             .window = shape.window,
                             .sinks = sinks,
                             .out = out});
              (void)tensors, (void)table;
            };
          }};
}

// The last `tokens` of `keys`.
OpCase PrefillCase(const cases::GqaCase& shape, int64_t tokens, int64_t keys) {
  int64_t pairs = 0;
  for (int64_t t = keys - tokens; t < keys; ++t) pairs += Seen(shape, t + 1);
  return {.op = "GqaPrefill",
          .shape = fmt::format("{}, {} queries of {} keys", shape.name, tokens, keys),
          .arithmetic = Arithmetic::kBf16,
          .cost = GqaCost({.queries = tokens,
                           .keys = std::min(keys, Seen(shape, keys) + tokens - 1),
                           .pairs = pairs,
                           .heads = shape.heads,
                           .kv_heads = shape.kv_heads,
                           .dim = shape.dim,
                           .activation = DType::kBf16}),
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const std::vector<int32_t> positions = Ascending(keys - tokens, tokens);
            const std::vector<int32_t> table = Ascending(0, (keys - 1) / kBlockTokens + 1);
            const TensorView q = tensors->Random(DType::kBf16, {tokens, shape.heads, shape.dim});
            const TensorView out = tensors->Zeros(DType::kBf16, {tokens, shape.heads, shape.dim});
            const TensorView cache = CacheOf(*tensors, shape, std::ssize(table));
            const TensorView sinks = SinksOf(*tensors, shape);
            return [=, &ops] {
              ops.GqaPrefill({.q = q,
                              .positions = positions,
                              .cache = cache,
                              .table = table,
                              .scale = 0.1f,
                              .window = shape.window,
                              .sinks = sinks,
                              .out = out});
              (void)tensors;
            };
          }};
}

// One token of each of `rows` sequences, its keys rotated on the way. Slots and rows begin where
// sectors do also with heads of an odd width.
constexpr int64_t kSlotStep = 4;
OpCase WriteCase(const cases::GqaCase& shape, int64_t rows) {
  return {
      .op = "GqaWrite",
      .shape = fmt::format("{}, {} rows", shape.name, rows),
      .cost = {.bytes = static_cast<double>(rows * shape.dim * (shape.kv_heads * 10 + 4))},
      .prepare = [=](Ops& ops) -> std::function<void()> {
        const auto tensors = std::make_shared<Tensors>(ops.device());
        std::vector<int64_t> slots;
        for (int64_t row = 0; row < rows; ++row) {
          slots.push_back(row * kBlockTokens + row % 7 * kSlotStep);
        }
        const auto heads = [&] {
          const int64_t width = shape.kv_heads * shape.dim;
          return tensors->Random(DType::kBf16, {rows, PaddedToSectors(width)})
              .Cols(0, width)
              .Reshaped({rows, shape.kv_heads, shape.dim});
        };
        const TensorView k = heads(), v = heads();
        const TensorView cache =
            tensors->Zeros(DType::kBf16, {rows, shape.kv_heads, 2 * kBlockTokens, shape.dim});
        const std::vector<int32_t> positions = Ascending(0, rows);
        const TensorView table = tensors->Random(DType::kF32, {rows, shape.dim});
        return [=, &ops] {
          ops.GqaWrite(
              {.k = k,
               .v = v,
               .slots = slots,
               .cache = cache,
               .rotation = {.positions = positions, .table = table, .halves = shape.dim >= 64}});
          (void)tensors;
        };
      }};
}

}  // namespace

std::vector<OpCase> GqaCases(Extent extent) {
  std::vector<OpCase> all;
  if (extent == Extent::kBrief) {
    // The width of each kernel; two splits, which are merged.
    const cases::GqaCase widths[] = {{"gpt_oss_share", 16, 2, 64, 0, true},
                                     {"llama_8b_share", 8, 2, 128, 0, false},
                                     {"gemma3_4b_share", 4, 2, 256, 0, false}};
    for (const cases::GqaCase& shape : widths) {
      all.push_back(DecodeCase(shape, 600, 1));
      all.push_back(PrefillCase(shape, 64, 128));
    }
    all.push_back(WriteCase(widths[1], 8));
    all.push_back(WriteCase({"heads_of_20", 4, 1, 20, 0, false}, 8));  // by elements
    return all;
  }
  for (const cases::GqaCase& shape : cases::kServedGqa) {
    for (const int64_t position : cases::kDecodePositions) {
      for (const int64_t rows : {1, 32}) all.push_back(DecodeCase(shape, position, rows));
    }
    for (const int64_t tokens : cases::kPrefillTokens) {
      all.push_back(PrefillCase(shape, tokens, 4096));
    }
    for (const int64_t rows : {1, 128, 4096}) all.push_back(WriteCase(shape, rows));
  }
  return all;
}

}  // namespace switchyard::bench
