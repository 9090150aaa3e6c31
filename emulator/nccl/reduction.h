// Reduction operators on arrays of NCCL's element types.
//
// Sums and products of the narrow floating-point types are rounded to the type after every step,
// as a ring of devices rounds them. Minimum and maximum prefer a number to a NaN. Integers wrap.
#ifndef SWITCHYARD_EMULATOR_NCCL_REDUCTION_H_
#define SWITCHYARD_EMULATOR_NCCL_REDUCTION_H_

#include <nccl.h>

#include <cstddef>
#include <cstdint>

namespace emu {

// The operator of one call, resolved from ncclRedOp_t.
struct Reduction {
  enum class Kind : uint32_t { kSum, kProduct, kMax, kMin, kAverage, kScaledSum };

  Kind kind = Kind::kSum;
  // kScaledSum: the bits of one element, by which each rank multiplies its input. With
  // `scalar_address` they are read there, when the operation runs.
  uint64_t scalar_bits = 0;
  const void* scalar_address = nullptr;
};

const char* ReductionName(Reduction::Kind kind);

// What a rank does to its input before it is combined, and to the combined result.
struct ReductionSteps {
  bool scales = false;  // Scale(input, factor_bits) first
  // The factor's bits: of an element for integers, float and double; of a float for the narrow
  // types, whose own precision would be too little for the factor of an 8-bit average.
  uint64_t factor_bits = 0;
  int divisor = 1;  // Divide(result, divisor) last
};

// Averages of floating-point types scale by 1 / num_ranks first, those of integers divide last.
ReductionSteps StepsOf(const Reduction& reduction, ncclDataType_t type, int num_ranks);

// accumulator[i] = accumulator[i] OP input[i], `count` elements of `type`.
void Combine(ncclDataType_t type, Reduction::Kind kind, void* accumulator, const void* input,
             size_t count);

// data[i] = data[i] * factor, the factor as in ReductionSteps.
void Scale(ncclDataType_t type, uint64_t factor_bits, void* data, size_t count);

// data[i] = data[i] / divisor, toward zero. REQUIRES: an integer type.
void Divide(ncclDataType_t type, int divisor, void* data, size_t count);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_REDUCTION_H_
