// Floating operations on scalars as the GPU does them: canonical NaN in f32, minimum and maximum
// that pass over NaN and order the zeros, denormals flushed where asked for.
#ifndef SWITCHYARD_EMULATOR_PTX_FLOAT_FUNCTORS_H_
#define SWITCHYARD_EMULATOR_PTX_FLOAT_FUNCTORS_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

namespace emu {

constexpr uint32_t kNan32 = 0x7fff'ffff;

template <class T>
using BitsFor = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
template <class T>
constexpr BitsFor<T> kSignBit = BitsFor<T>{1} << (sizeof(T) * 8 - 1);

inline float Canonical(float value) {
  return value == value ? value : std::bit_cast<float>(kNan32);
}
inline double Canonical(double value) { return value; }  // f64 keeps payloads

template <class T>
T AbsBits(T a) {
  return std::bit_cast<T>(std::bit_cast<BitsFor<T>>(a) & ~kSignBit<T>);
}

// A denormal becomes a zero of its sign.
inline float Flush(float a) {
  const uint32_t bits = std::bit_cast<uint32_t>(a);
  return std::bit_cast<float>((bits & 0x7f80'0000) != 0 ? bits : bits & kSignBit<float>);
}
inline double Flush(double a) { return a; }

// To [0, 1]; NaN to 0.
template <class T>
T Saturate01(T a) {
  const T low = a > T{0} ? a : T{0};
  return low < T{1} ? low : T{1};
}

struct FloatAdd {
  template <class T>
  static T Run(T a, T b) {
    return Canonical(a + b);
  }
};
struct FloatSub {
  template <class T>
  static T Run(T a, T b) {
    return Canonical(a - b);
  }
};
struct FloatMul {
  template <class T>
  static T Run(T a, T b) {
    return Canonical(a * b);
  }
};
struct FloatDiv {
  template <class T>
  static T Run(T a, T b) {
    return Canonical(a / b);
  }
};
struct FloatFma {
  static float Run(float a, float b, float c) { return Canonical(__builtin_fmaf(a, b, c)); }
  static double Run(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct FloatNeg {
  template <class T>
  static T Run(T a) {
    return Canonical(std::bit_cast<T>(std::bit_cast<BitsFor<T>>(a) ^ kSignBit<T>));
  }
};
struct FloatAbs {
  template <class T>
  static T Run(T a) {
    return Canonical(AbsBits(a));
  }
};

// -0 is below +0; one NaN gives the other operand.
struct FloatMin {
  template <class T>
  static T Run(T a, T b) {
    using U = BitsFor<T>;
    const T zero = std::bit_cast<T>(std::bit_cast<U>(a) | std::bit_cast<U>(b));
    T result = a < b ? a : b;
    result = a == b ? zero : result;
    result = b == b ? result : a;
    result = a == a ? result : b;
    return Canonical(result);
  }
};
struct FloatMax {
  template <class T>
  static T Run(T a, T b) {
    using U = BitsFor<T>;
    const T zero = std::bit_cast<T>(std::bit_cast<U>(a) & std::bit_cast<U>(b));
    T result = a > b ? a : b;
    result = a == b ? zero : result;
    result = b == b ? result : a;
    result = a == a ? result : b;
    return Canonical(result);
  }
};

// .NaN: one NaN gives NaN. .xorsign.abs: of the magnitudes, with the product's sign.
template <class F, bool nan, bool xorsign>
struct MinMaxForm {
  static float Run(float a, float b) {
    const bool is_nan = a != a || b != b;
    const uint32_t sign =
        (std::bit_cast<uint32_t>(a) ^ std::bit_cast<uint32_t>(b)) & kSignBit<float>;
    if (xorsign) {
      a = AbsBits(a);
      b = AbsBits(b);
    }
    float result = F::Run(a, b);
    if (xorsign) result = std::bit_cast<float>(std::bit_cast<uint32_t>(result) | sign);
    return nan && is_nan ? std::bit_cast<float>(kNan32) : result;
  }
};

struct FloatSqrt {
  static float Run(float a) { return Canonical(__builtin_sqrtf(a)); }
  static double Run(double a) { return __builtin_sqrt(a); }
};
struct FloatRsqrt {
  static float Run(float a) { return Canonical(1.0F / __builtin_sqrtf(a)); }
  static double Run(double a) { return 1.0 / __builtin_sqrt(a); }
};
struct FloatRcp {
  template <class T>
  static T Run(T a) {
    return Canonical(T{1} / a);
  }
};

// 2^a: the fraction, at most 1/2, through its Taylor series to the seventh power (remainder below
// 1e-8), the integer part into the exponent, in two steps for the sake of denormal results.
struct FloatExp2 {
  static float Run(float a) {
    const float x = a > 130.0F ? 130.0F : a < -152.0F ? -152.0F : a;  // NaN goes on as it is
    const float whole = __builtin_rintf(x);
    const float f = x - whole;
    float p = 1.5252734e-5F;
    p = p * f + 1.5403530e-4F;
    p = p * f + 1.3333558e-3F;
    p = p * f + 9.6181291e-3F;
    p = p * f + 5.5504109e-2F;
    p = p * f + 2.4022651e-1F;
    p = p * f + 6.9314718e-1F;
    p = p * f + 1.0F;
    const auto n = x == x ? static_cast<int32_t>(whole) : 0;
    const int32_t half = n >> 1;
    const float scale1 = std::bit_cast<float>((half + 127) << 23);
    const float scale2 = std::bit_cast<float>((n - half + 127) << 23);
    return Canonical(p * scale1 * scale2);
  }
};
struct FloatLog2 {
  static float Run(float a) { return Canonical(std::log2(a)); }
};
struct FloatSin {
  static float Run(float a) { return Canonical(std::sin(a)); }
};
struct FloatCos {
  static float Run(float a) { return Canonical(std::cos(a)); }
};
struct FloatTanh {
  static float Run(float a) { return Canonical(std::tanh(a)); }
};

// The magnitude of b with the sign of a.
struct CopySign {
  template <class T>
  static T Run(T a, T b) {
    using U = BitsFor<T>;
    return std::bit_cast<T>((std::bit_cast<U>(a) & kSignBit<T>) |
                            (std::bit_cast<U>(b) & ~kSignBit<T>));
  }
};

// .ftz flushes operands and result, .sat clamps it.
template <class F, bool ftz, bool sat>
struct FloatForm {
  template <class T, class... Rest>
  static T Run(T a, Rest... rest) {
    T result = ftz ? Flush(F::Run(Flush(a), Flush(rest)...)) : F::Run(a, rest...);
    return sat ? Saturate01(result) : result;
  }
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_FLOAT_FUNCTORS_H_
