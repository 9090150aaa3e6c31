#include "emulator/ptx/tensor_descriptor.h"

namespace emu {
namespace {

constexpr uint64_t kFieldMask = 0x3fff;
constexpr uint64_t kKnownBits =
    kFieldMask | kFieldMask << 16 | kFieldMask << 32 | uint64_t{7} << 49 | uint64_t{3} << 62;
constexpr uint32_t kRowBytes[4] = {16, 128, 64, 32};

uint32_t Field(uint64_t bits, int shift) {
  return static_cast<uint32_t>(bits >> shift & kFieldMask) * kChunkBytes;
}

}  // namespace

MatrixDescriptor DecodeDescriptor(uint64_t bits) {
  MatrixDescriptor descriptor;
  descriptor.start = Field(bits, 0);
  descriptor.leading = Field(bits, 16);
  descriptor.stride = Field(bits, 32);
  descriptor.base_offset = static_cast<uint32_t>(bits >> 49 & 7);
  descriptor.row_bytes = kRowBytes[bits >> 62];
  return descriptor;
}

std::string CheckDescriptor(uint64_t bits) {
  if ((bits & ~kKnownBits) != 0) return "a matrix descriptor has bits set that must be zero";
  const MatrixDescriptor descriptor = DecodeDescriptor(bits);
  // Only patterns that begin off their natural alignment need one; nothing here is known to.
  if (descriptor.base_offset != 0) return "a matrix descriptor with a base offset is not modelled";
  const uint32_t row_in_pattern =
      (descriptor.start >> 7) & (descriptor.row_bytes / kChunkBytes - 1);
  if (row_in_pattern != 0) {
    return "a matrix descriptor starts " + std::to_string(descriptor.start % 1024) +
           " bytes behind a multiple of 1024, inside its " + std::to_string(descriptor.row_bytes) +
           "-byte swizzle pattern";
  }
  return {};
}

uint32_t KMajorChunk(const MatrixDescriptor& descriptor, uint32_t row, uint32_t chunk) {
  const uint32_t row_address = descriptor.start + row / 8 * descriptor.stride;
  if (descriptor.row_bytes == kChunkBytes) {
    return row_address + row % 8 * kChunkBytes + chunk * descriptor.leading;
  }
  return SwizzleAddress(row_address + row % 8 * descriptor.row_bytes + chunk * kChunkBytes,
                        descriptor.row_bytes);
}

uint32_t MnMajorChunk(const MatrixDescriptor& descriptor, uint32_t mn8, uint32_t k) {
  const uint32_t row_bytes = descriptor.row_bytes;
  const bool swizzled = row_bytes != kChunkBytes;
  const uint32_t chunks = row_bytes / kChunkBytes;  // of a row of the pattern
  const uint32_t block_step = swizzled ? descriptor.leading : descriptor.stride;
  const uint32_t group_step = swizzled ? descriptor.stride : descriptor.leading;
  const uint32_t address = descriptor.start + mn8 / chunks * block_step + k / 8 * group_step +
                           k % 8 * row_bytes + mn8 % chunks * kChunkBytes;
  return SwizzleAddress(address, row_bytes);
}

}  // namespace emu
