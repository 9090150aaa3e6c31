// How a tile of 4-bit codes lies in memory (gemm_layout.h says which weights have such): what the
// host packs and each thread of a warpgroup widens.
//
// In registers, the left operand of wgmma for a step of 16 columns gives a thread rows r and r + 8,
// r = 16 (thread / 32) + thread % 32 / 4, and four pairs of neighbouring columns:
//
//   pair 0  row r      columns c, c + 1,   c = 2 (thread % 4)
//   pair 1  row r + 8  the same
//   pair 2  row r      columns c + 8, c + 9
//   pair 3  row r + 8  the same
//
// A word has these eight codes: nibble p of its low half is the first of pair p, that of its high
// half the second. A thread's words of the tile's four steps lie side by side. Behind the codes are
// scales, those of rows r and r + 8 side by side:
//
//   kInt4   words [groups, 32, 2]: ScaleWord
//   kMxfp4  bytes [32, 2, 2 groups]: the exponent of two, with a bias of 127
#ifndef SWITCHYARD_KERNELS_CUDA_CHOOSE_CODE_TILE_H_
#define SWITCHYARD_KERNELS_CUDA_CHOOSE_CODE_TILE_H_

#include <bit>
#include <cstdint>

#include "kernels/cuda/choose/gemm_layout.h"

namespace switchyard::kernels::cuda {

inline constexpr int kStepColumns = 16;
inline constexpr int kStepsOfCodes = 4;  // of a tile

// The place of a row among those whose thread has them first, and which of two it is.
constexpr int RowPair(int row) { return row / 16 * 8 + row % 8; }
constexpr int RowHalf(int row) { return row / 8 % 2; }

// Of codes of a row, columns c, c + 1, c + 8 and c + 9 of a step, `quad` = c / 2.
constexpr int CodeWord(int row, int step, int quad) {
  return (RowPair(row) * 4 + quad) * kStepsOfCodes + step;
}
// Where they are in the word.
constexpr uint32_t PlaceCodes(int row, uint32_t c, uint32_t c1, uint32_t c8, uint32_t c9) {
  return (c | c1 << 16 | c8 << 8 | c9 << 24) << (4 * RowHalf(row));
}

constexpr int Int4ScalePlace(int row, int group) {
  return (group * (kTileRows / 2) + RowPair(row)) * 2 + RowHalf(row);
}
constexpr int Mxfp4ScalePlace(int row, int group) {
  return (RowPair(row) * 2 + RowHalf(row)) * 2 + group;
}

// The scale as a sum of two bf16 of its sign: its first 8 bits of significand in the high half, the
// next 3 in the low one, of which the last 5 bits are the zero point. A code less its zero point
// times the second is exact in bf16, so one fma rounds the whole product once.
inline uint32_t ScaleWord(float scale, int zero) {
  constexpr uint32_t kSign = 0x80000000u, kLost = 0x1fffu;  // of an f32: beyond 11 bits
  uint32_t bits = std::bit_cast<uint32_t>(scale);
  bits = (bits + kLost / 2 + (bits >> 13 & 1)) & ~kLost;
  const uint32_t first = bits & 0xffff0000u;
  const float rest = std::bit_cast<float>(bits) - std::bit_cast<float>(first);
  const uint32_t second = std::bit_cast<uint32_t>(rest) | (bits & kSign);
  return first | (second >> 16 & 0xffe0u) | static_cast<uint32_t>(zero);
}
inline uint8_t ScaleExponent(float scale) {
  return static_cast<uint8_t>(std::bit_cast<uint32_t>(scale) >> 23);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CHOOSE_CODE_TILE_H_
