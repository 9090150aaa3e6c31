// The ops on logits, written down as their header says it: in double precision, by sorting.
#ifndef SWITCHYARD_TESTS_KERNELS_REFERENCE_LOGITS_REFERENCE_H_
#define SWITCHYARD_TESTS_KERNELS_REFERENCE_LOGITS_REFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/args/logits.h"

namespace switchyard::kernels::reference {

bool Keeps(const LogitCut& cut, float x);
// In units of one, not of 2^-40.
double WeightOf(const LogitRow& row, float x);
double SurpriseOf(const LogitRow& row, float x);

struct Bin {
  uint32_t count = 0;
  double weight = 0;
};
// [kBins]
std::vector<Bin> Histogram(std::span<const float> x, const LogitHistogramArgs::Search& search);

std::vector<LogitPeak> Collect(std::span<const float> x, float least, int32_t limit);

}  // namespace switchyard::kernels::reference

#endif  // SWITCHYARD_TESTS_KERNELS_REFERENCE_LOGITS_REFERENCE_H_
