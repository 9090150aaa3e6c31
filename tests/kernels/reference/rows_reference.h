// The obvious versions of the ops that walk rows, in double precision: what
// kernels/args/elementwise.h means.
#ifndef SWITCHYARD_TESTS_KERNELS_REFERENCE_ROWS_REFERENCE_H_
#define SWITCHYARD_TESTS_KERNELS_REFERENCE_ROWS_REFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

namespace switchyard::kernels::reference {

std::vector<double> RmsNorm(std::span<const float> x, std::span<const float> weight, double eps);

// The angle of pair i at `position`, without YaRN: position * base^(-2i / dim).
double RopeAngle(int64_t position, int64_t pair, int64_t dim, double base);

// Where part 0 or 1 of a pair stands in a head, and its cosine or sine in a row of the table.
int64_t RopePlace(int64_t pair, int part, int64_t dim, bool halves);

std::vector<double> Rope(std::span<const float> head, int64_t position, double base,
                         bool halves = false);

// In float, because the order is the meaning.
float TreeSum(std::span<const float> parts);

}  // namespace switchyard::kernels::reference

#endif  // SWITCHYARD_TESTS_KERNELS_REFERENCE_ROWS_REFERENCE_H_
