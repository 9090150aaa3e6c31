// One step of a Hopper tensor core on one output element, bit for bit:
//
//   d = c + sum over k of a[k] * b[k]
//
// as published measurements describe it. A product's exponent is the sum of its operands'
// exponents, not renormalised (a subnormal operand counts with its format's smallest exponent). All
// nonzero terms, c among them, are aligned to the largest exponent and cut to F fraction bits, in
// magnitude; they are added exactly; the sum is normalised and cut to the result's bits. Nothing is
// rounded.
//
//   formats       products a step   F    fraction bits of the result
//   f16, bf16     16                25   23
//   tf32          8                 25   23
//   e4m3, e5m2    32                13   13
//
// Owner: none, pure functions. Thread: any.
#ifndef SWITCHYARD_EMULATOR_PTX_NUMERICS_STEP_H_
#define SWITCHYARD_EMULATOR_PTX_NUMERICS_STEP_H_

#include <cstdint>
#include <span>

#include "emulator/ptx/numerics_format.h"

namespace emu {

struct StepRules {
  int group;           // products added in one step; longer sums are chains of steps
  int fraction_bits;   // F: of an aligned term, relative to the largest exponent
  int result_bits;     // fraction bits of a normalised result
  int a_min_exponent;  // below it a value of a is subnormal
  int b_min_exponent;
};

// REQUIRES: the formats are the same, or both have 8 bits.
StepRules StepRulesOf(Format a, Format b);

// Finite operands in parts: value = significand * 2^(exponent - 10), [k] or [k, n]. A zero has
// significand 0 and an exponent below all others.
struct StepOperands {
  const int32_t* significands;
  const int32_t* exponents;
};

// REQUIRES: values are finite, of a format with that smallest exponent.
void SplitOperands(int min_exponent, const float* values, int count, int32_t* significands,
                   int32_t* exponents);

// The step above for a[k], b[k], up to 64 products. Infinities and NaNs follow IEEE 754 (a NaN
// result is 0x7fffffff, as the hardware's).
float TensorStep(const StepRules& rules, std::span<const float> a, std::span<const float> b,
                 float c);

// The same for n (up to 256) output elements that share a[k], where no operand is an infinity or a
// NaN: b is [k, n], d[j] is c on entry and the result on return.
void TensorStepRow(const StepRules& rules, int k, const StepOperands& a, int n,
                   const StepOperands& b, float* d);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_NUMERICS_STEP_H_
