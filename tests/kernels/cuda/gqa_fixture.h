// A cache of keys and values in device memory, filled by GqaWrite, for the tests of grouped-query
// attention on CUDA.
#ifndef SWITCHYARD_TESTS_KERNELS_CUDA_GQA_FIXTURE_H_
#define SWITCHYARD_TESTS_KERNELS_CUDA_GQA_FIXTURE_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kernels/cuda/attention.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/gqa_sequence.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {

class CudaGqaTest : public CudaTest {
 protected:
  static constexpr int64_t kBlockTokens = 16;
  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

  // What nobody writes is NaN.
  TensorView MakeCache(int64_t num_blocks, const cases::GqaCase& shape) {
    const int64_t count = num_blocks * shape.kv_heads * 2 * kBlockTokens * shape.dim;
    return PutBf16({num_blocks, shape.kv_heads, 2 * kBlockTokens, shape.dim},
                   std::vector<float>(static_cast<size_t>(count), kNan));
  }

  // Keys and values of the first slots.size() positions.
  void Write(const GqaSequence& sequence, const std::vector<int64_t>& slots,
             const TensorView& cache) {
    const int64_t heads = sequence.shape.kv_heads;
    cuda::GqaWrite(cuda_, {.k = PutHeads(std::ssize(slots), heads, sequence.k),
                           .v = PutHeads(std::ssize(slots), heads, sequence.v),
                           .slots = slots,
                           .cache = cache});
  }

  // Rows of heads as a projection leaves them: other columns lie between them.
  TensorView PutHeads(int64_t rows, int64_t heads, std::span<const float> values) {
    constexpr int64_t kGap = 8;
    const int64_t width = std::ssize(values) / rows, dim = width / heads;
    std::vector<float> wide(static_cast<size_t>(rows * (width + kGap)), kNan);
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(values.begin() + row * width, width, wide.begin() + row * (width + kGap));
    }
    const TensorView all = PutBf16({rows, width + kGap}, wide);
    return all.Cols(0, width).Reshaped({rows, heads, dim});
  }

  TensorView PutSinks(const cases::GqaCase& shape) {
    if (!shape.sinks) return {};
    return PutF32({shape.heads}, GqaSequence::Sinks(shape));
  }

  // Weights and results are rounded to BF16, one after the other.
  static void ExpectClose(std::span<const float> got, const reference::AttentionOutput& want,
                          const cases::GqaCase& shape) {
    EXPECT_TRUE(switchyard::testing::Close({.got = got,
                                            .want = want.value,
                                            .magnitude = want.magnitude,
                                            .columns = shape.heads * shape.dim,
                                            .num_terms = 0,
                                            .epsilon = 2 * kOneBf16Rounding,
                                            .min_cosine = 1 - 2e-5}))
        << shape.name;
  }
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_CUDA_GQA_FIXTURE_H_
