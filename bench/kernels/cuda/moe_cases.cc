// The gate and the combine.
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
    }
  }
  return all;
}

}  // namespace switchyard::bench
