#include "tests/kernels/reference/logits_reference.h"

#include <bit>
#include <cmath>

namespace switchyard::kernels::reference {

bool Keeps(const LogitCut& cut, float x) {
  return x >= cut.least && std::fabs(x - cut.center) <= cut.width;
}

double WeightOf(const LogitRow& row, float x) {
  return Keeps(row.cut, x) ? std::exp((double{x} - row.max) * row.inverse_temperature) : 0;
}

double SurpriseOf(const LogitRow& row, float x) {
  const double weight = WeightOf(row, x);
  return weight > 0 ? weight * (double{row.max} - x) * row.inverse_temperature : 0;
}

std::vector<Bin> Histogram(std::span<const float> x, const LogitHistogramArgs::Search& search) {
  std::vector<Bin> bins(LogitHistogramArgs::kBins);
  for (const float value : x) {
    if (!Keeps(search.row.cut, value)) continue;
    const float ordered = search.by_closeness ? -std::fabs(value - search.row.cut.center) : value;
    const uint64_t key = LogitKey(std::bit_cast<uint32_t>(ordered));
    if (key >> (32 - search.prefix_bits) != search.prefix) continue;
    Bin& bin = bins[(key >> (32 - search.prefix_bits - LogitHistogramArgs::kBits)) %
                    LogitHistogramArgs::kBins];
    ++bin.count;
    bin.weight += WeightOf(search.row, value);
  }
  return bins;
}

std::vector<LogitPeak> Collect(std::span<const float> x, float least, int32_t limit) {
  std::vector<LogitPeak> found;
  for (const bool equal : {false, true}) {
    for (size_t c = 0; c < x.size(); ++c) {
      const bool wanted = equal ? x[c] == least : x[c] > least;
      if (wanted) found.push_back({.logit = x[c], .column = static_cast<int32_t>(c)});
    }
  }
  found.resize(static_cast<size_t>(limit), {.logit = 0, .column = -1});
  return found;
}

}  // namespace switchyard::kernels::reference
