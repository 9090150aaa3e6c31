// The obvious versions of the matrix ops, in double precision: what kernels/args/linear.h means.
#ifndef SWITCHYARD_TESTS_KERNELS_REFERENCE_LINEAR_REFERENCE_H_
#define SWITCHYARD_TESTS_KERNELS_REFERENCE_LINEAR_REFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/args/linear.h"

namespace switchyard::kernels::reference {

// A result with, for each element, the sum of its terms' magnitudes: what its rounding error is
// measured by.
struct Sums {
  std::vector<double> value;
  std::vector<double> magnitude;
};

struct LinearInput {
  std::span<const float> x;  // [rows, K]
  int64_t rows = 0;
  std::span<const float> amax;  // [rows, groups] or empty, see LinearArgs::x_amax
  bool ue8m0 = false;
};

// x W^T + bias in the arithmetic that `source` asks for; inputs are rounded and quantised as the op
// does it, sums are not.
Sums Linear(const LinearSource& source, const LinearInput& input);

// What `gating` makes of gate and up.
double Gated(const Gating& gating, double gate, double up);

// Gated, of x Wg^T + bg and x Wu^T + bu.
Sums GateUp(const LinearSource& gate, const LinearSource& up, const LinearInput& input);

// [rows, groups]
std::vector<float> GroupAmax(std::span<const float> x, int64_t rows, int64_t columns,
                             int64_t col_offset);

}  // namespace switchyard::kernels::reference

#endif  // SWITCHYARD_TESTS_KERNELS_REFERENCE_LINEAR_REFERENCE_H_
