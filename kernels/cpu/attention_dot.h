// What attention multiplies: a Dot type names the vectors, the type of cache entries, and how
// floats become units. A unit is four bytes: one float, or (attention_avx512bf16.cc) a pair of BF16
// that one instruction multiplies with another pair and adds.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_DOT_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_DOT_H_

#include <cstdint>
#include <type_traits>

#include "kernels/dtype.h"

namespace switchyard::kernels::cpu {

// A unit is one float. With CacheEntry = Bf16 every operand is rounded to BF16 first, so that
// products are exact.
template <class Vec, typename CacheEntry>
struct DotFloat {
  using V = Vec;
  using F = typename V::F;
  using Key = CacheEntry;
  static constexpr int kDepth = 1;  // elements of the summed dimension in a unit
  static constexpr int kParts = 1;  // floats that a query's or a weight's unit is
  static constexpr bool kRound = std::is_same_v<CacheEntry, Bf16>;

  static F Step(F sum, F a, F b) { return V::MulAdd(a, b, sum); }

  // Units of x[0 .. n).
  static void PackRow(float* units, const float* x, int64_t n) {
    int64_t i = 0;
    for (; i + V::kLanes <= n; i += V::kLanes) V::Store(units + i, Round(V::Load(x + i)));
    if (i < n) V::StorePart(units + i, Round(V::LoadPart(x + i, n - i)), n - i);
  }
  // The same for a key, whose units lie beside those of others.
  static void PackUnits(float* units, const float* x, int64_t n) { PackRow(units, x, n); }
  // What of a vector of such units is multiplied with a query's part kPart.
  template <int kPart>
  static F Part(F units) {
    return units;
  }
  // Units that hold rows[0 .. kDepth) of each of n columns. A row may be null: zeros.
  static void PackColumns(float* units, const float* const* rows, int64_t n) {
    if (rows[0] != nullptr) return PackRow(units, rows[0], n);
    for (int64_t i = 0; i < n; ++i) units[i] = 0;
  }
  // Of units made by PackColumns, rows[0] or rows[kDepth - 1] alone.
  static F FirstRowOnly(F units) { return units; }
  static F LastRowOnly(F units) { return units; }

  // A vector of units of a cache entry, from its first `count` elements, count <= kLanes * kDepth.
  static F LoadKey(const Key* p) { return V::Load(p); }
  static F LoadKeyPart(const Key* p, int64_t count) { return V::LoadPart(p, count); }

  // PackColumns for two vectors of cache columns, held in registers.
  static void LoadColumns(const Key* const* rows, int64_t column, F& low, F& high) {
    low = V::Load(rows[0] + column);
    high = V::Load(rows[0] + column + V::kLanes);
  }
  // The same for the first count < 2 * kLanes columns.
  static void LoadColumnsPart(const Key* const* rows, int64_t column, int64_t count, F& low,
                              F& high) {
    const Key* p = rows[0] + column;
    const int64_t in_low = count < V::kLanes ? count : V::kLanes;
    low = V::LoadPart(p, in_low);
    high = V::LoadPart(p + in_low, count - in_low);
  }

 private:
  static F Round(F x) {
    if constexpr (kRound) return V::RoundBf16(x);
    return x;
  }
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_DOT_H_
