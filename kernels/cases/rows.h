// Shapes at which the ops that walk rows are right (tests) and fast (bench).
#ifndef SWITCHYARD_KERNELS_CASES_ROWS_H_
#define SWITCHYARD_KERNELS_CASES_ROWS_H_

#include <cstdint>

namespace switchyard::kernels::cases {

// Row lengths: hidden sizes and latent ranks of published models.
inline constexpr int64_t kServedWidths[] = {512, 1536, 2048, 7168};
// Around the lengths of vectors, and 1.
inline constexpr int64_t kOddWidths[] = {1,  3,  4,  7,  15,  16,  17,  31,
                                         33, 63, 64, 65, 100, 255, 1000};

// Norms that quantise: around the lengths of rows that are quantised together, and of groups.
struct QuantisedNormCase {
  int64_t rows;
  int64_t width;
};
inline constexpr QuantisedNormCase kQuantisedNorms[] = {
    {1, 1}, {3, 17}, {7, 127}, {8, 128}, {9, 129}, {5, 255}, {17, 1000}, {2, 1536}, {1, 7168},
};

inline constexpr int64_t kRowCounts[] = {1, 8, 64, 512};

}  // namespace switchyard::kernels::cases

#endif  // SWITCHYARD_KERNELS_CASES_ROWS_H_
