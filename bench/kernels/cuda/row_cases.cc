// Ops that walk rows.
#include <fmt/format.h>

#include <memory>
#include <numeric>

#include "bench/kernels/cuda/op_case.h"
#include "bench/kernels/cuda/tensors.h"
#include "kernels/cases/rows.h"

namespace switchyard::bench {
namespace {

using namespace kernels;  // the bench is about nothing else

std::string ShapeOf(int64_t rows, int64_t width) {
  return fmt::format("{} rows of {}", rows, width);
}

double Bytes(int64_t elements, int64_t each) { return static_cast<double>(elements * each); }

std::vector<int32_t> Ascending(int64_t count) {
  std::vector<int32_t> values(static_cast<size_t>(count));
  std::iota(values.begin(), values.end(), 0);
  return values;
}

OpCase NormCase(int64_t rows, int64_t width) {
  return {.op = "RmsNorm",
          .shape = ShapeOf(rows, width) + " and the residual",
          .cost = {.bytes = Bytes(rows * width, 8)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const RmsNormArgs args = {.x = tensors->Random(DType::kBf16, {rows, width}),
                                      .delta = tensors->Zeros(DType::kBf16, {rows, width}),
                                      .weight = tensors->Random(DType::kF32, {width}),
                                      .eps = 1e-6f,
                                      .y = tensors->Zeros(DType::kBf16, {rows, width})};
            return [=, &ops] { ops.RmsNorm(args), (void)tensors; };
          }};
}

// A norm between products that quantise: of the residual for several layers, or for one alone.
OpCase QuantisedNormCase(int64_t rows, int64_t width, bool alone) {
  const int64_t bytes = alone ? 7 : 9;  // of an element
  return {.op = "RmsNorm",
          .shape = ShapeOf(rows, width) +
                   (alone ? " and the residual, to e4m3 alone" : " and the residual, to e4m3 too"),
          .cost = {.bytes = Bytes(rows * width, bytes)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            RmsNormArgs args = {.x = tensors->Random(DType::kBf16, {rows, width}),
                                .delta = tensors->Zeros(DType::kBf16, {rows, width}),
                                .weight = tensors->Random(DType::kF32, {width}),
                                .eps = 1e-6f};
            if (!alone) args.y = tensors->Zeros(DType::kBf16, {rows, width});
            const TensorView memory =
                tensors->Zeros(DType::kF8E4M3, {ops.QuantisedBytes(rows, width)});
            args.quantised = {.data = memory.data, .rows = rows, .columns = width};
            return [=, &ops] { ops.RmsNorm(args), (void)tensors; };
          }};
}

OpCase AddCase(DType delta, int64_t rows, int64_t width) {
  return {.op = "Add",
          .shape = fmt::format("{}, {}", ShapeOf(rows, width), Name(delta)),
          .cost = {.bytes = Bytes(rows * width, 4 + SizeOf(delta))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const AddArgs args = {.x = tensors->Random(DType::kBf16, {rows, width}),
                                  .delta = tensors->Random(delta, {rows, width})};
            return [=, &ops] { ops.Add(args), (void)tensors; };
          }};
}

OpCase EmbeddingCase(DType table, int64_t rows, int64_t width) {
  constexpr int64_t kTokens = 1024;  // of the table
  return {.op = "Embedding",
          .shape = fmt::format("{} from {}", ShapeOf(rows, width), Name(table)),
          .cost = {.bytes = Bytes(rows * width, SizeOf(table) + 2)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            std::vector<int32_t> ids = Ascending(rows);
            for (int32_t& id : ids) id = id * 37 % kTokens;
            const TensorView from = tensors->Random(table, {kTokens, width});
            const TensorView y = tensors->Zeros(DType::kBf16, {rows, width});
            return [=, &ops] { ops.Embedding({.ids = ids, .table = from, .y = y}), (void)tensors; };
          }};
}

OpCase RopeCase(int64_t rows, int64_t heads) {
  constexpr int64_t kDim = 64, kPositions = 4096;
  return {.op = "Rope",
          .shape = fmt::format("{} rows, {} heads of {}", rows, heads, kDim),
          .cost = {.bytes = Bytes(rows * heads * kDim, 4)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const TensorView x = tensors->Random(DType::kBf16, {rows, heads, kDim});
            const TensorView table = tensors->Random(DType::kF32, {kPositions, kDim});
            const std::vector<int32_t> positions = Ascending(rows);
            return [=, &ops] {
              ops.Rope({.x = x, .positions = positions, .table = table}), (void)tensors;
            };
          }};
}

OpCase GatherCase(int64_t rows, int64_t width) {
  return {.op = "GatherRows",
          .shape = ShapeOf(rows, width),
          .cost = {.bytes = Bytes(rows * width, 4)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            std::vector<int32_t> from = Ascending(rows);
            for (int32_t& row : from) row = static_cast<int32_t>((row * 37 + 5) % rows);
            const TensorView x = tensors->Random(DType::kBf16, {rows, width});
            const TensorView y = tensors->Zeros(DType::kBf16, {rows, width});
            return [=, &ops] { ops.GatherRows({.x = x, .rows = from, .y = y}), (void)tensors; };
          }};
}

OpCase CastCase(DType from, DType to, int64_t rows, int64_t width) {
  return {.op = "Cast",
          .shape = fmt::format("{}, {} to {}", ShapeOf(rows, width), Name(from), Name(to)),
          .cost = {.bytes = Bytes(rows * width, SizeOf(from) + SizeOf(to))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const CastArgs args = {.x = tensors->Random(from, {rows, width}),
                                   .y = tensors->Zeros(to, {rows, width})};
            return [=, &ops] { ops.Cast(args), (void)tensors; };
          }};
}

OpCase TreeCase(DType to, int64_t parts, int64_t count) {
  return {.op = "TreeSum",
          .shape = fmt::format("{} parts of {} to {}", parts, count, Name(to)),
          .cost = {.bytes = Bytes(count, parts * 4 + SizeOf(to))},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const TreeSumArgs args = {.parts = tensors->Random(DType::kF32, {parts, count}),
                                      .y = tensors->Zeros(to, {count})};
            return [=, &ops] { ops.TreeSum(args), (void)tensors; };
          }};
}

OpCase LargestCase(int64_t parts, int64_t count) {
  return {.op = "LargestPart",
          .shape = fmt::format("{} parts of {}", parts, count),
          .cost = {.bytes = Bytes(count, parts * 4 + 4)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const LargestPartArgs args = {.parts = tensors->Random(DType::kF32, {parts, count}),
                                          .y = tensors->Zeros(DType::kF32, {count})};
            return [=, &ops] { ops.LargestPart(args), (void)tensors; };
          }};
}

}  // namespace

std::vector<OpCase> RowCases(Extent extent) {
  std::vector<OpCase> all;
  const bool brief = extent == Extent::kBrief;
  for (const int64_t width : cases::kServedWidths) {
    for (const int64_t rows : cases::kRowCounts) {
      if (brief && (width != 2048 || rows != 8)) continue;
      all.push_back(NormCase(rows, width));
      all.push_back(QuantisedNormCase(rows, width, /*alone=*/false));
      all.push_back(QuantisedNormCase(rows, width, /*alone=*/true));
      all.push_back(AddCase(DType::kBf16, rows, width));
      all.push_back(AddCase(DType::kF32, rows, width));
      for (const DType table : {DType::kBf16, DType::kF16, DType::kF32}) {
        all.push_back(EmbeddingCase(table, rows, width));
      }
      all.push_back(GatherCase(rows, width));
      for (const DType from : {DType::kBf16, DType::kF32}) {
        all.push_back(CastCase(from, DType::kBf16, rows, width));
        all.push_back(CastCase(from, DType::kF32, rows, width));
        all.push_back(TreeCase(from, 8, rows * width));
      }
      all.push_back(RopeCase(rows, width / 64));
      all.push_back(LargestCase(8, rows * width / 128));
    }
  }
  return all;
}

}  // namespace switchyard::bench
