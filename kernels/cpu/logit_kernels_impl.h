// Plain loops that the compiler turns into vectors, static so that every file which includes them
// compiles its own copy for its instruction set. Each operation rounds once (no fused
// multiply-add), so all copies give the same bits. Included by logit_kernels_*.cc alone.
#ifndef SWITCHYARD_KERNELS_CPU_LOGIT_KERNELS_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_LOGIT_KERNELS_IMPL_H_

#include "kernels/cpu/logit_kernels.h"
#include "kernels/cpu/row_math.h"

namespace switchyard::kernels::cpu {

static float MaxLogit(const float* x, int64_t n) {
  constexpr int kLanes = 16;  // a maximum is the same in any order
  float lanes[kLanes];
  bool broken[kLanes] = {};
  for (float& lane : lanes) lane = x[0];
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float value = x[i + lane];
      lanes[lane] = value > lanes[lane] ? value : lanes[lane];
      broken[lane] |= value != value;
    }
  }
  for (; i < n; ++i) {
    lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    broken[0] |= x[i] != x[i];
  }
  bool any_broken = x[0] != x[0];
  for (int lane = 0; lane < kLanes; ++lane) {
    lanes[0] = lanes[lane] > lanes[0] ? lanes[lane] : lanes[0];
    any_broken |= broken[lane];
  }
  return any_broken ? FloatOf(0x7fc00000u) : lanes[0];
}

static inline bool Keeps(const LogitCut& cut, float x) {
  const float distance = FloatOf(FloatBits(x - cut.center) & 0x7fffffffu);
  return (x >= cut.least) & (distance <= cut.width);
}

// y[i] = int64(value(x[i])). In two loops, for AVX2 has no vectors that turn floats into 64 bits.
template <typename Value>
static void ToInt64(const float* x, int64_t n, Value value, int64_t* y) {
  constexpr int64_t kRun = 256;
  float run[kRun];
  for (int64_t begin = 0; begin < n; begin += kRun) {
    const int64_t count = n - begin < kRun ? n - begin : kRun;
    for (int64_t i = 0; i < count; ++i) run[i] = value(x[begin + i]);
    for (int64_t i = 0; i < count; ++i) y[begin + i] = static_cast<int64_t>(run[i]);
  }
}

static void WeighLogits(const float* x, int64_t n, const LogitRow& row, int64_t* weights) {
  const auto weigh = [r = row](float logit) {
    const float weight = Exp((logit - r.max) * r.inverse_temperature);
    return (Keeps(r.cut, logit) ? weight : 0.0f) * kLogitWeightOne;
  };
  ToInt64(x, n, weigh, weights);
}

static void FindBins(const float* x, int64_t n, const LogitHistogramArgs::Search& search,
                     uint32_t* bins) {
  const LogitCut cut = search.row.cut;
  const uint32_t prefix = search.prefix;
  const int rest_less_one = 31 - search.prefix_bits;  // no type may be shifted by all its bits
  const int shift = 32 - search.prefix_bits - LogitHistogramArgs::kBits;
  const bool by_closeness = search.by_closeness;
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t distance = FloatBits(x[i] - cut.center) & 0x7fffffffu;
    const uint32_t key = LogitKey(by_closeness ? distance | 0x80000000u : FloatBits(x[i]));
    const bool found = Keeps(cut, x[i]) & (((key >> rest_less_one) >> 1) == prefix);
    bins[i] = found ? (key >> shift) % LogitHistogramArgs::kBins : kNoBin;
  }
}

static void SurpriseOfLogits(const float* x, int64_t n, const LogitRow& row, int64_t* surprises) {
  const auto surprise_of = [r = row](float logit) {
    const float surprise = (r.max - logit) * r.inverse_temperature;
    const float weight = Exp(-surprise);
    const float product = weight > 0.0f ? weight * surprise : 0.0f;  // where a surprise is infinite
    return (Keeps(r.cut, logit) ? product : 0.0f) * kLogitWeightOne;
  };
  ToInt64(x, n, surprise_of, surprises);
}

static constexpr LogitKernels kLogitKernels = {
    .max = MaxLogit, .weigh = WeighLogits, .find_bins = FindBins, .surprise = SurpriseOfLogits};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_LOGIT_KERNELS_IMPL_H_
