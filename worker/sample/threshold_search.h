// Finds what a cut leaves of a row (top-k, top-p, typical-p) without sorting it and without seeing
// it whole: the tokens' histogram by the first byte of their key tells in which bin the last kept
// token lies, that bin's histogram by the next byte in which part of it, and after four bytes the
// key of that token is known. Histograms are sums over ranks, so every rank finds the same.
#ifndef SWITCHYARD_WORKER_SAMPLE_THRESHOLD_SEARCH_H_
#define SWITCHYARD_WORKER_SAMPLE_THRESHOLD_SEARCH_H_

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/args/logits.h"

namespace switchyard::worker {

class ThresholdSearch {
 public:
  // Tokens are met in descending order of logits, or of closeness to row.cut.center, which must be
  // set then; only those that row.cut keeps.
  struct Order {
    kernels::LogitRow row;
    bool by_closeness = false;
  };
  // Keeps the first `count` tokens, and those equal to the last of them. REQUIRES: count > 0.
  static ThresholdSearch ForCount(const Order& order, uint64_t count);
  // Keeps the first tokens that together have this share of the weight, and those equal to the last
  // of them; one at least. REQUIRES: 0 < share < 1.
  static ThresholdSearch ForShare(const Order& order, double share);

  bool done() const { return level_.prefix_bits == 32; }
  // What to ask next. REQUIRES: !done().
  const kernels::LogitHistogramArgs::Search& level() const { return level_; }
  // The answer: kBins each. Bins hold tokens in ascending order.
  void Take(std::span<const uint32_t> counts, std::span<const uint64_t> weights);

  // REQUIRES: done(). The row's cut, narrowed to what is kept.
  kernels::LogitCut Narrowed() const;

 private:
  ThresholdSearch(const Order& order, bool by_count, uint64_t count, double share);

  kernels::LogitHistogramArgs::Search level_;
  bool by_count_;
  double share_;
  std::optional<uint64_t> wanted_;  // still missing, in tokens or weight; unset before level one
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_THRESHOLD_SEARCH_H_
