#include "kernels/cpu/logits.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cpu/logit_kernels.h"
#include "kernels/cpu/parallel_rows.h"

namespace switchyard::kernels::cpu {
namespace {

// Columns that are worked on at a time: their weights stay in the first cache.
constexpr int64_t kPiece = 512;

// body(begin, count) for the pieces of a row, until it returns false.
template <typename Body>
void ForEachPiece(int64_t columns, Body&& body) {
  for (int64_t begin = 0; begin < columns; begin += kPiece) {
    if (!body(begin, std::min(kPiece, columns - begin))) return;
  }
}

int64_t RowBytes(const TensorView& logits) { return logits.dims[1] * SizeOf(DType::kF32); }

// LogitEdit (args/logits.h).
float Edited(float x, const LogitEdit& edit) {
  if (!std::isfinite(x)) return x;
  if (std::isinf(edit.bias)) return edit.bias;
  constexpr float kMost = std::numeric_limits<float>::max();
  const float repeated = x > 0 ? x / edit.repetition : x * edit.repetition;
  return std::clamp(std::clamp(repeated, -kMost, kMost) + edit.bias, -kMost, kMost);
}

// One piece of a row. Where few tokens are met, only these are weighed.
void CountPiece(const LogitKernels& kernels, const float* x, int64_t n,
                const LogitHistogramArgs::Search& search, uint32_t* counts, uint64_t* weights) {
  uint32_t bins[kPiece];
  int64_t found[kPiece];
  kernels.find_bins(x, n, search, bins);
  const int64_t num_met = n - std::count(bins, bins + n, kNoBin);
  if (num_met == 0) return;
  const bool many = num_met > n / 16;
  if (many) kernels.weigh(x, n, search.row, found);
  for (int64_t i = 0; i < n; ++i) {
    if (bins[i] == kNoBin) continue;
    if (!many) kernels.weigh(x + i, 1, search.row, found + i);
    ++counts[bins[i]];
    weights[bins[i]] += static_cast<uint64_t>(found[i]);
  }
}

}  // namespace

void EditLogits(const CpuContext& cpu, const EditLogitsArgs& args) {
  const int64_t columns = args.logits.dims[1];
  for (const EditLogitsArgs::Copy& copy : args.copies) {
    std::memcpy(args.logits.row<float>(copy.to), args.logits.row<const float>(copy.from),
                static_cast<size_t>(RowBytes(args.logits)));
  }
  for (const LogitEdit& edit : args.edits) {
    float& x = args.logits.row<float>(edit.row)[edit.column];
    x = Edited(x, edit);
  }
  ForRows(cpu, std::ssize(args.masked_rows), RowBytes(args.logits), [&](int64_t m) {
    float* x = args.logits.row<float>(args.masked_rows[m]);
    const uint32_t* mask = args.masks.data() + m * EditLogitsArgs::MaskWords(columns);
    for (int64_t c = 0; c < columns; ++c) {
      x[c] = (mask[c / 32] >> (c % 32) & 1u) != 0 ? x[c] : -INFINITY;
    }
  });
}

void LogitMax(const CpuContext& cpu, const LogitMaxArgs& args) {
  const LogitKernels& kernels = LogitKernelsOf(cpu.isa);
  const int64_t columns = args.logits.dims[1];
  ForRows(cpu, std::ssize(args.rows), RowBytes(args.logits), [&](int64_t i) {
    const float* x = args.logits.row<const float>(args.rows[i]);
    const float largest = kernels.max(x, columns);
    const float* first = std::isnan(largest) ? x : std::find(x, x + columns, largest);
    args.peaks[i] = {.logit = largest, .column = static_cast<int32_t>(first - x)};
  });
}

void LogitHistogram(const CpuContext& cpu, const LogitHistogramArgs& args) {
  const LogitKernels& kernels = LogitKernelsOf(cpu.isa);
  const int64_t columns = args.logits.dims[1];
  std::fill(args.counts.begin(), args.counts.end(), 0u);
  std::fill(args.weights.begin(), args.weights.end(), uint64_t{0});
  ForRows(cpu, std::ssize(args.searches), RowBytes(args.logits), [&](int64_t i) {
    const LogitHistogramArgs::Search& search = args.searches[i];
    const float* x = args.logits.row<const float>(search.row.row);
    uint32_t* counts = args.counts.data() + i * LogitHistogramArgs::kBins;
    uint64_t* weights = args.weights.data() + i * LogitHistogramArgs::kBins;
    ForEachPiece(columns, [&](int64_t begin, int64_t count) {
      CountPiece(kernels, x + begin, count, search, counts, weights);
      return true;
    });
  });
}

void LogitMassOf(const CpuContext& cpu, const LogitMassArgs& args) {
  const LogitKernels& kernels = LogitKernelsOf(cpu.isa);
  ForRows(cpu, std::ssize(args.rows), RowBytes(args.logits), [&](int64_t i) {
    const float* x = args.logits.row<const float>(args.rows[i].row);
    LogitMass mass;
    int64_t piece[kPiece];
    ForEachPiece(args.logits.dims[1], [&](int64_t begin, int64_t count) {
      kernels.weigh(x + begin, count, args.rows[i], piece);
      for (int64_t j = 0; j < count; ++j) mass.weight += static_cast<uint64_t>(piece[j]);
      if (!args.with_surprise) return true;
      kernels.surprise(x + begin, count, args.rows[i], piece);
      for (int64_t j = 0; j < count; ++j) mass.surprise += static_cast<uint64_t>(piece[j]);
      return true;
    });
    args.masses[i] = mass;
  });
}

void LogitPick(const CpuContext& cpu, const LogitPickArgs& args) {
  const LogitKernels& kernels = LogitKernelsOf(cpu.isa);
  ForRows(cpu, std::ssize(args.picks), RowBytes(args.logits), [&](int64_t i) {
    const LogitPickArgs::Pick& pick = args.picks[i];
    const float* x = args.logits.row<const float>(pick.row.row);
    uint64_t sum = 0;
    int32_t column = -1;
    int64_t piece[kPiece];
    ForEachPiece(args.logits.dims[1], [&](int64_t begin, int64_t count) {
      kernels.weigh(x + begin, count, pick.row, piece);
      uint64_t after = sum;
      for (int64_t j = 0; j < count; ++j) after += static_cast<uint64_t>(piece[j]);
      if (after <= pick.target) {
        sum = after;
        return true;
      }
      int64_t j = 0;
      while ((sum += static_cast<uint64_t>(piece[j])) <= pick.target) ++j;
      column = static_cast<int32_t>(begin + j);
      return false;
    });
    args.columns[i] = column;
  });
}

void LogitCollect(const CpuContext& cpu, const LogitCollectArgs& args) {
  const int64_t columns = args.logits.dims[1];
  ForRows(cpu, std::ssize(args.collects), RowBytes(args.logits), [&](int64_t i) {
    const LogitCollectArgs::Collect& collect = args.collects[i];
    const float* x = args.logits.row<const float>(collect.row);
    LogitPeak* found = args.found.data() + i * args.limit;
    int32_t num_found = 0;
    const auto take = [&](auto wanted) {
      for (int64_t c = 0; c < columns && num_found < args.limit; ++c) {
        if (wanted(x[c])) {
          found[num_found++] = {.logit = x[c], .column = static_cast<int32_t>(c)};
        }
      }
    };
    take([&](float logit) { return logit > collect.least; });
    take([&](float logit) { return logit == collect.least; });
    for (int32_t rest = num_found; rest < args.limit; ++rest) found[rest] = {.column = -1};
  });
}

void LogitGather(const CpuContext& /*cpu*/, const LogitGatherArgs& args) {
  for (size_t i = 0; i < args.rows.size(); ++i) {
    args.values[i] = args.logits.row<const float>(args.rows[i])[args.columns[i]];
  }
}

}  // namespace switchyard::kernels::cpu
