// Four floats as the compiler's own vector type. It defines what the vector types of all
// instruction sets offer; row and attention kernels are templates over such a type. Each set has
// its own order of sums, hence its own bits.
#ifndef SWITCHYARD_KERNELS_CPU_VEC_PORTABLE_H_
#define SWITCHYARD_KERNELS_CPU_VEC_PORTABLE_H_

#include <cstdint>
#include <cstring>

#include "kernels/dtype.h"

namespace switchyard::kernels::cpu {

struct VecPortable {
  using F = float __attribute__((vector_size(16)));
  using I = int32_t __attribute__((vector_size(16)));
  static constexpr int kLanes = 4;
  // A product keeps kTileRows * kTileVecs sums in registers.
  static constexpr int kTileRows = 4;
  static constexpr int kTileVecs = 2;

  static F Zero() { return F{}; }
  static F Set(float x) { return F{x, x, x, x}; }
  // The narrow types widen exactly. Part: the first n < kLanes alone are touched, the others read
  // as zero.
  template <typename T>
  static F Load(const T* p) {
    return LoadPart(p, kLanes);
  }
  static F Load(const float* p) {
    F x;
    std::memcpy(&x, p, sizeof(x));
    return x;
  }
  template <typename T>
  static F LoadPart(const T* p, int64_t n) {
    F x{};
    for (int64_t i = 0; i < n; ++i) x[i] = Float(p[i]);
    return x;
  }
  // To Bf16: to nearest even, subnormals kept, NaN stays NaN.
  template <typename T>
  static void Store(T* p, F x) {
    StorePart(p, x, kLanes);
  }
  static void StorePart(float* p, F x, int64_t n) {
    for (int64_t i = 0; i < n; ++i) p[i] = x[i];
  }
  static void StorePart(Bf16* p, F x, int64_t n) {
    for (int64_t i = 0; i < n; ++i) p[i] = ToBf16(x[i]);
  }

  static F Add(F a, F b) { return a + b; }
  static F Sub(F a, F b) { return a - b; }
  static F Mul(F a, F b) { return a * b; }
  // b where either is NaN.
  static F Max(F a, F b) { return a > b ? a : b; }
  // a * b + c, rounded once where the instruction set can.
  static F MulAdd(F a, F b, F c) { return a * b + c; }
  // x in the first n lanes, other in the rest.
  static F KeepFirst(F x, int64_t n, F other) {
    for (int64_t i = n; i < kLanes; ++i) x[i] = other[i];
    return x;
  }
  static F RoundBf16(F x) {
    for (int i = 0; i < kLanes; ++i) x[i] = ToFloat(ToBf16(x[i]));
    return x;
  }
  // Two BF16 in one lane, `first` in the lower half; both are rounded. Then each of them, widened.
  static F Pairs(F first, F second) { return (F)((((I)first >> 16) & 0xffff) | (I)second); }
  static F FirstOfPairs(F pairs) { return (F)((I)pairs << 16); }
  static F SecondOfPairs(F pairs) { return (F)((I)pairs & ~0xffff); }
  // Turns each pair (x0, x1) by its (cos, sin): (x0 cos - x1 sin, x1 cos + x0 sin).
  static F RotatePairs(F x, F table) {
    return F{x[0] * table[0] - x[1] * table[1], x[1] * table[0] + x[0] * table[1],
             x[2] * table[2] - x[3] * table[3], x[3] * table[2] + x[2] * table[3]};
  }

  static float FirstLane(F x) { return x[0]; }
  static float Sum(F x) { return (x[0] + x[2]) + (x[1] + x[3]); }
  static float MaxLane(F x) {
    const float a = x[0] > x[2] ? x[0] : x[2];
    const float b = x[1] > x[3] ? x[1] : x[3];
    return a > b ? a : b;
  }

  // e^x for x <= 0 within 2 units in the last place; 0 below e^-87.3; NaN stays NaN. x = n ln 2 +
  // r, |r| <= ln 2 / 2: 2^n times the Taylor polynomial of degree 7; ln 2 in two parts so that n ln
  // 2 is exact.
  static F Exp(F x) {
    const F least = Set(-87.3f);
    const I vanishes = x < least;
    const F clamped = Max(least, x);
    const F shift = Set(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
    const F n = (clamped * 1.44269504f + shift) - shift;
    F r = clamped - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    F p = Set(1.0f / 5040);
    for (float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) p = p * r + c;
    I power{};
    for (int i = 0; i < kLanes; ++i) {
      power[i] = (127 + (n[i] <= 0 ? static_cast<int32_t>(n[i]) : 0)) << 23;
    }
    return vanishes ? Zero() : p * (F)power;
  }

  // Lane i of the result is the sum of x[i], each added up in the same order.
  static F SumEach(const F (&x)[kLanes]) { return F{Sum(x[0]), Sum(x[1]), Sum(x[2]), Sum(x[3])}; }
  // Lanes [4i, 4i + 4) to p + i * stride.
  static void StoreQuads(float* p, int64_t, F x) { Store(p, x); }
  // Column i < n of kLanes rows, row_stride apart, becomes the vector at to + i * stride.
  static void Transpose(const float* rows, int64_t row_stride, int64_t n, float* to,
                        int64_t stride) {
    for (int64_t i = 0; i < n; ++i) {
      for (int lane = 0; lane < kLanes; ++lane) to[i * stride + lane] = rows[lane * row_stride + i];
    }
  }

 private:
  static float Float(float x) { return x; }
  static float Float(Bf16 x) { return ToFloat(x); }
  static float Float(F16 x) { return ToFloat(x); }
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_VEC_PORTABLE_H_
