// From logits to tokens. These ops wait for their results, so their times have the way to the host
// and back in them.
#include <fmt/format.h>

#include <memory>
#include <numeric>

#include "bench/kernels/cuda/op_case.h"
#include "bench/kernels/cuda/tensors.h"
#include "kernels/cases/logits.h"

namespace switchyard::bench {
namespace {

using namespace kernels;  // the bench is about nothing else

// Every row once, nothing cut.
std::vector<LogitRow> RowsOf(const LogitsCase& shape) {
  std::vector<LogitRow> rows(static_cast<size_t>(shape.rows));
  for (int32_t i = 0; i < shape.rows; ++i) rows[static_cast<size_t>(i)] = {.row = i, .max = 1.0f};
  return rows;
}

std::vector<int32_t> IdsOf(const LogitsCase& shape) {
  std::vector<int32_t> ids(static_cast<size_t>(shape.rows));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

// A case that reads the logits once. `run`: given the ops and the logits.
using Run = std::function<std::function<void()>(Ops&, const TensorView&)>;
OpCase CaseOf(const char* op, const LogitsCase& shape, const Run& run) {
  return {.op = op,
          .shape = fmt::format("{} rows of {}", shape.rows, shape.columns),
          .cost = {.bytes = static_cast<double>(shape.rows * shape.columns * 4)},
          .prepare = [=](Ops& ops) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>(ops.device());
            const auto call = run(ops, tensors->Random(DType::kF32, {shape.rows, shape.columns}));
            return [=] { call(), (void)tensors; };
          }};
}

OpCase HistogramCase(const LogitsCase& shape) {
  return CaseOf("LogitHistogram", shape, [=](Ops& ops, const TensorView& logits) {
    std::vector<LogitHistogramArgs::Search> searches;
    for (const LogitRow& row : RowsOf(shape)) searches.push_back({.row = row});
    const auto bins = static_cast<size_t>(shape.rows * LogitHistogramArgs::kBins);
    return [=, &ops, counts = std::vector<uint32_t>(bins),
            weights = std::vector<uint64_t>(bins)]() mutable {
      ops.LogitHistogram(
          {.logits = logits, .searches = searches, .counts = counts, .weights = weights});
    };
  });
}

OpCase EditCase(const LogitsCase& shape) {
  return CaseOf("EditLogits", shape, [=](Ops& ops, const TensorView& logits) {
    const int64_t words = EditLogitsArgs::MaskWords(shape.columns);
    const std::vector<uint32_t> masks(static_cast<size_t>(shape.rows * words), 0xffffffffu);
    std::vector<LogitEdit> edits;
    for (int32_t row = 0; row < shape.rows; ++row) {
      for (int32_t column = 0; column < std::min<int64_t>(64, shape.columns); ++column) {
        edits.push_back({.row = row, .column = column, .bias = 0.5f});
      }
    }
    const std::vector<EditLogitsArgs::Copy> copies = {
        {.from = 0, .to = static_cast<int32_t>(shape.rows - 1)}};
    return [=, &ops, rows = IdsOf(shape)] {
      ops.EditLogits({.logits = logits,
                      .copies = shape.rows > 1 ? std::span(copies) : std::span(copies).first(0),
                      .edits = edits,
                      .masked_rows = rows,
                      .masks = masks});
    };
  });
}

void AddCases(const LogitsCase& shape, std::vector<OpCase>* all) {
  const auto count = static_cast<size_t>(shape.rows);
  all->push_back(CaseOf("LogitMax", shape, [=](Ops& ops, const TensorView& logits) {
    return [=, &ops, rows = IdsOf(shape), peaks = std::vector<LogitPeak>(count)]() mutable {
      ops.LogitMax({.logits = logits, .rows = rows, .peaks = peaks});
    };
  }));
  all->push_back(HistogramCase(shape));
  all->push_back(CaseOf("LogitMassOf", shape, [=](Ops& ops, const TensorView& logits) {
    return [=, &ops, rows = RowsOf(shape), masses = std::vector<LogitMass>(count)]() mutable {
      ops.LogitMassOf({.logits = logits, .rows = rows, .with_surprise = true, .masses = masses});
    };
  }));
  all->push_back(CaseOf("LogitPick", shape, [=](Ops& ops, const TensorView& logits) {
    std::vector<LogitPickArgs::Pick> picks;
    // More than half of what there is, so that most of the row is walked.
    const auto target = static_cast<uint64_t>(0x1p38 * static_cast<double>(shape.columns));
    for (const LogitRow& row : RowsOf(shape)) picks.push_back({.row = row, .target = target});
    return [=, &ops, columns = std::vector<int32_t>(count)]() mutable {
      ops.LogitPick({.logits = logits, .picks = picks, .columns = columns});
    };
  }));
  all->push_back(CaseOf("LogitCollect", shape, [=](Ops& ops, const TensorView& logits) {
    constexpr int32_t kLimit = 64;
    std::vector<LogitCollectArgs::Collect> collects;
    for (const int32_t row : IdsOf(shape)) collects.push_back({.row = row, .least = 0.99f});
    return [=, &ops, found = std::vector<LogitPeak>(count * kLimit)]() mutable {
      ops.LogitCollect({.logits = logits, .collects = collects, .limit = kLimit, .found = found});
    };
  }));
  all->push_back(CaseOf("LogitGather", shape, [=](Ops& ops, const TensorView& logits) {
    const std::vector<int32_t> columns(count, 0);
    return [=, &ops, rows = IdsOf(shape), values = std::vector<float>(count)]() mutable {
      ops.LogitGather({.logits = logits, .rows = rows, .columns = columns, .values = values});
    };
  }));
  all->back().cost.bytes = static_cast<double>(shape.rows * 8);  // of single logits
  all->push_back(EditCase(shape));
}

}  // namespace

std::vector<OpCase> LogitCases(Extent extent) {
  std::vector<OpCase> all;
  if (extent == Extent::kBrief) {
    AddCases({.rows = 2, .columns = 4096}, &all);
    return all;
  }
  const int64_t columns = std::rbegin(kLogitsCases)->columns;  // the served one
  for (const int64_t rows : {1, 32, 128}) AddCases({.rows = rows, .columns = columns}, &all);
  return all;
}

}  // namespace switchyard::bench
