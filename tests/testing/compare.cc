#include "tests/testing/compare.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <string>

namespace switchyard::testing {
namespace {

std::string At(size_t index, int64_t columns) {
  const auto i = static_cast<int64_t>(index);
  return fmt::format("({}, {})", i / columns, i % columns);
}

bool SameKind(float got, double want) {
  if (std::isnan(want)) return std::isnan(got);
  if (std::isinf(want)) return std::isinf(got) && std::signbit(got) == std::signbit(want);
  return std::isfinite(got);
}

}  // namespace

::testing::AssertionResult Close(const Comparison& c) {
  if (c.got.size() != c.want.size()) {
    return ::testing::AssertionFailure() << c.got.size() << " values, expected " << c.want.size();
  }
  const double factor = c.epsilon * (8 + 4 * std::sqrt(static_cast<double>(c.num_terms)));
  double worst_share = 0, dot = 0, got_norm = 0, want_norm = 0;
  size_t worst = 0, num_beyond = 0;
  for (size_t i = 0; i < c.want.size(); ++i) {
    const double got = c.got[i], want = c.want[i];
    if (!SameKind(c.got[i], want)) {
      return ::testing::AssertionFailure()
             << At(i, c.columns) << ": got " << got << ", expected " << want;
    }
    if (!std::isfinite(want)) continue;
    const double bound = factor * (c.magnitude.empty() ? std::fabs(want) : c.magnitude[i]) + 1e-36;
    const double share = std::fabs(got - want) / bound;
    if (share > 1) ++num_beyond;
    if (share > worst_share) worst_share = share, worst = i;
    dot += got * want;
    got_norm += got * got;
    want_norm += want * want;
  }
  if (worst_share > 1) {
    return ::testing::AssertionFailure() << fmt::format(
               "{} of {} values are off; the worst at {}: got {:.9g}, expected {:.9g}, {:.3g} "
               "times the bound",
               num_beyond, c.want.size(), At(worst, c.columns), c.got[worst], c.want[worst],
               worst_share);
  }
  const double norms = std::sqrt(got_norm * want_norm);
  if (norms > 0 && dot / norms < c.min_cosine) {
    return ::testing::AssertionFailure()
           << fmt::format("cosine {:.9f}; the worst at {}: got {:.9g}, expected {:.9g}",
                          dot / norms, At(worst, c.columns), c.got[worst], c.want[worst]);
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult SameBits(std::span<const float> got, std::span<const float> want,
                                    int64_t columns) {
  if (got.size() != want.size()) {
    return ::testing::AssertionFailure() << got.size() << " values, expected " << want.size();
  }
  for (size_t i = 0; i < want.size(); ++i) {
    if (std::bit_cast<uint32_t>(got[i]) != std::bit_cast<uint32_t>(want[i])) {
      return ::testing::AssertionFailure() << fmt::format(
                 "{}: got {:.9g} ({:#x}), expected {:.9g} ({:#x})", At(i, columns), got[i],
                 std::bit_cast<uint32_t>(got[i]), want[i], std::bit_cast<uint32_t>(want[i]));
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace switchyard::testing
