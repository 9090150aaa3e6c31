// Conversions between float and the narrow floating-point types: IEEE half, bfloat16 and the two
// 8-bit types. Encoding rounds to nearest, ties to even. The 8-bit types saturate to their largest
// finite value, the wider ones overflow to infinity, as the device's conversions do.
#ifndef SWITCHYARD_EMULATOR_NCCL_SMALL_FLOAT_H_
#define SWITCHYARD_EMULATOR_NCCL_SMALL_FLOAT_H_

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace emu {

// One narrow format. Codes above kMaxFinite are infinities and NaNs (e4m3: one NaN and no
// infinity).
template <typename CodeType, int kExponentBits, int kMantissaBits, uint32_t kMaxFinite,
          uint32_t kNan, bool kSaturates>
struct SmallFloat {
  using Code = CodeType;
  static constexpr int kBias = (1 << (kExponentBits - 1)) - 1;
  static constexpr uint32_t kSign = 1u << (kExponentBits + kMantissaBits);
  static constexpr uint32_t kInfinity = ((1u << kExponentBits) - 1) << kMantissaBits;

  static float Decode(Code code) {
    const uint32_t magnitude = code & (kSign - 1);
    float value;
    if (magnitude > kMaxFinite) {
      value = magnitude == kInfinity && !(kSaturates && kMaxFinite > kInfinity) ? INFINITY : NAN;
    } else {
      const int exponent = static_cast<int>(magnitude >> kMantissaBits);
      const auto mantissa = static_cast<float>(magnitude & ((1u << kMantissaBits) - 1));
      const float implied = exponent == 0 ? 0.0f : static_cast<float>(1u << kMantissaBits);
      value =
          std::ldexp(implied + mantissa, (exponent == 0 ? 1 : exponent) - kBias - kMantissaBits);
    }
    return code & kSign ? -value : value;
  }

  static Code Encode(float value) {
    const uint32_t sign = std::signbit(value) ? kSign : 0;
    if (std::isnan(value)) return static_cast<Code>(kNan);
    uint32_t code = kMaxFinite + 1;  // overflows, unless the value is finite and small enough
    if (!std::isinf(value) && value != 0) {
      // The quotient counts steps of the value's binade, the implied bit included, so that adding
      // it to the exponent's field carries into the next binade by itself.
      const float size = std::fabs(value);
      const int exponent = std::max(std::ilogb(size), 1 - kBias);
      if (exponent <= kBias + 1) {
        const float steps = std::nearbyint(std::ldexp(size, kMantissaBits - exponent));
        code = (static_cast<uint32_t>(exponent + kBias - 1) << kMantissaBits) +
               static_cast<uint32_t>(steps);
      }
    } else if (value == 0) {
      code = 0;
    }
    if (code > kMaxFinite) code = kSaturates ? kMaxFinite : kInfinity;
    return static_cast<Code>(code | sign);
  }
};

using Half = SmallFloat<uint16_t, 5, 10, 0x7bff, 0x7fff, false>;
using Float8E4M3 = SmallFloat<uint8_t, 4, 3, 0x7e, 0x7f, true>;
using Float8E5M2 = SmallFloat<uint8_t, 5, 2, 0x7b, 0x7f, true>;

// The upper half of a float: converted by its bits, since it is what most programs reduce.
struct BFloat16 {
  using Code = uint16_t;
  static float Decode(Code code) { return std::bit_cast<float>(static_cast<uint32_t>(code) << 16); }
  static Code Encode(float value) {
    const auto bits = std::bit_cast<uint32_t>(value);
    if (std::isnan(value)) return 0x7fff;
    return static_cast<Code>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_SMALL_FLOAT_H_
