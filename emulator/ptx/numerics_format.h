// The number formats that tensor cores multiply: their fields, and exact conversion to and from
// FP32. Every value of every format here is an FP32 value, so the rest of the engine computes on
// floats.
//
// Owner: none, pure functions. Thread: any. Units: bits.
#ifndef SWITCHYARD_EMULATOR_PTX_NUMERICS_FORMAT_H_
#define SWITCHYARD_EMULATOR_PTX_NUMERICS_FORMAT_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace emu {

enum class Format : uint8_t { kE4m3, kE5m2, kF16, kBf16, kTf32 };

struct FormatTraits {
  uint8_t bytes;            // in memory and in registers; tf32 takes a whole 32-bit word
  uint8_t mantissa_bits;    // stored fraction bits
  int16_t min_exponent;     // of normal numbers and, not renormalised, of subnormal ones
  std::string_view suffix;  // as PTX spells it
};

constexpr FormatTraits TraitsOf(Format format) {
  switch (format) {
    case Format::kE4m3:
      return {1, 3, -6, "e4m3"};
    case Format::kE5m2:
      return {1, 2, -14, "e5m2"};
    case Format::kF16:
      return {2, 10, -14, "f16"};
    case Format::kBf16:
      return {2, 7, -126, "bf16"};
    case Format::kTf32:
      return {4, 10, -126, "tf32"};
  }
  return {};
}

// The format that PTX calls `suffix`; false when it is none of the above.
bool ParseFormat(std::string_view suffix, Format* format);

// Exact. e4m3 has no infinity: S.1111.111 is its NaN.
float DecodeE4m3(uint8_t bits);
float DecodeE5m2(uint8_t bits);
float DecodeF16(uint16_t bits);
inline float DecodeBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }
// The hardware reads a tf32 operand out of a 32-bit word and ignores the low 13 bits.
inline float DecodeTf32(uint32_t bits) { return std::bit_cast<float>(bits & ~uint32_t{0x1fff}); }

// Round to nearest, ties to even; overflow gives infinity, NaN stays NaN.
uint16_t EncodeF16(float value);
uint16_t EncodeBf16(float value);

// out[i] = element i of `bytes`, exactly. `bytes` need not be aligned.
void DecodeElements(Format format, const std::byte* bytes, size_t count, float* out);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_NUMERICS_FORMAT_H_
