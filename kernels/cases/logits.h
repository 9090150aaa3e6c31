// Shapes of the ops on logits, for tests and benchmarks.
#ifndef SWITCHYARD_KERNELS_CASES_LOGITS_H_
#define SWITCHYARD_KERNELS_CASES_LOGITS_H_

#include <cstdint>

namespace switchyard::kernels {

struct LogitsCase {
  int64_t rows;
  int64_t columns;
};

// One token, odd widths, less than a warp, more than a block of threads, DeepSeek-V3's vocabulary
// of 129,280, and a tensor rank's part of it (8 ranks).
inline constexpr LogitsCase kLogitsCases[] = {
    {1, 1}, {2, 7}, {3, 31}, {4, 32}, {2, 513}, {5, 1000}, {1, 4099}, {1, 129280}, {1, 16160}};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_CASES_LOGITS_H_
