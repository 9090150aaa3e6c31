// Grouped-query attention on a CPU, for its tests: a cache of either type, filled by GqaWrite.
#ifndef SWITCHYARD_TESTS_KERNELS_GQA_FIXTURE_H_
#define SWITCHYARD_TESTS_KERNELS_GQA_FIXTURE_H_

#include <cstdint>
#include <vector>

#include "kernels/ops.h"
#include "tests/kernels/gqa_sequence.h"
#include "tests/kernels/row_ops_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {

inline constexpr int64_t kGqaBlockTokens = 16;

// [blocks, heads, 2 * kGqaBlockTokens, dim]; what nobody has written is NaN.
class GqaCache {
 public:
  GqaCache(DType dtype, int64_t num_blocks, const cases::GqaCase& shape)
      : shape_(shape),
        num_blocks_(num_blocks),
        dtype_(dtype),
        floats_(static_cast<size_t>(elements()), kNan),
        narrow_(static_cast<size_t>(elements()), ToBf16(kNan)) {}

  TensorView view() const {
    const void* data = dtype_ == DType::kBf16 ? static_cast<const void*>(narrow_.data())
                                              : static_cast<const void*>(floats_.data());
    return TensorView(data, dtype_,
                      {num_blocks_, shape_.kv_heads, 2 * kGqaBlockTokens, shape_.dim});
  }

  // Keys and values of the first slots.size() positions.
  void Write(Ops& ops, const GqaSequence& sequence, const std::vector<int64_t>& slots) const {
    const auto rows = static_cast<int64_t>(slots.size());
    const auto of = [&](const std::vector<float>& values) {
      return TensorView(values.data(), DType::kF32, {rows, shape_.kv_heads, shape_.dim});
    };
    ops.GqaWrite({.k = of(sequence.k), .v = of(sequence.v), .slots = slots, .cache = view()});
  }

 private:
  int64_t elements() const {
    return num_blocks_ * shape_.kv_heads * 2 * kGqaBlockTokens * shape_.dim;
  }

  const cases::GqaCase shape_;
  const int64_t num_blocks_;
  const DType dtype_;
  std::vector<float> floats_;
  std::vector<Bf16> narrow_;
};

inline TensorView GqaSinks(const cases::GqaCase& shape, const std::vector<float>& sinks) {
  if (!shape.sinks) return {};
  return TensorView(sinks.data(), DType::kF32, {shape.heads});
}

inline ::testing::AssertionResult GqaClose(const std::vector<float>& got,
                                           const reference::AttentionOutput& want,
                                           const cases::GqaCase& shape, DType type) {
  const bool bf16 = type == DType::kBf16;
  return switchyard::testing::Close(
      {.got = got,
       .want = want.value,
       .magnitude = want.magnitude,
       .columns = shape.heads * shape.dim,
       .num_terms = bf16 ? 0 : shape.dim,
       .epsilon = bf16 ? kRoundedWeights : switchyard::testing::kF32Epsilon,
       .min_cosine = bf16 ? 1 - 1e-5 : 1 - 1e-12});
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_GQA_FIXTURE_H_
