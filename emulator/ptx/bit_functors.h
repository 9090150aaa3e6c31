// Bit operations on scalars, with PTX's answers for shifts and fields beyond the word.
#ifndef SWITCHYARD_EMULATOR_PTX_BIT_FUNCTORS_H_
#define SWITCHYARD_EMULATOR_PTX_BIT_FUNCTORS_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

namespace emu {

template <class T>
struct BitAnd {
  static T Run(T a, T b) { return a & b; }
};
template <class T>
struct BitOr {
  static T Run(T a, T b) { return a | b; }
};
template <class T>
struct BitXor {
  static T Run(T a, T b) { return a ^ b; }
};
template <class T>
struct BitNot {
  static T Run(T a) { return static_cast<T>(~a); }
};
template <class T>
struct CNot {
  static T Run(T a) { return a == 0; }
};

template <class T>
constexpr uint32_t kBitsOf = sizeof(T) * 8;

// Shifts by the width and more empty the register; arithmetic ones fill it with the sign.
struct ShiftLeft {
  template <class T>
  static T Run(T a, uint32_t n) {
    const T shifted = static_cast<T>(static_cast<uint64_t>(a) << (n & 63));
    if constexpr (sizeof(T) == 4) return n > 31 ? 0 : a << (n & 31);
    return n >= kBitsOf<T> ? T{0} : shifted;
  }
};
struct ShiftRight {
  template <class T>
  static T Run(T a, uint32_t n) {
    if constexpr (std::is_signed_v<T>) return static_cast<T>(a >> std::min(n, kBitsOf<T> - 1));
    return n >= kBitsOf<T> ? T{0} : static_cast<T>(a >> (n & (kBitsOf<T> - 1)));
  }
};

// The low n bits; n may exceed the width.
template <class T>
T LowBits(uint32_t n) {
  return n >= kBitsOf<T> ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << n) - 1);
}

// bfe: `length` bits from `position`; a signed field is extended with its top bit, or with the
// word's if it reaches beyond.
struct Extract {
  template <class T>
  static T Run(T a, uint32_t position, uint32_t length) {
    using U = std::make_unsigned_t<T>;
    position &= 0xff;
    length &= 0xff;
    if (length == 0) return 0;
    const U value = position >= kBitsOf<T> ? U{0} : static_cast<U>(static_cast<U>(a) >> position);
    const U field = value & LowBits<U>(length);
    if constexpr (std::is_signed_v<T>) {
      const uint32_t top = std::min(position + length - 1, kBitsOf<T> - 1);
      const bool negative = (static_cast<U>(a) >> top & 1) != 0;
      return static_cast<T>(negative ? field | ~LowBits<U>(top < position ? 0 : top - position + 1)
                                     : field);
    }
    return static_cast<T>(field);
  }
};

template <class T>
T Insert(T a, T b, uint32_t position, uint32_t length) {
  const bool outside = position >= kBitsOf<T>;
  const uint32_t at = outside ? 0 : position;
  const T mask = outside ? T{0} : static_cast<T>(LowBits<T>(length) << at);
  return (b & ~mask) | ((a << at) & mask);
}

template <class T>
struct PopCount {
  static uint32_t Run(T a) { return static_cast<uint32_t>(std::popcount(a)); }
};
template <class T>
struct LeadingZeros {
  static uint32_t Run(T a) { return static_cast<uint32_t>(std::countl_zero(a)); }
};

// bfind: the highest bit that differs from the sign (unsigned: that is set), or its distance from
// the top; all ones if there is none.
template <bool shift_amount>
struct FindLeading {
  template <class T>
  static uint32_t Run(T a) {
    using U = std::make_unsigned_t<T>;
    U bits = static_cast<U>(a);
    if constexpr (std::is_signed_v<T>) bits = a < 0 ? static_cast<U>(~bits) : bits;
    if (bits == 0) return ~uint32_t{0};
    const auto zeros = static_cast<uint32_t>(std::countl_zero(bits));
    return shift_amount ? zeros : kBitsOf<T> - 1 - zeros;
  }
};

template <class T>
struct Reverse {
  static T Run(T a) {
    T result = 0;
    for (uint32_t i = 0; i < kBitsOf<T>; ++i) result |= (a >> i & T{1}) << (kBitsOf<T> - 1 - i);
    return result;
  }
};

// prmt: byte i of the result is byte selector[i] of b:a; with its fourth bit, that byte's sign.
struct Permute {
  static uint32_t Run(uint32_t a, uint32_t b, uint32_t selector) {
    const uint64_t both = uint64_t{b} << 32 | a;
    uint32_t result = 0;
    for (uint32_t i = 0; i < 4; ++i) {
      const uint32_t choice = selector >> 4 * i & 0xf;
      const auto byte = static_cast<uint32_t>(both >> 8 * (choice & 7)) & 0xff;
      const uint32_t sign = (byte & 0x80) != 0 ? 0xff : 0;
      result |= (choice & 8 ? sign : byte) << 8 * i;
    }
    return result;
  }
};

// The modes that take two bits of the selector.
inline uint32_t PermuteBy(uint32_t a, uint32_t b, const uint8_t (&choice)[4]) {
  const uint64_t both = uint64_t{b} << 32 | a;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) {
    result |= (static_cast<uint32_t>(both >> 8 * choice[i]) & 0xff) << 8 * i;
  }
  return result;
}
#define SWITCHYARD_EMU_PERMUTE(Name, ...)                            \
  struct Name {                                                      \
    static uint32_t Run(uint32_t a, uint32_t b, uint32_t selector) { \
      static constexpr uint8_t kChoices[4][4] = {__VA_ARGS__};       \
      return PermuteBy(a, b, kChoices[selector & 3]);                \
    }                                                                \
  }
SWITCHYARD_EMU_PERMUTE(PermuteF4e, {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6});
SWITCHYARD_EMU_PERMUTE(PermuteB4e, {0, 7, 6, 5}, {1, 0, 7, 6}, {2, 1, 0, 7}, {3, 2, 1, 0});
SWITCHYARD_EMU_PERMUTE(PermuteRc8, {0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3});
SWITCHYARD_EMU_PERMUTE(PermuteEcl, {0, 1, 2, 3}, {1, 1, 2, 3}, {2, 2, 2, 3}, {3, 3, 3, 3});
SWITCHYARD_EMU_PERMUTE(PermuteEcr, {0, 0, 0, 0}, {0, 1, 1, 1}, {0, 1, 2, 2}, {0, 1, 2, 3});
SWITCHYARD_EMU_PERMUTE(PermuteRc16, {0, 1, 0, 1}, {2, 3, 2, 3}, {0, 1, 0, 1}, {2, 3, 2, 3});
#undef SWITCHYARD_EMU_PERMUTE

// bmsk: `length` ones from bit `position`.
struct MakeMask {
  static uint32_t Run(uint32_t position, uint32_t length) {
    return position > 31 ? 0 : LowBits<uint32_t>(length) << position;
  }
};
struct MakeMaskWrap {
  static uint32_t Run(uint32_t position, uint32_t length) {
    return LowBits<uint32_t>(length & 31) << (position & 31);
  }
};

// szext: the low n bits, zero- or sign-extended.
template <bool wrap>
struct SizeExtend {
  template <class T>
  static T Run(T a, uint32_t n) {
    if (wrap) n &= 31;
    if (n == 0) return 0;
    if (n > 31) return a;
    const uint32_t up = 32 - n;
    return static_cast<T>(static_cast<uint32_t>(a) << up) >> up;
  }
};

// fns: the n-th set bit from `base`, upwards for positive n, downwards for negative; all ones:
// none.
struct FindNth {
  static uint32_t Run(uint32_t mask, uint32_t base, int32_t offset) {
    base &= 31;
    if (offset == 0) return (mask >> base & 1) != 0 ? base : ~uint32_t{0};
    const int32_t step = offset > 0 ? 1 : -1;
    int32_t left = offset > 0 ? offset : -offset;
    for (auto bit = static_cast<int32_t>(base); bit >= 0 && bit < 32; bit += step) {
      if ((mask >> bit & 1) != 0 && --left == 0) return static_cast<uint32_t>(bit);
    }
    return ~uint32_t{0};
  }
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_BIT_FUNCTORS_H_
