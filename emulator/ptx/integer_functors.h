// Integer operations on scalars, with PTX's answers where C++ has none: wrap-around, division by
// zero, the most negative number.
#ifndef SWITCHYARD_EMULATOR_PTX_INTEGER_FUNCTORS_H_
#define SWITCHYARD_EMULATOR_PTX_INTEGER_FUNCTORS_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace emu {

// Arithmetic wraps: it is done on an unsigned type of at least 32 bits.
template <class T>
using Wrapping = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T>
struct IntAdd {
  static T Run(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};

template <class T>
struct IntSub {
  static T Run(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
  }
};

inline int32_t Saturate32(int64_t value) {
  return static_cast<int32_t>(std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(),
                                                  std::numeric_limits<int32_t>::max()));
}

struct AddSat {
  static int32_t Run(int32_t a, int32_t b) { return Saturate32(int64_t{a} + b); }
};

struct SubSat {
  static int32_t Run(int32_t a, int32_t b) { return Saturate32(int64_t{a} - b); }
};

struct PairAdd {
  static uint32_t Run(uint32_t a, uint32_t b) {
    return ((a + b) & 0xffff) | ((a & 0xffff'0000) + (b & 0xffff'0000));
  }
};

template <class T>
struct PairMin {
  static uint32_t Run(uint32_t a, uint32_t b) {
    const T low = std::min(static_cast<T>(a), static_cast<T>(b));
    const T high = std::min(static_cast<T>(a >> 16), static_cast<T>(b >> 16));
    return static_cast<uint16_t>(low) | uint32_t{static_cast<uint16_t>(high)} << 16;
  }
};

template <class T>
struct PairMax {
  static uint32_t Run(uint32_t a, uint32_t b) {
    const T low = std::max(static_cast<T>(a), static_cast<T>(b));
    const T high = std::max(static_cast<T>(a >> 16), static_cast<T>(b >> 16));
    return static_cast<uint16_t>(low) | uint32_t{static_cast<uint16_t>(high)} << 16;
  }
};

template <class T>
struct MulLo {
  static T Run(T a, T b) {
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
};

template <class T>
struct MulHi {
  static T Run(T a, T b) {
    if constexpr (sizeof(T) == 8) {
      __extension__ using Wide =
          std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>;
      return static_cast<T>((static_cast<Wide>(a) * b) >> 64);
    } else {
      using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
      return static_cast<T>((static_cast<Wide>(a) * b) >> (8 * sizeof(T)));
    }
  }
};

// W: the wide result.
template <class W>
struct MulWide {
  template <class T>
  static W Run(T a, T b) {
    return static_cast<W>(static_cast<Wrapping<W>>(a) * static_cast<Wrapping<W>>(b));
  }
};

template <class T>
struct MadLo {
  static T Run(T a, T b, T c) { return IntAdd<T>::Run(MulLo<T>::Run(a, b), c); }
};

template <class T>
struct MadHi {
  static T Run(T a, T b, T c) { return IntAdd<T>::Run(MulHi<T>::Run(a, b), c); }
};

template <class W>
struct MadWide {
  template <class T>
  static W Run(T a, T b, W c) {
    return IntAdd<W>::Run(MulWide<W>::Run(a, b), c);
  }
};

// Division by zero gives all ones, its remainder the dividend: what the hardware's sequence gives.
template <class T>
struct IntDiv {
  static T Run(T a, T b) {
    if (b == 0) return static_cast<T>(-1);
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return IntSub<T>::Run(0, a);
    }
    return static_cast<T>(a / b);
  }
};

template <class T>
struct IntRem {
  static T Run(T a, T b) {
    if (b == 0) return a;
    if constexpr (std::is_signed_v<T>) {
      if (b == -1) return 0;
    }
    return static_cast<T>(a % b);
  }
};

template <class T>
struct IntNeg {
  static T Run(T a) { return IntSub<T>::Run(0, a); }
};

template <class T>
struct IntAbs {
  static T Run(T a) {
    if constexpr (std::is_signed_v<T>) return a < 0 ? IntNeg<T>::Run(a) : a;
    return a;
  }
};

template <class T>
struct IntMin {
  static T Run(T a, T b) { return a < b ? a : b; }
};

template <class T>
struct IntMax {
  static T Run(T a, T b) { return a < b ? b : a; }
};

struct MinRelu {
  static int32_t Run(int32_t a, int32_t b) { return std::max(std::min(a, b), 0); }
};

struct MaxRelu {
  static int32_t Run(int32_t a, int32_t b) { return std::max(std::max(a, b), 0); }
};

// c + |a - b|
template <class T>
struct Sad {
  static T Run(T a, T b, T c) {
    const T distance = a < b ? IntSub<T>::Run(b, a) : IntSub<T>::Run(a, b);
    return IntAdd<T>::Run(c, distance);
  }
};

// The low 32 bits of the product of the low 24 bits.
template <class T>
T Low24(T value) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(static_cast<uint32_t>(value) << 8) >> 8;
  } else {
    return value & 0xff'ffff;
  }
}

struct Mul24 {
  template <class T>
  static T Run(T a, T b) {
    return MulLo<T>::Run(Low24(a), Low24(b));
  }
};

struct Mad24 {
  template <class T>
  static T Run(T a, T b, T c) {
    return IntAdd<T>::Run(Mul24::Run(a, b), c);
  }
};

template <class A, class B>
struct Dot4 {
  static uint32_t Run(uint32_t a, uint32_t b, uint32_t c) {
    for (int i = 0; i < 4; ++i) {
      c += static_cast<uint32_t>(static_cast<A>(a >> 8 * i) * static_cast<B>(b >> 8 * i));
    }
    return c;
  }
};

// Two 16-bit values of a times bytes first and first + 1 of b.
template <class A, class B, int first>
struct Dot2 {
  using Half = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
  static uint32_t Run(uint32_t a, uint32_t b, uint32_t c) {
    for (int i = 0; i < 2; ++i) {
      c += static_cast<uint32_t>(static_cast<Half>(a >> 16 * i)) *
           static_cast<uint32_t>(static_cast<B>(b >> 8 * (first + i)));
    }
    return c;
  }
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_INTEGER_FUNCTORS_H_
