// The gate and the combine, step by step as MODEL_SPECS 1.4 numbers them, in double precision: what
// kernels/args/moe.h means. With softmax as MODEL_SPECS 2, 6 and 7 have it.
#ifndef SWITCHYARD_TESTS_KERNELS_REFERENCE_MOE_REFERENCE_H_
#define SWITCHYARD_TESTS_KERNELS_REFERENCE_MOE_REFERENCE_H_

#include <cstdint>
#include <span>
#include <vector>

namespace switchyard::kernels::reference {

struct GateInput {
  std::span<const float> logits;  // of one token
  std::span<const float> bias;    // empty with softmax
  bool softmax = false;
  int64_t num_groups = 1;
  int64_t top_groups = 1;
  int64_t slots = 1;
  bool normalize = true;
  double scale = 1;
};

struct GateOutput {
  std::vector<int32_t> ids;  // ascending
  std::vector<double> weights;
};

GateOutput Gate(const GateInput& input);

}  // namespace switchyard::kernels::reference

#endif  // SWITCHYARD_TESTS_KERNELS_REFERENCE_MOE_REFERENCE_H_
