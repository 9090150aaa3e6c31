#include "emulator/ptx/numerics_format.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace emu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// One byte or half as sign, exponent and fraction; `ieee` formats have infinities and NaNs in the
// top exponent, the other one (e4m3) has a single NaN there.
float DecodeFields(uint32_t bits, int exponent_bits, int mantissa_bits, bool ieee) {
  const uint32_t exponent_mask = (1u << exponent_bits) - 1;
  const uint32_t mantissa_mask = (1u << mantissa_bits) - 1;
  const uint32_t exponent = (bits >> mantissa_bits) & exponent_mask;
  const uint32_t mantissa = bits & mantissa_mask;
  const bool negative = ((bits >> (exponent_bits + mantissa_bits)) & 1) != 0;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  float value = 0;
  if (ieee && exponent == exponent_mask) {
    value = mantissa == 0 ? std::numeric_limits<float>::infinity() : kNan;
  } else if (!ieee && exponent == exponent_mask && mantissa == mantissa_mask) {
    value = kNan;
  } else if (exponent == 0) {
    value = std::ldexp(static_cast<float>(mantissa), 1 - bias - mantissa_bits);
  } else {
    const uint32_t significand = mantissa | (1u << mantissa_bits);
    value = std::ldexp(static_cast<float>(significand),
                       static_cast<int>(exponent) - bias - mantissa_bits);
  }
  return negative ? -value : value;
}

template <size_t kCount>
std::array<float, kCount> MakeTable(int exponent_bits, int mantissa_bits, bool ieee) {
  std::array<float, kCount> table{};
  for (size_t i = 0; i < kCount; ++i) {
    table[i] = DecodeFields(static_cast<uint32_t>(i), exponent_bits, mantissa_bits, ieee);
  }
  return table;
}

const std::array<float, 256>& E4m3Table() {
  static const std::array<float, 256> table = MakeTable<256>(4, 3, /*ieee=*/false);
  return table;
}

const std::array<float, 256>& E5m2Table() {
  static const std::array<float, 256> table = MakeTable<256>(5, 2, /*ieee=*/true);
  return table;
}

const std::array<float, 65536>& F16Table() {
  static const std::array<float, 65536> table = MakeTable<65536>(5, 10, /*ieee=*/true);
  return table;
}

template <typename Word, typename Decode>
void DecodeWords(const std::byte* bytes, size_t count, float* out, Decode decode) {
  for (size_t i = 0; i < count; ++i) {
    Word word;
    std::memcpy(&word, bytes + i * sizeof(Word), sizeof(Word));
    out[i] = decode(word);
  }
}

}  // namespace

bool ParseFormat(std::string_view suffix, Format* format) {
  for (const Format f :
       {Format::kE4m3, Format::kE5m2, Format::kF16, Format::kBf16, Format::kTf32}) {
    if (TraitsOf(f).suffix == suffix) {
      *format = f;
      return true;
    }
  }
  return false;
}

float DecodeE4m3(uint8_t bits) { return E4m3Table()[bits]; }
float DecodeE5m2(uint8_t bits) { return E5m2Table()[bits]; }
float DecodeF16(uint16_t bits) { return F16Table()[bits]; }

uint16_t EncodeF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  if (std::isnan(value)) return 0x7fff;
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520.0F) return sign | 0x7c00;  // halfway to 2^16 and above: infinity
  // nearbyint of the value in units of the format's last place is the rounding that is asked for.
  const int exponent = magnitude == 0 ? -14 : std::max(-14, std::ilogb(magnitude));
  const float units = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  // A carry out of the fraction runs into the exponent field, which is what rounding up means.
  const auto steps = static_cast<uint32_t>(units);
  const uint32_t field = static_cast<uint32_t>(exponent + 14) << 10;
  return static_cast<uint16_t>(sign | (field + steps));
}

uint16_t EncodeBf16(float value) {
  if (std::isnan(value)) return 0x7fff;
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void DecodeElements(Format format, const std::byte* bytes, size_t count, float* out) {
  switch (format) {
    case Format::kE4m3: {
      const auto& table = E4m3Table();
      return DecodeWords<uint8_t>(bytes, count, out, [&](uint8_t w) { return table[w]; });
    }
    case Format::kE5m2: {
      const auto& table = E5m2Table();
      return DecodeWords<uint8_t>(bytes, count, out, [&](uint8_t w) { return table[w]; });
    }
    case Format::kF16: {
      const auto& table = F16Table();
      return DecodeWords<uint16_t>(bytes, count, out, [&](uint16_t w) { return table[w]; });
    }
    case Format::kBf16:
      return DecodeWords<uint16_t>(bytes, count, out, [](uint16_t w) { return DecodeBf16(w); });
    case Format::kTf32:
      return DecodeWords<uint32_t>(bytes, count, out, [](uint32_t w) { return DecodeTf32(w); });
  }
}

}  // namespace emu
