#include "worker/sample/threshold_search.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace switchyard::worker {

using kernels::LogitHistogramArgs;

ThresholdSearch::ThresholdSearch(const Order& order, bool by_count, uint64_t count, double share)
    : level_{.row = order.row, .by_closeness = order.by_closeness},
      by_count_(by_count),
      share_(share) {
  if (by_count) wanted_ = count;
}

ThresholdSearch ThresholdSearch::ForCount(const Order& order, uint64_t count) {
  SY_CHECK_GT(count, 0u);
  return ThresholdSearch(order, true, count, 0);
}

ThresholdSearch ThresholdSearch::ForShare(const Order& order, double share) {
  SY_CHECK(share > 0 && share < 1) << share;
  return ThresholdSearch(order, false, 0, share);
}

void ThresholdSearch::Take(std::span<const uint32_t> counts, std::span<const uint64_t> weights) {
  SY_CHECK(!done());
  if (!wanted_) {
    const uint64_t total = std::accumulate(weights.begin(), weights.end(), uint64_t{0});
    const auto part = static_cast<uint64_t>(std::ceil(share_ * static_cast<double>(total)));
    wanted_ = std::clamp<uint64_t>(part, 1, std::max<uint64_t>(total, 1));
  }
  // From the top down to the bin in which the wanted amount is reached; else the lowest that has
  // anything, which keeps all.
  int chosen = 0;
  for (int bin = LogitHistogramArgs::kBins - 1; bin >= 0; --bin) {
    if (counts[bin] == 0) continue;
    chosen = bin;
    const uint64_t amount = by_count_ ? counts[bin] : weights[bin];
    if (amount >= *wanted_) break;
    *wanted_ -= amount;
  }
  level_.prefix = level_.prefix << LogitHistogramArgs::kBits | static_cast<uint32_t>(chosen);
  level_.prefix_bits += LogitHistogramArgs::kBits;
}

kernels::LogitCut ThresholdSearch::Narrowed() const {
  SY_CHECK(done());
  const float last = std::bit_cast<float>(kernels::LogitOfKey(level_.prefix));
  kernels::LogitCut cut = level_.row.cut;
  if (level_.by_closeness) {
    cut.width = std::min(cut.width, -last);
  } else {
    cut.least = std::max(cut.least, last);
  }
  return cut;
}

}  // namespace switchyard::worker
