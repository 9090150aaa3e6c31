// The 64-bit matrix descriptors of wgmma: where in shared memory the 16-byte chunks of an operand
// are.
//
//   bits 0-13   start address / 16          bits 16-29  leading byte offset (LBO) / 16
//   bits 32-45  stride byte offset (SBO) / 16
//   bits 49-51  base offset                 bits 62-63  swizzle: 0 none, 1 128, 2 64, 3 32 bytes
//
// Swizzling is a function of address bits: the chunk number within a row of the pattern (bits 4-6,
// 4-5 or 4) is XORed with the bits from 7 on, as TMA writes it. K-major operands have rows along K
// as wide as the swizzle; SBO steps groups of 8 rows, and LBO the two chunks of K without a
// swizzle. MN-major operands (16-bit formats) have rows along M or N: swizzled, LBO steps from row
// to row block and SBO groups of 8 in K; without a swizzle the two trade places.
//
// Owner: none, pure functions. Thread: any. Units: bytes; addresses are offsets in the block's
// shared memory.
#ifndef SWITCHYARD_EMULATOR_PTX_TENSOR_DESCRIPTOR_H_
#define SWITCHYARD_EMULATOR_PTX_TENSOR_DESCRIPTOR_H_

#include <cstdint>
#include <string>

namespace emu {

constexpr uint32_t kChunkBytes = 16;

struct MatrixDescriptor {
  uint32_t start = 0;
  uint32_t leading = 0;
  uint32_t stride = 0;
  uint32_t base_offset = 0;  // 0 to 7
  uint32_t row_bytes = 16;   // of the swizzle pattern: 16 (none), 32, 64, 128
};

MatrixDescriptor DecodeDescriptor(uint64_t bits);
// What is wrong with it, or empty: bits that must be zero, a base offset, a start that is not at
// the beginning of a row of the first group of 8.
std::string CheckDescriptor(uint64_t bits);

// XORs the chunk number of an address with its row in the pattern. row_bytes as above.
constexpr uint32_t SwizzleAddress(uint32_t address, uint32_t row_bytes) {
  return address ^ (((address >> 7) & (row_bytes / kChunkBytes - 1)) << 4);
}

// K-major: the chunk that holds bytes [16 chunk, 16 chunk + 16) of row `row` along K; chunk 0 or 1,
// since one instruction takes 32 bytes of K.
uint32_t KMajorChunk(const MatrixDescriptor& descriptor, uint32_t row, uint32_t chunk);
// MN-major: the chunk with elements 8 mn8 to 8 mn8 + 7 of M or N at depth k.
uint32_t MnMajorChunk(const MatrixDescriptor& descriptor, uint32_t mn8, uint32_t k);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_TENSOR_DESCRIPTOR_H_
