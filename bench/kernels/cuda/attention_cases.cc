// Attention over latents, and the latent cache.
#include <fmt/format.h>

#include <memory>

#include "bench/kernels/cuda/op_case.h"
#include "bench/kernels/cuda/tensors.h"
#include "kernels/cases/attention.h"

namespace switchyard::bench {
namespace {

using namespace kernels;  // the bench is about nothing else

constexpr int64_t kBlockTokens = 64;

// Every row is a sequence of its own.
OpCase DecodeCase(const cases::AttentionCase& shape, int64_t position, int64_t rows) {
  const int64_t width = shape.latent + shape.rope;
  const double keys = static_cast<double>(rows * (position + 1));
  const double queries = static_cast<double>(rows * shape.heads);
  return {.op = "DecodeAttention",
          .shape = fmt::format("{}, {} rows at {}", shape.name, rows, position),
          .arithmetic = Arithmetic::kBf16,
          .cost = {.bytes = keys * static_cast<double>(width) * 2 +
                            queries * static_cast<double>(width + shape.latent) * 2,
                   .flops = keys * static_cast<double>(shape.heads * 2 * (width + shape.latent))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const int64_t blocks = position / kBlockTokens + 1;
            const std::vector<int32_t> positions(static_cast<size_t>(rows),
                                                 static_cast<int32_t>(position));
            const auto table = std::make_shared<std::vector<int32_t>>(Ascending(0, rows * blocks));
            std::vector<const int32_t*> tables;
            for (int64_t row = 0; row < rows; ++row) tables.push_back(table->data() + row * blocks);
            const TensorView qa = tensors->Random(DType::kBf16, {rows, shape.heads, shape.latent});
            const TensorView q_pe = tensors->Random(DType::kBf16, {rows, shape.heads, shape.rope});
            const TensorView cache =
                tensors->Random(DType::kBf16, {rows * blocks, kBlockTokens, width});
            const TensorView out = tensors->Zeros(DType::kBf16, {rows, shape.heads, shape.latent});
            return [=, &ops] {
              ops.DecodeAttention({.qa = qa,
                                   .q_pe = q_pe,
                                   .positions = positions,
                                   .cache = cache,
                                   .tables = tables,
                                   .scale = 0.05f,
                                   .out = out});
              (void)tensors, (void)table;
            };
          }};
}

// The last `tokens` of `keys`, tile after tile.
OpCase PrefillCase(const cases::AttentionCase& shape, int64_t tokens, int64_t keys) {
  const int64_t key_width = shape.nope + shape.rope;
  const double pairs = static_cast<double>(tokens) *
                       (static_cast<double>(keys) - static_cast<double>(tokens - 1) / 2);
  const int64_t kv_width = shape.nope + shape.value;
  return {
      .op = "PrefillAttention",
      .shape = fmt::format("{}, {} queries of {} keys", shape.name, tokens, keys),
      .arithmetic = Arithmetic::kBf16,
      .cost = {.bytes = 2.0 * static_cast<double>(shape.heads) *
                        static_cast<double>(tokens * (key_width + shape.value) + keys * kv_width),
               .flops = pairs * static_cast<double>(shape.heads * 2 * (key_width + shape.value))},
      .prepare = [=](Ops& ops) -> std::function<void()> {
        const auto tensors = std::make_shared<Tensors>(ops.device());
        const std::vector<int32_t> positions = Ascending(keys - tokens, tokens);
        const TensorView q = tensors->Random(DType::kBf16, {tokens, shape.heads, key_width});
        const TensorView kv = tensors->Random(DType::kBf16, {keys, shape.heads, kv_width});
        const TensorView k_pe = tensors->Random(DType::kBf16, {keys, shape.rope});
        const TensorView state =
            tensors->Zeros(DType::kF32, {tokens, shape.heads, shape.value + 2});
        const TensorView out = tensors->Zeros(DType::kBf16, {tokens, shape.heads, shape.value});
        return [=, &ops] {
          for (int64_t begin = 0; begin < keys; begin += kPrefillTileTokens) {
            const int64_t count = std::min(kPrefillTileTokens, keys - begin);
            ops.PrefillAttention({.q = q,
                                  .positions = positions,
                                  .kv = kv.Rows(begin, count),
                                  .k_pe = k_pe.Rows(begin, count),
                                  .tile_begin = begin,
                                  .scale = 0.07f,
                                  .state = state,
                                  .last = begin + count == keys,
                                  .out = out,
                                  .bf16 = true});
          }
          (void)tensors;
        };
      }};
}

// One latent for each of `rows` sequences, its key rotated on the way.
OpCase WriteCase(int64_t latent, int64_t rope, int64_t rows) {
  return {
      .op = "LatentWrite",
      .shape = fmt::format("{} rows of {} + {}", rows, latent, rope),
      .cost = {.bytes = static_cast<double>(rows * (latent * 4 + rope * 10))},
      .prepare = [=](Ops& ops) -> std::function<void()> {
        const auto tensors = std::make_shared<Tensors>(ops.device());
        std::vector<int64_t> slots;
        for (int64_t row = 0; row < rows; ++row) slots.push_back(row * kBlockTokens + row % 7);
        const TensorView c = tensors->Random(DType::kBf16, {rows, latent});
        const TensorView k_pe = tensors->Random(DType::kBf16, {rows, rope});
        const TensorView cache = tensors->Zeros(DType::kBf16, {rows, kBlockTokens, latent + rope});
        const std::vector<int32_t> positions = Ascending(0, rows);
        const TensorView table = tensors->Random(DType::kF32, {rows, rope});
        return [=, &ops] {
          ops.LatentWrite({.c = c,
                           .k_pe = k_pe,
                           .slots = slots,
                           .cache = cache,
                           .rotation = {.positions = positions, .table = table}});
          (void)tensors;
        };
      }};
}

OpCase GatherCase(int64_t latent, int64_t rope, int64_t count) {
  return {
      .op = "LatentGather",
      .shape = fmt::format("{} rows of {} + {}", count, latent, rope),
      .cost = {.bytes = static_cast<double>(count * (latent + rope) * 4)},
      .prepare = [=](Ops& ops) -> std::function<void()> {
        const auto tensors = std::make_shared<Tensors>(ops.device());
        const int64_t blocks = (count + kBlockTokens - 1) / kBlockTokens;
        const std::vector<int32_t> table = Ascending(0, blocks);
        const TensorView cache =
            tensors->Random(DType::kBf16, {blocks, kBlockTokens, latent + rope});
        const TensorView c = tensors->Zeros(DType::kBf16, {count, latent});
        const TensorView k_pe = tensors->Zeros(DType::kBf16, {count, rope});
        return [=, &ops] {
          ops.LatentGather({.cache = cache, .table = table, .count = count, .c = c, .k_pe = k_pe});
          (void)tensors;
        };
      }};
}

}  // namespace

std::vector<OpCase> AttentionCases(Extent extent) {
  std::vector<OpCase> all;
  constexpr int64_t kLatent = 512, kRope = 64;
  if (extent == Extent::kBrief) {
    // Two splits each, which are merged; all three kernels of the served head counts.
    for (const cases::AttentionCase& shape : cases::kServedAttention) {
      all.push_back(DecodeCase(shape, 600, 1));
    }
    all.push_back(DecodeCase({"v3_32_heads", 32, 128, 64, 128, 512}, 600, 1));
    all.push_back(PrefillCase(cases::kServedAttention[1], 64, 128));
    // The kernels of other widths.
    all.push_back(DecodeCase({"64_heads_of_256", 64, 128, 64, 128, 256}, 600, 1));
    all.push_back(PrefillCase({"values_of_192", 2, 128, 64, 192, 512}, 64, 128));
    all.push_back(WriteCase(kLatent, kRope, 8));
    all.push_back(GatherCase(kLatent, kRope, 128));
    return all;
  }
  for (const cases::AttentionCase& shape : cases::kServedAttention) {
    for (const int64_t position : cases::kDecodePositions) {
      for (const int64_t rows : {1, 32}) all.push_back(DecodeCase(shape, position, rows));
    }
    for (const int64_t tokens : cases::kPrefillTokens) {
      all.push_back(PrefillCase(shape, tokens, 4096));
    }
  }
  for (const int64_t rows : {1, 128, 4096}) {
    all.push_back(WriteCase(kLatent, kRope, rows));
    all.push_back(GatherCase(kLatent, kRope, rows));
  }
  return all;
}

}  // namespace switchyard::bench
