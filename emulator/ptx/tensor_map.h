// The 128-byte tensor map that TMA instructions take: a tensor of 1 to 5 dimensions in global
// memory and the box of it that one instruction copies. The layout is ours; programs treat it as
// opaque.
//
// EncodeTiled has the argument rules of the driver's cuTensorMapEncodeTiled for Hopper, so that
// what fails there fails here. The enumerators have the values of the driver's.
//
// Owner: the program, in host, parameter, constant or global memory. Thread: any; immutable.
#ifndef SWITCHYARD_EMULATOR_PTX_TENSOR_MAP_H_
#define SWITCHYARD_EMULATOR_PTX_TENSOR_MAP_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace emu {

constexpr uint32_t kMaxTensorRank = 5;

enum class TensorType : uint8_t {
  kU8,
  kU16,
  kU32,
  kS32,
  kU64,
  kS64,
  kF16,
  kF32,
  kF64,
  kBf16,
  kF32Ftz,
  kTf32,
  kTf32Ftz,
};
enum class TensorInterleave : uint8_t { kNone, k16B, k32B };
enum class TensorSwizzle : uint8_t { kNone, k32B, k64B, k128B };
enum class TensorL2Promotion : uint8_t { kNone, k64B, k128B, k256B };
enum class TensorFill : uint8_t { kZero, kNan };

uint32_t TensorTypeBytes(TensorType type);
bool IsFloatTensorType(TensorType type);

// In elements, but for the strides. Dimension 0 is the innermost, contiguous one.
struct alignas(64) TensorMap {
  uint64_t magic = 0;  // kTensorMapMagic once encoded
  uint64_t address = 0;
  uint64_t strides[kMaxTensorRank - 1] = {};    // bytes, of dimensions 1 to rank - 1
  uint64_t dims_less_one[kMaxTensorRank] = {};  // a dimension may have 2^32 elements
  uint16_t box[kMaxTensorRank] = {};
  uint8_t element_strides[kMaxTensorRank] = {};
  uint8_t rank = 0;
  TensorType type = TensorType::kU8;
  TensorSwizzle swizzle = TensorSwizzle::kNone;
  TensorFill fill = TensorFill::kZero;
  uint8_t reserved[21] = {};

  uint64_t dim(uint32_t d) const { return dims_less_one[d] + 1; }
  // Elements that one instruction copies along a dimension: every element_stride-th of the box.
  uint32_t box_elements(uint32_t d) const {
    return (uint32_t{box[d]} + element_strides[d] - 1) / element_strides[d];
  }
  uint32_t element_bytes() const { return TensorTypeBytes(type); }
  uint32_t box_bytes() const;      // in shared memory, and what an mbarrier is told
  uint32_t swizzle_bytes() const;  // 16 (none), 32, 64, 128
};
static_assert(sizeof(TensorMap) == 128);

constexpr uint64_t kTensorMapMagic = 0x0070'616d'2d75'6d65;  // "emu-map"

struct TiledArguments {
  TensorType type = TensorType::kU8;
  uint32_t rank = 0;
  uint64_t address = 0;
  const uint64_t* dims = nullptr;             // [rank]
  const uint64_t* strides = nullptr;          // [rank - 1], bytes, of dimensions 1 on
  const uint32_t* box = nullptr;              // [rank]
  const uint32_t* element_strides = nullptr;  // [rank]
  TensorInterleave interleave = TensorInterleave::kNone;
  TensorSwizzle swizzle = TensorSwizzle::kNone;
  TensorL2Promotion promotion = TensorL2Promotion::kNone;
  TensorFill fill = TensorFill::kZero;
};

// Fills *map, or says which argument breaks which rule (the driver answers
// CUDA_ERROR_INVALID_VALUE) and leaves *map alone. The enumerators may hold any integer.
std::string EncodeTiled(const TiledArguments& arguments, TensorMap* map);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TENSOR_MAP_H_
