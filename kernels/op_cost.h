// What an op must move and multiply at the least, whatever runs it: the numerator of every
// roofline. Planner, simulator and benchmarks share it.
#ifndef SWITCHYARD_KERNELS_OP_COST_H_
#define SWITCHYARD_KERNELS_OP_COST_H_

#include <cstdint>

#include "kernels/dtype.h"

namespace switchyard::kernels {

struct OpCost {
  double bytes = 0;  // read and written, each once
  double flops = 0;  // a multiply-add is two

  OpCost& operator+=(const OpCost& other) {
    bytes += other.bytes;
    flops += other.flops;
    return *this;
  }
};

// Symbols as in kernels/args/linear.h.
struct LinearShape {
  int64_t rows = 0;
  int64_t n = 0;
  int64_t k = 0;
  DType weight =
      DType::kBf16;  // f8e4m3, i8, u4, f4e2m1: with the scales of blocks, or of 32 columns
  DType activation = DType::kF32;
};

// Bytes of a weight [n, k] alone.
double WeightBytes(int64_t n, int64_t k, DType dtype);

OpCost LinearCost(const LinearShape& shape);
// `shape` is that of one of `batch` products.
OpCost BatchedLinearCost(const LinearShape& shape, int64_t batch);
// n is the width of the result.
OpCost GateUpCost(const LinearShape& shape);

struct GroupedMlpShape {
  int64_t rows = 0;           // of all blocks together
  int64_t active_blocks = 0;  // blocks that have rows: their weights are read
  int64_t hidden = 0;
  int64_t width = 0;
  DType weight = DType::kBf16;
  DType activation = DType::kF32;
};
OpCost GroupedMlpCost(const GroupedMlpShape& shape);

// Symbols as in kernels/args/gqa.h.
struct GqaShape {
  int64_t queries = 0;  // of all heads each
  int64_t keys = 0;     // with their values, of all key-value heads each
  int64_t pairs = 0;    // of a query and a key that it sees
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t dim = 0;
  DType cache = DType::kBf16;
  DType activation = DType::kF32;
};
OpCost GqaCost(const GqaShape& shape);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_OP_COST_H_
