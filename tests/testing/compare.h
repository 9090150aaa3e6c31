// Compares what was computed with what it should be, the way numbers need it: first NaN and
// infinity at the same places, then each element within a bound that comes from the length of its
// sum, then the angle between both as vectors. A failure names the worst coordinate and both
// values.
#ifndef SWITCHYARD_TESTS_TESTING_COMPARE_H_
#define SWITCHYARD_TESTS_TESTING_COMPARE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <span>

namespace switchyard::testing {

inline constexpr double kF32Epsilon = 0x1p-24;  // of one rounding

struct Comparison {
  std::span<const float> got;
  std::span<const double> want;
  // Sum of the |terms| that were added up for each element; empty: |want|, for values that are no
  // sums.
  std::span<const double> magnitude;
  int64_t columns = 1;    // to name a coordinate as (row, column)
  int64_t num_terms = 1;  // length of the longest sum
  double epsilon = kF32Epsilon;
  double min_cosine = 1 - 1e-6;
};

// Succeeds when every |got - want| <= epsilon * (8 + 4 sqrt(num_terms)) * magnitude: rounding
// errors of a sum grow like the square root of its length.
::testing::AssertionResult Close(const Comparison& comparison);

// The same bits everywhere.
::testing::AssertionResult SameBits(std::span<const float> got, std::span<const float> want,
                                    int64_t columns);

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_COMPARE_H_
