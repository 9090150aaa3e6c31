#include "emulator/nccl/element_type.h"

#include <array>

namespace emu {
namespace {

struct Row {
  const char* name;
  size_t bytes;
  bool floating_point;
};

// In the order of ncclDataType_t.
constexpr std::array<Row, ncclNumTypes> kRows = {{
    {"int8", 1, false},
    {"uint8", 1, false},
    {"int32", 4, false},
    {"uint32", 4, false},
    {"int64", 8, false},
    {"uint64", 8, false},
    {"float16", 2, true},
    {"float32", 4, true},
    {"float64", 8, true},
    {"bfloat16", 2, true},
    {"float8e4m3", 1, true},
    {"float8e5m2", 1, true},
}};
static_assert(ncclInt8 == 0 && ncclFloat32 == 7 && ncclBfloat16 == 9 && ncclFloat8e5m2 == 11);

constexpr Row kNone = {"no type", 0, false};

const Row& Find(ncclDataType_t type) {
  const auto index = static_cast<size_t>(type);
  return index < kRows.size() ? kRows[index] : kNone;
}

}  // namespace

size_t ElementBytes(ncclDataType_t type) { return Find(type).bytes; }
const char* ElementName(ncclDataType_t type) { return Find(type).name; }
bool IsFloatingPoint(ncclDataType_t type) { return Find(type).floating_point; }

}  // namespace emu
