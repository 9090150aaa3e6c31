// Shapes at which linear ops promise to be right (tests) and fast (bench/kernels).
#ifndef SWITCHYARD_KERNELS_CASES_LINEAR_H_
#define SWITCHYARD_KERNELS_CASES_LINEAR_H_

#include <cstdint>

namespace switchyard::kernels::cases {

struct LinearCase {
  const char* name;
  int64_t n;
  int64_t k;
};

// The matrices of a DeepSeek-V3 at 4.8 B parameters: hidden 2048, 16 heads, 64 experts of width
// 1024, vocabulary 32000.
inline constexpr LinearCase kSmallV3[] = {
    {"q_a_proj", 768, 2048},     {"q_b_proj", 3072, 768},
    {"kv_a_proj", 576, 2048},    {"kv_b_proj", 4096, 512},
    {"o_proj", 2048, 2048},      {"dense gate or up", 8192, 2048},
    {"dense down", 2048, 8192},  {"expert gate or up", 1024, 2048},
    {"expert down", 2048, 1024}, {"lm_head", 32000, 2048},
};

// Borders of panels, groups, words, blocks of K and scale blocks.
inline constexpr LinearCase kOdd[] = {
    {"one element", 1, 1},  {"one output", 1, 640},   {"one column", 17, 1},
    {"odd k", 17, 127},     {"half a block", 48, 64}, {"a block and a half", 33, 192},
    {"cut block", 80, 160}, {"kv_a", 576, 128},       {"two groups and a lane", 129, 131},
    {"long k", 16, 2050},
};

// Rows of activations: both sides of every border between regimes, tiles and tasks.
inline constexpr int64_t kRows[] = {1, 2, 3, 5, 6, 7, 8, 12, 13, 31, 32, 191, 193, 512};

}  // namespace switchyard::kernels::cases

#endif  // SWITCHYARD_KERNELS_CASES_LINEAR_H_
