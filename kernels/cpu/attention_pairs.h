// BF16 in half the memory where no instruction multiplies them: keys and values lie as the pairs of
// attention_avx512bf16.cc and widen on their way into registers; what they are multiplied with lies
// wide. The products are those of DotFloat<Vec, Bf16>, in the same order: the same bits.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_PAIRS_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_PAIRS_H_

#include <cstdint>

#include "kernels/dtype.h"

namespace switchyard::kernels::cpu {

// Meaning of each function: attention_dot.h.
template <class Vec>
struct DotPairs {
  using V = Vec;
  using F = typename V::F;
  static constexpr int kDepth = 2;
  static constexpr int kParts = 2;

  static F Step(F sum, F a, F b) { return V::MulAdd(a, b, sum); }

  template <int kPart>
  static F Part(F units) {
    return kPart == 0 ? V::FirstOfPairs(units) : V::SecondOfPairs(units);
  }

  // Each float a part.
  static void PackRow(float* row, const float* x, int64_t n) {
    int64_t i = 0;
    for (; i + V::kLanes <= n; i += V::kLanes) V::Store(row + i, V::RoundBf16(V::Load(x + i)));
    if (i < n) V::StorePart(row + i, V::RoundBf16(V::LoadPart(x + i, n - i)), n - i);
    if (n % kDepth != 0) row[n] = 0;
  }

  static void PackUnits(float* units, const float* x, int64_t n) {
    auto* const to = reinterpret_cast<Bf16*>(units);
    int64_t i = 0;
    for (; i + V::kLanes <= n; i += V::kLanes) V::Store(to + i, V::Load(x + i));
    if (i < n) V::StorePart(to + i, V::LoadPart(x + i, n - i), n - i);
    if (n % kDepth != 0) to[n] = Bf16{};
  }

  static void PackColumns(float* units, const float* const* rows, int64_t n) {
    for (int64_t i = 0; i < n; i += V::kLanes) {
      const int64_t left = n - i;
      const F first = LoadRounded(rows[0], i, left), second = LoadRounded(rows[1], i, left);
      const F pairs = V::Pairs(first, second);
      if (left >= V::kLanes) {
        V::Store(units + i, pairs);
      } else {
        V::StorePart(units + i, pairs, left);
      }
    }
  }

  static F FirstRowOnly(F units) { return V::Pairs(V::FirstOfPairs(units), V::Zero()); }
  static F LastRowOnly(F units) { return V::SecondOfPairs(units); }

 private:
  static F LoadRounded(const float* row, int64_t i, int64_t left) {
    if (row == nullptr) return V::Zero();
    return V::RoundBf16(left >= V::kLanes ? V::Load(row + i) : V::LoadPart(row + i, left));
  }
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_PAIRS_H_
