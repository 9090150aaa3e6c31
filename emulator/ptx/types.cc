#include "emulator/ptx/types.h"

#include <algorithm>
#include <iterator>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/instruction.h"

namespace emu {
namespace {

struct TypeRow {
  std::string_view name;
  ScalarType type;
  uint32_t bits;
};

constexpr TypeRow kTypes[] = {
    {"pred", ScalarType::kPred, 1},      {"b8", ScalarType::kB8, 8},
    {"b16", ScalarType::kB16, 16},       {"b32", ScalarType::kB32, 32},
    {"b64", ScalarType::kB64, 64},       {"b128", ScalarType::kB128, 128},
    {"u8", ScalarType::kU8, 8},          {"u16", ScalarType::kU16, 16},
    {"u32", ScalarType::kU32, 32},       {"u64", ScalarType::kU64, 64},
    {"s8", ScalarType::kS8, 8},          {"s16", ScalarType::kS16, 16},
    {"s32", ScalarType::kS32, 32},       {"s64", ScalarType::kS64, 64},
    {"f16", ScalarType::kF16, 16},       {"bf16", ScalarType::kBf16, 16},
    {"f32", ScalarType::kF32, 32},       {"f64", ScalarType::kF64, 64},
    {"tf32", ScalarType::kTf32, 32},     {"f16x2", ScalarType::kF16x2, 32},
    {"bf16x2", ScalarType::kBf16x2, 32}, {"e4m3x2", ScalarType::kE4m3x2, 16},
    {"e5m2x2", ScalarType::kE5m2x2, 16}, {"e4m3", ScalarType::kE4m3, 8},
    {"e5m2", ScalarType::kE5m2, 8},      {"u16x2", ScalarType::kU16x2, 32},
    {"s16x2", ScalarType::kS16x2, 32},
};

}  // namespace

ScalarType ParseScalarType(std::string_view name) {
  for (const TypeRow& row : kTypes) {
    if (row.name == name) return row.type;
  }
  return ScalarType::kNone;
}

uint32_t BitsOf(ScalarType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.bits;
  }
  return 0;
}

bool IsFloat(ScalarType type) {
  return type == ScalarType::kF16 || type == ScalarType::kBf16 || type == ScalarType::kF32 ||
         type == ScalarType::kF64;
}

bool IsSigned(ScalarType type) {
  return type == ScalarType::kS8 || type == ScalarType::kS16 || type == ScalarType::kS32 ||
         type == ScalarType::kS64;
}

ScalarType ParsedInstruction::type() const {
  for (size_t i = parts.size(); i-- > 1;) {
    const ScalarType type = ParseScalarType(parts[i]);
    if (type != ScalarType::kNone) return type;
  }
  return ScalarType::kNone;
}

std::vector<ScalarType> ParsedInstruction::types() const {
  std::vector<ScalarType> result;
  for (size_t i = 1; i < parts.size(); ++i) {
    const ScalarType type = ParseScalarType(parts[i]);
    if (type != ScalarType::kNone) result.push_back(type);
  }
  return result;
}

std::string_view FaultName(FaultKind kind) {
  switch (kind) {
    case FaultKind::kIllegalAddress:
      return "illegal address";
    case FaultKind::kUseAfterFree:
      return "use after free";
    case FaultKind::kMisaligned:
      return "misaligned address";
    case FaultKind::kUninitialised:
      return "uninitialised read";
    case FaultKind::kRace:
      return "race";
    case FaultKind::kDeadlock:
      return "deadlock";
    case FaultKind::kAssert:
      return "assertion";
    case FaultKind::kIllegalOperation:
      return "illegal operation";
  }
  return "fault";
}

}  // namespace emu
