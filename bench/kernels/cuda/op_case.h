// One op at one shape, ready to be timed on a device: what bench_kernels walks through. The shapes
// are those of kernels/cases that models are served with.
//
// Symbols as in kernels/args. Thread: one.
#ifndef SWITCHYARD_BENCH_KERNELS_CUDA_OP_CASE_H_
#define SWITCHYARD_BENCH_KERNELS_CUDA_OP_CASE_H_

#include <functional>
#include <string>
#include <vector>

#include "kernels/op_cost.h"
#include "kernels/ops.h"

namespace switchyard::bench {

// Which of a GPU's peaks bounds the arithmetic.
enum class Arithmetic { kNone, kBf16, kFp8 };

struct OpCase {
  std::string op;  // the method of Ops
  std::string shape;
  Arithmetic arithmetic = Arithmetic::kNone;  // kNone: only bytes bound it
  kernels::OpCost cost;
  // Brings tensors to the device and returns the call to be timed, which owns them.
  std::function<std::function<void()>(kernels::Ops&)> prepare;
};

// Which shapes are wanted.
enum class Extent {
  kServed,  // all
  kBrief,   // for each kernel a small one that reaches it, served or not
};

std::vector<OpCase> LinearCases(Extent extent);
std::vector<OpCase> AttentionCases(Extent extent);
std::vector<OpCase> GqaCases(Extent extent);
std::vector<OpCase> RowCases(Extent extent);
std::vector<OpCase> MoeCases(Extent extent);
std::vector<OpCase> LogitCases(Extent extent);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_KERNELS_CUDA_OP_CASE_H_
