// Rows of activations to whole numbers: plain loops, static as those of row_math.h.
#ifndef SWITCHYARD_KERNELS_CPU_INT_ROWS_H_
#define SWITCHYARD_KERNELS_CPU_INT_ROWS_H_

#include <cstdint>
#include <cstring>

#include "kernels/cpu/int_kernels.h"
#include "kernels/cpu/row_math.h"

namespace switchyard::kernels::cpu {

// The bits of the largest |x|: as whole numbers they are in the order of the values, infinities and
// NaNs on top.
static inline uint32_t LargestBits(const float* x, int64_t count) {
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    const uint32_t bits = FloatBits(x[i]) & 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

// x / scale to the nearest whole number, ties to even, by an addition that leaves no room for the
// fraction. REQUIRES: |x| * inverse below 2^22.
static inline int32_t Nearest(float x, float inverse) {
  constexpr float kNoFraction = 0x1.8p23f;
  return static_cast<int32_t>(FloatBits(x * inverse + kNoFraction) - FloatBits(kNoFraction));
}

// One part; writes its scale and the sum of its numbers.
static inline void QuantisePart(const float* x, int64_t count, int8_t* q, float* scale_and_sum) {
  constexpr float kLargest = 127.0f;
  constexpr float kLeast = 0x1p-100f;  // below it all is 0: its inverse would not be finite
  constexpr uint32_t kInfinity = 0x7f800000u, kNan = 0x7fc00000u;
  const uint32_t bits = LargestBits(x, count);
  const float amax = FloatOf(bits);
  if (bits >= kInfinity || amax < kLeast) {
    for (int64_t i = 0; i < count; ++i) q[i] = 0;
    scale_and_sum[0] = bits >= kInfinity ? FloatOf(kNan) : 0;
    scale_and_sum[1] = 0;
    return;
  }
  const float inverse = kLargest / amax;
  int32_t sum = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int32_t number = Nearest(x[i], inverse);
    q[i] = static_cast<int8_t>(number);
    sum += number;
  }
  scale_and_sum[0] = amax / kLargest;
  memcpy(scale_and_sum + 1, &sum, sizeof(sum));
}

static inline void QuantiseIntRow(const float* x, int64_t columns, int64_t part_columns,
                                  uint32_t* words, float* scales) {
  for (int64_t begin = 0; begin < columns; begin += part_columns, scales += 2) {
    int8_t q[kMaxPartWords * kStepColumns];
    QuantisePart(x + begin, part_columns, q, scales);
    memcpy(words, q, static_cast<size_t>(part_columns));
    words += part_columns / kStepColumns;
  }
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_INT_ROWS_H_
