#include "emulator/ptx/tensor_map.h"

namespace emu {
namespace {

constexpr uint64_t kMaxDim = uint64_t{1} << 32;
constexpr uint64_t kMaxStride = uint64_t{1} << 40;
constexpr uint32_t kMaxBox = 256;
constexpr uint32_t kMaxElementStride = 8;
constexpr uint64_t kMapAlignment = 64;

std::string InDimension(const char* what, uint32_t d, uint64_t value, const std::string& rule) {
  return std::string(what) + "[" + std::to_string(d) + "] is " + std::to_string(value) + ", " +
         rule;
}

std::string CheckEnumerators(const TiledArguments& a) {
  if (a.type > TensorType::kTf32Ftz) return "unknown tensorDataType";
  if (a.rank < 1 || a.rank > kMaxTensorRank) {
    return "tensorRank is " + std::to_string(a.rank) + ", not 1 to 5";
  }
  if (a.interleave > TensorInterleave::k32B) return "unknown interleave";
  if (a.swizzle > TensorSwizzle::k128B) return "unknown swizzle";
  if (a.promotion > TensorL2Promotion::k256B) return "unknown l2Promotion";
  if (a.fill > TensorFill::kNan) return "unknown oobFill";
  if (a.fill == TensorFill::kNan && !IsFloatTensorType(a.type)) {
    return "oobFill NaN with a tensorDataType that is not floating point";
  }
  // The blocked layouts are of no use to tensor cores; no program of ours can make one.
  if (a.interleave != TensorInterleave::kNone) return "interleaved layouts are not modelled";
  return {};
}

std::string CheckPointers(const TiledArguments& a, const void* map) {
  if (reinterpret_cast<uintptr_t>(map) % kMapAlignment != 0) {
    return "tensorMap is not at a multiple of 64 bytes";
  }
  if (a.dims == nullptr || a.box == nullptr || a.element_strides == nullptr ||
      (a.strides == nullptr && a.rank > 1)) {
    return "a null array";
  }
  if (a.address == 0 || a.address % 16 != 0) {
    return "globalAddress is null or not at a multiple of 16 bytes";
  }
  return {};
}

std::string CheckDimensions(const TiledArguments& a) {
  for (uint32_t d = 0; d < a.rank; ++d) {
    if (a.dims[d] == 0 || a.dims[d] > kMaxDim) {
      return InDimension("globalDim", d, a.dims[d], "not 1 to 2^32");
    }
    if (a.box[d] == 0 || a.box[d] > kMaxBox) {
      return InDimension("boxDim", d, a.box[d], "not 1 to 256");
    }
    if (a.element_strides[d] == 0 || a.element_strides[d] > kMaxElementStride) {
      return InDimension("elementStrides", d, a.element_strides[d], "not 1 to 8");
    }
  }
  // Strides need neither grow nor exceed the rows that they step over: permuted views are common.
  for (uint32_t d = 0; d + 1 < a.rank; ++d) {
    if (a.strides[d] % 16 != 0 || a.strides[d] >= kMaxStride) {
      return InDimension("globalStrides", d, a.strides[d], "not a multiple of 16 below 2^40");
    }
  }
  return {};
}

std::string CheckBoxRow(const TiledArguments& a) {
  const uint32_t row_bytes = a.box[0] * TensorTypeBytes(a.type);
  if (row_bytes % 16 != 0) {
    return "a box row has " + std::to_string(row_bytes) + " bytes, not a multiple of 16";
  }
  if (a.swizzle == TensorSwizzle::kNone) return {};
  const uint32_t span = 16u << static_cast<uint32_t>(a.swizzle);
  if (row_bytes > span) {
    return "a box row has " + std::to_string(row_bytes) + " bytes, more than the swizzle span of " +
           std::to_string(span);
  }
  return {};
}

}  // namespace

uint32_t TensorTypeBytes(TensorType type) {
  switch (type) {
    case TensorType::kU8:
      return 1;
    case TensorType::kU16:
    case TensorType::kF16:
    case TensorType::kBf16:
      return 2;
    case TensorType::kU64:
    case TensorType::kS64:
    case TensorType::kF64:
      return 8;
    default:
      return 4;
  }
}

bool IsFloatTensorType(TensorType type) { return type >= TensorType::kF16; }

uint32_t TensorMap::box_bytes() const {
  uint32_t bytes = element_bytes();
  for (uint32_t d = 0; d < rank; ++d) bytes *= box_elements(d);
  return bytes;
}

uint32_t TensorMap::swizzle_bytes() const { return 16u << static_cast<uint32_t>(swizzle); }

std::string EncodeTiled(const TiledArguments& arguments, TensorMap* map) {
  std::string wrong = CheckEnumerators(arguments);
  if (wrong.empty()) wrong = CheckPointers(arguments, map);
  if (wrong.empty()) wrong = CheckDimensions(arguments);
  if (wrong.empty()) wrong = CheckBoxRow(arguments);
  if (!wrong.empty()) return wrong;
  TensorMap result;
  result.magic = kTensorMapMagic;
  result.address = arguments.address;
  result.rank = static_cast<uint8_t>(arguments.rank);
  result.type = arguments.type;
  result.swizzle = arguments.swizzle;
  result.fill = arguments.fill;
  for (uint32_t d = 0; d < arguments.rank; ++d) {
    result.dims_less_one[d] = arguments.dims[d] - 1;
    result.box[d] = static_cast<uint16_t>(arguments.box[d]);
    // Dimension 0 is always dense without interleaving, whatever the argument says.
    result.element_strides[d] =
        d == 0 ? uint8_t{1} : static_cast<uint8_t>(arguments.element_strides[d]);
    if (d > 0) result.strides[d - 1] = arguments.strides[d - 1];
  }
  *map = result;
  return {};
}

}  // namespace emu
