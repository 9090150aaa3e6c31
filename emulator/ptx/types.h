// The scalar types of PTX and the lane mask.
#ifndef SWITCHYARD_EMULATOR_PTX_TYPES_H_
#define SWITCHYARD_EMULATOR_PTX_TYPES_H_

#include <cstdint>
#include <string_view>

namespace emu {

constexpr int kWarpSize = 32;
using LaneMask = uint32_t;  // bit l: lane l
constexpr LaneMask kAllLanes = ~LaneMask{0};

enum class ScalarType : uint8_t {
  kNone,
  kPred,
  kB8,
  kB16,
  kB32,
  kB64,
  kB128,
  kU8,
  kU16,
  kU32,
  kU64,
  kS8,
  kS16,
  kS32,
  kS64,
  kF16,
  kBf16,
  kF32,
  kF64,
  kTf32,
  kF16x2,
  kBf16x2,
  kE4m3x2,
  kE5m2x2,
  kE4m3,
  kE5m2,
  kU16x2,
  kS16x2,
};

// "u32" -> kU32; kNone for what is no type.
ScalarType ParseScalarType(std::string_view name);
// Bits of a value in memory: 8, 16, 32, 64, 128; 1 for kPred.
uint32_t BitsOf(ScalarType type);
bool IsFloat(ScalarType type);   // f16, bf16, f32, f64
bool IsSigned(ScalarType type);  // s8 to s64

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TYPES_H_
