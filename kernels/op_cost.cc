#include "kernels/op_cost.h"

namespace switchyard::kernels {
namespace {

double Product(int64_t a, int64_t b) { return static_cast<double>(a) * static_cast<double>(b); }

double ActivationBytes(const LinearShape& shape) {
  return Product(shape.rows, shape.k + shape.n) * static_cast<double>(SizeOf(shape.activation));
}

}  // namespace

double WeightBytes(int64_t n, int64_t k, DType dtype) {
  constexpr int64_t kBlock = 128;
  constexpr int64_t kGroup = 32, kScaleBytes = 2;
  const double group_scales = Product(n, (k + kGroup - 1) / kGroup) * kScaleBytes;
  if (dtype == DType::kF4E2M1) return Product(n, k) / 2 + group_scales / kScaleBytes;
  if (dtype == DType::kU4) return Product(n, k) / 2 + group_scales;
  if (dtype == DType::kI8) return Product(n, k) + group_scales;
  const double elements = Product(n, k) * static_cast<double>(SizeOf(dtype));
  if (dtype != DType::kF8E4M3) return elements;
  return elements + Product((n + kBlock - 1) / kBlock, (k + kBlock - 1) / kBlock) * sizeof(float);
}

OpCost LinearCost(const LinearShape& shape) {
  return {.bytes = WeightBytes(shape.n, shape.k, shape.weight) + ActivationBytes(shape),
          .flops = 2 * Product(shape.n, shape.k) * static_cast<double>(shape.rows)};
}

OpCost BatchedLinearCost(const LinearShape& shape, int64_t batch) {
  const OpCost one = LinearCost(shape);
  return {.bytes = one.bytes * static_cast<double>(batch),
          .flops = one.flops * static_cast<double>(batch)};
}

OpCost GateUpCost(const LinearShape& shape) {
  return {.bytes = 2 * WeightBytes(shape.n, shape.k, shape.weight) + ActivationBytes(shape),
          .flops = 4 * Product(shape.n, shape.k) * static_cast<double>(shape.rows)};
}

OpCost GroupedMlpCost(const GroupedMlpShape& shape) {
  const double weights = 2 * WeightBytes(shape.width, shape.hidden, shape.weight) +
                         WeightBytes(shape.hidden, shape.width, shape.weight);
  return {.bytes =
              weights * static_cast<double>(shape.active_blocks) +
              2 * Product(shape.rows, shape.hidden) * static_cast<double>(SizeOf(shape.activation)),
          .flops = 6 * Product(shape.hidden, shape.width) * static_cast<double>(shape.rows)};
}

OpCost GqaCost(const GqaShape& shape) {
  const double keys = 2 * Product(shape.keys, shape.kv_heads * shape.dim);
  const double queries_and_results = 2 * Product(shape.queries, shape.heads * shape.dim);
  return {.bytes = keys * static_cast<double>(SizeOf(shape.cache)) +
                   queries_and_results * static_cast<double>(SizeOf(shape.activation)),
          .flops = 4 * Product(shape.pairs, shape.heads * shape.dim)};
}

}  // namespace switchyard::kernels
