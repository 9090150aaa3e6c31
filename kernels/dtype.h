// Element types of tensors and the scalar conversions between them. Bulk conversions are ops; these
// define their meaning.
#ifndef SWITCHYARD_KERNELS_DTYPE_H_
#define SWITCHYARD_KERNELS_DTYPE_H_

#include <bit>
#include <cstdint>
#include <string_view>

namespace switchyard::kernels {

// kU4: whole numbers 0 to 15, and kF4E2M1: codes of floats of 4 bits; in host memory one to a byte.
enum class DType : uint8_t { kF32, kBf16, kF16, kF8E4M3, kI32, kI64, kI8, kU4, kF4E2M1 };

constexpr int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF8E4M3:
    case DType::kI8:
    case DType::kU4:
    case DType::kF4E2M1:
      return 1;
    case DType::kBf16:
    case DType::kF16:
      return 2;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kI64:
      return 8;
  }
  return 0;
}

constexpr std::string_view Name(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kBf16:
      return "bf16";
    case DType::kF16:
      return "f16";
    case DType::kF8E4M3:
      return "f8e4m3";
    case DType::kI32:
      return "i32";
    case DType::kI64:
      return "i64";
    case DType::kI8:
      return "i8";
    case DType::kU4:
      return "u4";
    case DType::kF4E2M1:
      return "f4e2m1";
  }
  return "?";
}

// Bit patterns of the narrow types; plain integers so that memory of them can be copied and
// compared.
enum class Bf16 : uint16_t {};
enum class F16 : uint16_t {};
enum class F8E4M3 : uint8_t {};
enum class F4E2M1 : uint8_t {};  // in the low four bits

constexpr float ToFloat(Bf16 value) {
  return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

// Round to nearest, ties to even; a NaN stays a (quiet) NaN.
constexpr Bf16 ToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<Bf16>((bits >> 16) | 0x40u);
  return static_cast<Bf16>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

// IEEE binary16, subnormals included. Here and below for e4m3, without branches, so that loops of
// them become vectors: a float of the same bits is too small by a power of two.
constexpr float ToFloat(F16 value) {
  constexpr uint32_t kInfinity = 0x7c00u << 13;
  const uint32_t bits = static_cast<uint16_t>(value);
  const uint32_t magnitude = (bits & 0x7fffu) << 13;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  const uint32_t widened = magnitude >= kInfinity ? magnitude | 0x7f800000u : finite;
  return std::bit_cast<float>(widened | (bits & 0x8000u) << 16);
}
// Round to nearest, ties to even; infinite above the largest, NaN gives NaN.
F16 ToF16(float value);

// e4m3fn: no infinity, largest 448, 0x7f and 0xff are NaN.
constexpr float ToFloat(F8E4M3 value) {
  const uint32_t bits = static_cast<uint8_t>(value);
  const uint32_t magnitude = bits & 0x7fu;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude << 20) * 0x1p120f);
  return std::bit_cast<float>(magnitude == 0x7fu ? 0x7fc00000u : finite | (bits & 0x80u) << 24);
}
// e2m1: 0, .5, 1, 1.5, 2, 3, 4, 6 and the negatives; neither infinity nor NaN.
constexpr float ToFloat(F4E2M1 value) {
  const uint32_t bits = static_cast<uint8_t>(value);
  const float magnitude = std::bit_cast<float>((bits & 7u) << 22) * 0x1p126f;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | (bits & 8u) << 28);
}
// Round to nearest, ties to even, saturating at +-448; NaN gives NaN.
F8E4M3 ToF8E4M3(float value);

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_DTYPE_H_
