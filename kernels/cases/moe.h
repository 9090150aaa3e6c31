// Shapes at which the gate and the combine are right (tests) and fast (bench).
#ifndef SWITCHYARD_KERNELS_CASES_MOE_H_
#define SWITCHYARD_KERNELS_CASES_MOE_H_

#include <cstdint>

namespace switchyard::kernels::cases {

struct MoeCase {
  const char* name;
  int64_t experts;
  int64_t groups;
  int64_t top_groups;
  int64_t slots;
  int64_t hidden;
};

inline constexpr MoeCase kServedMoe[] = {
    {"v3", 256, 8, 4, 8, 7168},
    {"v3_small", 64, 8, 4, 8, 2048},
    {"kimi_k2", 384, 1, 1, 8, 7168},
};

inline constexpr MoeCase kOddMoe[] = {
    {"one_expert", 1, 1, 1, 1, 5},    {"every_expert", 6, 1, 1, 6, 33},
    {"every_group", 12, 3, 3, 5, 70}, {"pairs", 16, 8, 2, 3, 17},
    {"largest", 1024, 64, 8, 64, 16},
};

inline constexpr int64_t kMoeTokens[] = {1, 8, 64, 512};

}  // namespace switchyard::kernels::cases

#endif  // SWITCHYARD_KERNELS_CASES_MOE_H_
