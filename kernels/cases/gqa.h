// Shapes at which grouped-query attention is right (tests) and fast (bench). Symbols:
// kernels/args/gqa.h.
#ifndef SWITCHYARD_KERNELS_CASES_GQA_H_
#define SWITCHYARD_KERNELS_CASES_GQA_H_

#include <cstdint>

namespace switchyard::kernels::cases {

struct GqaCase {
  const char* name;
  int64_t heads;
  int64_t kv_heads;
  int64_t dim;
  int64_t window;  // 0: all keys
  bool sinks;
};

// Timed: all heads of a layer of each model, and the windowed layers of those that have them.
inline constexpr GqaCase kServedGqa[] = {
    {"qwq_32b", 40, 8, 128, 0, false},
    {"llama_8b", 32, 8, 128, 0, false},
    {"qwen3_30b", 32, 4, 128, 0, false},
    {"gpt_oss", 64, 8, 64, 0, true},
    {"gpt_oss_window", 64, 8, 64, 128, true},
    {"gemma3_4b", 8, 4, 256, 0, false},
    {"gemma3_4b_window", 8, 4, 256, 1024, false},
};

// Checked: groups of 1 to 20 heads, served widths and others, with and without windows and sinks.
inline constexpr GqaCase kCheckedGqa[] = {
    {"alone", 1, 1, 8, 0, false},         {"every_head_its_own", 3, 3, 16, 0, true},
    {"odd", 6, 2, 21, 0, false},          {"odd_window", 3, 1, 19, 37, true},
    {"tiny_window", 8, 2, 32, 16, true},  {"groups_of_4", 8, 2, 64, 0, false},
    {"groups_of_5", 5, 1, 128, 0, false}, {"groups_of_8", 8, 1, 64, 128, true},
    {"wide", 2, 1, 256, 100, false},      {"large_groups", 40, 2, 24, 1, false},
};

}  // namespace switchyard::kernels::cases

#endif  // SWITCHYARD_KERNELS_CASES_GQA_H_
