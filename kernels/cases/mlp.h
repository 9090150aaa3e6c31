// Ways in which rows meet the blocks of a RoutedMlp that each op promises to be right at.
#ifndef SWITCHYARD_KERNELS_CASES_MLP_H_
#define SWITCHYARD_KERNELS_CASES_MLP_H_

#include <array>
#include <cstdint>

namespace switchyard::kernels::cases {

inline constexpr int kRoutedBlocks = 5;

struct RoutedCase {
  const char* name;
  std::array<int32_t, kRoutedBlocks> rows;  // of each block
  int32_t capacity;  // rows that each block has a place for; 0: one stands behind the other
};

inline constexpr RoutedCase kRouted[] = {
    {"nothing", {0, 0, 0, 0, 0}, 0},
    {"one row", {0, 0, 1, 0, 0}, 0},
    {"one row each", {1, 1, 1, 1, 1}, 0},
    {"ragged", {1, 9, 34, 0, 5}, 0},
    {"first and last empty", {0, 17, 8, 3, 0}, 0},
    {"all rows to one", {0, 0, 0, 70, 0}, 0},
    {"nothing in places", {0, 0, 0, 0, 0}, 4},
    {"ragged in places", {3, 0, 8, 1, 7}, 8},
    {"full capacity", {12, 12, 12, 12, 12}, 12},
};

}  // namespace switchyard::kernels::cases

#endif  // SWITCHYARD_KERNELS_CASES_MLP_H_
